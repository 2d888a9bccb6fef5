package servers

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
)

// renewIdentity gives a copied data directory of PostgreSQL another system identifier, because two servers
// with the same one are taken for copies of each other. It is the first field of the control
// file, which has a checksum at the end of what it knows.
func renewIdentity(dir string) error {
	file := filepath.Join(dir, "global", "pg_control")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for end := 128; end+4 <= min(len(b), 512); end += 4 {
		if crc32.Checksum(b[:end], castagnoli) != binary.NativeEndian.Uint32(b[end:]) {
			continue
		}
		if _, err := rand.Read(b[:8]); err != nil {
			return err
		}
		binary.NativeEndian.PutUint64(b, binary.NativeEndian.Uint64(b)>>1) // some read it as signed
		binary.NativeEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
		return os.WriteFile(file, b, 0o600)
	}
	return errors.New("the control file has no checksum where one is known to be")
}
