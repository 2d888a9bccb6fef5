package servers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	cp.Dir = i.folder.dir
	if _, err := run(cp, i.account); err != nil {
		return err
	}
	return i.engine.renew(ctx, i, dir)
}

// template returns the initialised data directory of the version, made if need be.
func (i *Installation) template(ctx context.Context) (string, error) {
	traits := i.engine.traits()
	server, err := os.Stat(filepath.Join(i.bin, traits.server))
	if err != nil {
		return "", err
	}
	initialiser, args := i.engine.initialiser(i)
	// After an upgrade of the programs a new one is made.
	made := sha256.Sum256(fmt.Appendf(nil, "%q %q %s", i.bin, args, server.ModTime().UTC()))
	name := fmt.Sprintf("%s-%s-%x", traits.label, i.version, made[:4])
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
	if err := i.serve(ctx, initialiser, append(args, traits.dataArg+half)...); err != nil {
		return "", err
	}
	return final, os.Rename(half, final)
}
