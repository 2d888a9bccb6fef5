package wal

import (
	"fmt"
	"os"
	"syscall"
)

// Supported tells whether logs can be read on this system.
const Supported = true

// The commands for locks that belong to an open file, not to the process: closing another
// descriptor of the file does not drop them, and the process's own SQLite meets them.
const (
	ofdGet = 36
	ofdSet = 37
)

// lockByte takes or drops a shared lock on one byte, without waiting. It is false if somebody
// has it alone.
func lockByte(file *os.File, at int64, on bool) bool {
	l := syscall.Flock_t{Type: syscall.F_UNLCK, Start: at, Len: 1}
	if on {
		l.Type = syscall.F_RDLCK
	}
	return syscall.FcntlFlock(file.Fd(), ofdSet, &l) == nil
}

// byteHeld tells whether somebody else has a lock on the byte.
func byteHeld(file *os.File, at int64) bool {
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Start: at, Len: 1}
	return syscall.FcntlFlock(file.Fd(), ofdGet, &l) == nil && l.Type != syscall.F_UNLCK
}

// lockAlone takes the lock of a whole file, without waiting. Closing the file drops it.
func lockAlone(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// remotes are the numbers of file systems that are not on this machine, or may not be.
var remotes = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0x01021997: "9P",
	0x65735546: "FUSE", 0x00c36400: "Ceph", 0x6b414653: "AFS", 0x47504653: "GPFS",
}

// Remote returns the name of the file system that a file is on if it is a network's, or may be.
func Remote(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return remotes[uint32(s.Type)], nil
}

// fileID returns what tells a file from others that were, or will be, at the same path.
func fileID(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s has no number", path)
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino), nil
}
