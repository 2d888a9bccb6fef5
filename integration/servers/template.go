package servers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// dataDirectory makes a new data directory, a copy of one that was initialised once for all
// servers of the version, because that takes seconds.
func (i *Installation) dataDirectory(ctx context.Context, dir string) error {
	template, err := i.template(ctx)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := i.account.give(dir); err != nil {
		return err
	}
	// "/." is what is in it. Run as the server's user, the copy belongs to it.
	cp := exec.CommandContext(ctx, "cp", "-Rp", template+"/.", dir)
	cp.Dir = string(i.folder)
	if _, err := run(cp, i.account); err != nil {
		return err
	}
	if err := renewIdentity(dir); err != nil {
		return fmt.Errorf("give the data directory a system identifier of its own: %w", err)
	}
	// The log that was copied belongs to the old identity; this begins a new one.
	return i.serve(ctx, "pg_resetwal", "-D", dir)
}

// template returns the initialised data directory of the version, made if need be.
func (i *Installation) template(ctx context.Context) (string, error) {
	args := []string{"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"}
	if major, err := strconv.Atoi(i.version); err == nil && major >= 15 {
		// People's servers sort text as their language does, so that whoever takes the order
		// of bytes for granted finds out here.
		args = append(args, "--locale-provider=icu", "--icu-locale=en-US")
	}
	server, err := os.Stat(filepath.Join(i.bin, "postgres"))
	if err != nil {
		return "", err
	}
	// After an upgrade of the programs a new one is made.
	made := sha256.Sum256(fmt.Appendf(nil, "%q %q %s", i.bin, args, server.ModTime().UTC()))
	name := fmt.Sprintf("postgres-%s-%x", i.version, made[:4])
	final := filepath.Join(i.folder.templates(), name)
	if isFolder(final) {
		return final, nil
	}
	held, err := acquire(ctx, i.folder.lock(name))
	if err != nil {
		return "", err
	}
	defer held.release()
	if isFolder(final) {
		return final, nil
	}
	half := final + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return "", err
	}
	if err := i.account.give(half); err != nil {
		return "", err
	}
	if err := i.serve(ctx, "initdb", append(args, "-D", half)...); err != nil {
		return "", err
	}
	return final, os.Rename(half, final)
}

// renewIdentity gives a copied data directory another system identifier, because two servers
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
