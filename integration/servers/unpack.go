package servers

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// unneeded are packages that a server package depends on for its set-up as a service, and
// that no program of it needs.
var unneeded = []string{"adduser", "coreutils", "debconf", "dpkg", "init", "init-system-helpers", "libperl*", "libsystemd-shared",
	"locales", "login*", "mawk", "passwd", "perl*", "systemd*", "sysvinit-utils", "ucf"}

// unpack unpacks the packages of a folder into root, which will be called final, and makes
// the programs runnable there.
func (b bundle) unpack(ctx context.Context, packages, root, final string) error {
	files, err := filepath.Glob(filepath.Join(packages, "*.deb"))
	if err != nil {
		return err
	}
	into, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { _ = into.Close() }()
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), "_")
		if matches(b.without, name) || matches(unneeded, name) && !matches(b.with, name) {
			continue
		}
		if err := unpackPackage(ctx, file, into); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(file), err)
		}
	}
	for _, program := range b.programs {
		if _, err := into.Stat(path.Join(b.bin, program)); err != nil {
			return fmt.Errorf("find %s in %s: %w", program, strings.Join(b.packages, " "), err)
		}
	}
	for _, bin := range b.bins() {
		if err := wrap(into, final, bin); err != nil {
			return err
		}
	}
	return nil
}

// matches tells whether one of the patterns means a name.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// bins returns the folders that the programs are in.
func (b bundle) bins() []string {
	var dirs []string
	for _, program := range b.programs {
		dirs = append(dirs, path.Dir(path.Join(b.bin, program)))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// unpackPackage unpacks one package into root.
func unpackPackage(ctx context.Context, file string, root *os.Root) error {
	// If we fail half-way, the program must not wait for somebody to read.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := untar(tar.NewReader(out), root); err != nil {
		cancel()
		_ = cmd.Wait()
		return err
	}
	// What is after the archive's end mark is padding.
	if _, err := io.Copy(io.Discard, out); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("run dpkg-deb: %w\n%s", err, complaints.Bytes())
	}
	return nil
}

// place returns where a file of a package goes, and false for one that no program needs.
func place(name string) (string, bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "lib", "lib64", "bin", "sbin":
		// Debian 12 still has packages with these; they have been links since.
		return "usr/" + name, true
	case "usr", "etc":
	default:
		return "", false
	}
	for _, dir := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return "", false
		}
	}
	return name, true
}

// untar writes the files of an archive below root, readable by everybody, as ours.
func untar(archive *tar.Reader, root *os.Root) error {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name, wanted := place(h.Name)
		if !wanted {
			continue
		}
		if err := makeParents(root, path.Dir(name)); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = makeParents(root, name)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, name)
		case tar.TypeLink:
			if target, ok := place(h.Linkname); ok {
				err = root.Link(target, name)
			}
		case tar.TypeReg:
			err = writeFile(root, name, archive, h.FileInfo().Mode().Perm()&0o755|0o444)
		}
		if err != nil {
			return err
		}
	}
}

// makeParents makes a folder that everybody can enter, whatever the umask says, and those
// above it.
func makeParents(root *os.Root, dir string) error {
	if info, err := root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := makeParents(root, path.Dir(dir)); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return root.Chmod(dir, 0o755)
}

func writeFile(root *os.Root, name string, from io.Reader, mode fs.FileMode) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Chmod(mode); err != nil { // the umask may have taken some
		_ = file.Close()
		return err
	}
	return file.Close()
}

// wrap puts a script in the place of each program, which starts it with the dynamic loader
// and the libraries that were fetched with it, because those of this machine may be older.
// Programs find each other as they would without.
func wrap(root *os.Root, final, bin string) error {
	loader, err := find(root, "usr/lib/*/ld-linux*.so.*", "usr/lib/ld-linux*.so.*", "usr/lib64/ld-linux*.so.*")
	if err != nil {
		return err
	}
	elf := bin + ".elf"
	if err := makeParents(root, elf); err != nil {
		return err
	}
	programs, err := fs.ReadDir(root.FS(), bin)
	if err != nil {
		return err
	}
	for _, program := range programs {
		name, moved := path.Join(bin, program.Name()), path.Join(elf, program.Name())
		if !program.Type().IsRegular() {
			continue
		}
		if ok, err := isELF(root, name); err != nil {
			return err
		} else if !ok {
			continue
		}
		if err := root.Rename(name, moved); err != nil {
			return err
		}
		libraries := quote(final+"/"+path.Dir(loader)) + ":" + quote(final+"/usr/lib")
		script := fmt.Sprintf("#!/bin/sh\nexec %s --library-path %s --argv0 \"$0\" %s \"$@\"\n",
			quote(final+"/"+loader), libraries, quote(final+"/"+moved))
		if err := writeFile(root, name, strings.NewReader(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// find returns the first file that one of the patterns means.
func find(root *os.Root, patterns ...string) (string, error) {
	for _, pattern := range patterns {
		found, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("find dynamic loader (%s): %w", strings.Join(patterns, ", "), fs.ErrNotExist)
}

func isELF(root *os.Root, name string) (bool, error) {
	file, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(file, magic); err != nil {
		return false, nil // shorter than that
	}
	return string(magic) == "\x7fELF", nil
}

// quote quotes a word for sh.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
