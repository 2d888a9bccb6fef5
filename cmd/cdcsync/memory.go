package main

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// How much Go may hold before it collects more eagerly, in bytes: for the program, and for each
// link at least and at most. Between them it is the part of what the process may use, because
// cdcsync is a guest on machines that have other work. Less than the most costs processor time,
// more gains nothing.
const (
	memoryProgram   = 32 << 20
	memoryLinkLeast = 32 << 20
	memoryLinkMost  = 96 << 20
	memoryPart      = 16
)

// boundMemory sets the limit, unless the environment says another, and returns what holds, in
// bytes.
func boundMemory(links int) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBound(memoryUsable(), links))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	return debug.SetMemoryLimit(-1)
}

// memoryBound returns the limit for a number of links where so many bytes may be used.
func memoryBound(usable int64, links int) int64 {
	least, most := int64(links)*memoryLinkLeast, int64(links)*memoryLinkMost
	return memoryProgram + min(max(usable/memoryPart-memoryProgram, least), most)
}

// memoryUsable returns how many bytes this process may use, of its machine or of its container,
// which may be promised more than there are; 0 if nothing tells.
func memoryUsable() int64 {
	var usable uint64
	for _, of := range []memlimit.Provider{memlimit.FromSystem, memlimit.FromCgroup} {
		if bytes, err := of(); err == nil && (usable == 0 || bytes < usable) {
			usable = bytes
		}
	}
	return int64(usable)
}
