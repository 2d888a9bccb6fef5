package wal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRemote knows file systems by their numbers in linux/magic.h, and the one of this test is local.
func TestRemote(t *testing.T) {
	for number, want := range map[int64]string{
		0x6969: "NFS", 0xfe534d42: "SMB", -0x1acb2be: "SMB", 0x01021997: "9P", 0x65735546: "FUSE", 0x0bd00bd0: "Lustre",
		0x786f4256: "a VirtualBox shared folder", 0x7461636f: "OCFS2", 0x01161970: "GFS2",
		0xef53: "", 0x58465342: "", -0x6edc97c2: "", 0x01021994: "", 0x794c7630: "", // ext4, XFS, btrfs, tmpfs, overlay
	} {
		if got := remoteName(number); got != want {
			t.Errorf("%#x is %q, want %q", number, got, want)
		}
	}
	if got, err := Remote(t.TempDir()); err != nil || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Remote(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a path that is not there has a file system")
	}
}

// TestOpenQuietly reads a file that was written since it was read last. Plain reading notes that.
func TestOpenQuietly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db-wal")
	if err := os.WriteFile(path, []byte("frames"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-72 * time.Hour).Truncate(time.Second)
	readBy := func(file *os.File, err error) time.Time {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := os.Chtimes(path, long, long.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n, err := file.Read(make([]byte, 10)); n != 6 || err != nil {
			t.Fatal(n, err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		s := info.Sys().(*syscall.Stat_t)
		return time.Unix(int64(s.Atim.Sec), int64(s.Atim.Nsec))
	}
	if at := readBy(os.Open(path)); at.Equal(long) {
		t.Skip("this file system notes nothing")
	}
	if at := readBy(openQuietly(path, os.O_RDONLY)); !at.Equal(long) {
		t.Errorf("it was read at %v, as the file says", at)
	}
}
