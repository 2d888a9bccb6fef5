package wal

import (
	"errors"
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

// openQuietly opens a file of the application so that reading it leaves no trace: noting when it was read last
// would write to its inode, after every write of the application once. Only who owns the file may.
func openQuietly(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, flag|syscall.O_NOATIME, 0)
	if errors.Is(err, syscall.EPERM) {
		return os.OpenFile(path, flag, 0)
	}
	return file, err
}

// remotes are the numbers of file systems that are not on this machine, or may not be, or are on
// several: there the shared memory of a database is not that of all who use it.
var remotes = map[uint32]string{
	0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0x01021997: "9P",
	0x65735546: "FUSE", 0x00c36400: "Ceph", 0x6b414653: "AFS", 0x5346414f: "AFS", 0x73757245: "Coda", 0x564c: "NCP",
	0x47504653: "GPFS", 0x0bd00bd0: "Lustre", 0x19830326: "BeeGFS", 0x7461636f: "OCFS2", 0x01161970: "GFS2",
	0x786f4256: "a VirtualBox shared folder", 0xbacbacbc: "a VMware shared folder",
}

// Remote returns the name of the file system that a file is on if it is a network's, or may be.
func Remote(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return remoteName(int64(s.Type)), nil
}

// remoteName is Remote for the number of a file system, of which some systems extend the sign.
func remoteName(number int64) string { return remotes[uint32(number)] }

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
