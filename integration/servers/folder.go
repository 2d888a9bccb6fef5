package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const folderVariable = "CDCSYNC_TEST_DIR"

// folder is where everything of this package is kept: fetched programs, templates of data
// directories, the servers that run, and locks. All test processes of one user share it.
type folder string

func (f folder) programs() string  { return filepath.Join(string(f), "programs") }
func (f folder) templates() string { return filepath.Join(string(f), "templates") }
func (f folder) instances() string { return filepath.Join(string(f), "instances") }

// lock returns the path of a lock file.
func (f folder) lock(name string) string { return filepath.Join(string(f), "locks", name) }

// openFolder returns the folder, made if need be.
func openFolder() (folder, error) {
	dir := os.Getenv(folderVariable)
	if dir == "" {
		dir = fmt.Sprintf("/var/tmp/cdcsync-test-%d", os.Getuid())
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", folderVariable, err)
	}
	f := folder(dir)
	for _, d := range []string{dir, f.programs(), f.templates(), f.instances(), f.lock("")} {
		if err := makeReadable(d); err != nil {
			return "", fmt.Errorf("make folder for test servers (%s says where): %w", folderVariable, err)
		}
	}
	// The parent may be everybody's: who made the folder decides what programs we run.
	if uid, err := owner(dir); err != nil {
		return "", fmt.Errorf("read owner of %s: %w", dir, err)
	} else if uid != os.Geteuid() {
		return "", fmt.Errorf("use %s: it belongs to user %d, not to us: remove it, or set %s", dir, uid, folderVariable)
	}
	return f, nil
}

// makeReadable makes a folder that others can enter whatever the umask says, because root's
// servers run as another user. A folder that is there already is left as it is.
func makeReadable(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	switch err := os.Mkdir(dir, 0o755); {
	case errors.Is(err, os.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return os.Chmod(dir, 0o755)
}

// checkEntry tells whether who can enter the folder and all above it.
func (f folder) checkEntry(who *account) error {
	for dir := string(f); who != nil && dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		uid, err := owner(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 && uid != int(who.uid) {
			return fmt.Errorf("use %s: servers run as the user %s, who cannot enter %s: chmod o+x it, or set %s", f, who.name, dir, folderVariable)
		}
	}
	return nil
}
