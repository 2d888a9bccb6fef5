package wal

import (
	"bytes"
	"encoding/binary"
)

// Index is what the header of a -shm file says of the log: up to where it holds, for all
// processes that use the database. Frames behind that are nothing yet, even if they look
// complete.
type Index struct {
	// Commits counts the commits since the -shm file was made; it goes on when the log
	// begins again at its start.
	Commits uint32
	// Frames is the last frame of the newest commit.
	Frames uint32
	Salt   Salt
	// Pages is the size of the database.
	Pages uint32
	// Copied is the frame up to which the log is in the database file.
	Copied uint32
}

// indexSize is how many bytes the header takes: two copies, what was copied back, and the
// marks of readers.
const indexSize = 136

// ParseIndex reads the first 136 bytes of a -shm file. It is false while the header is being
// written or is not there.
func ParseIndex(b []byte) (x Index, ok bool) {
	if len(b) < indexSize || !bytes.Equal(b[:48], b[48:96]) || b[12] != 1 {
		return x, false
	}
	native := binary.NativeEndian // as the file is shared memory
	if native.Uint32(b) != 3007000 {
		return x, false
	}
	// The checksum is that of the log, in the order of this machine.
	sum := checksum{order: binary.LittleEndian}
	if native.Uint16([]byte{1, 0}) != 1 {
		sum.order = binary.BigEndian
	}
	if sum = sum.add(b[:40]); sum.s1 != native.Uint32(b[40:]) || sum.s2 != native.Uint32(b[44:]) {
		return x, false
	}
	return Index{
		Commits: native.Uint32(b[8:]), Frames: native.Uint32(b[16:]), Pages: native.Uint32(b[20:]),
		Salt:   Salt{be32(b[32:]), be32(b[36:])},
		Copied: native.Uint32(b[96:]),
	}, true
}
