//go:build !linux

package wal

import "os"

// Supported tells whether logs can be read on this system.
const Supported = false

func lockByte(*os.File, int64, bool) bool { return false }

func byteHeld(*os.File, int64) bool { return false }

func lockAlone(*os.File) bool { return false }

func openQuietly(path string, flag int) (*os.File, error) { return os.OpenFile(path, flag, 0) }

// Remote returns the name of the file system that a file is on if it is a network's, or may be.
func Remote(string) (string, error) { return "", nil }

func fileID(path string) (string, error) { return path, nil }
