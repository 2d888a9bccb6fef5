package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const folderVariable, dataVariable = "CDCSYNC_TEST_DIR", "CDCSYNC_TEST_DATA"

// folder is where everything of this package is kept: fetched programs, templates of data
// directories, the servers that run, and locks. All test processes of one user share it.
type folder struct {
	dir string
	// instances are the servers that run.
	instances string
}

func (f folder) programs() string  { return filepath.Join(f.dir, "programs") }
func (f folder) templates() string { return filepath.Join(f.dir, "templates") }

// lock returns the path of a lock file.
func (f folder) lock(name string) string { return filepath.Join(f.dir, "locks", name) }

// openFolder returns the folder, made if need be.
func openFolder() (f folder, err error) {
	if f.dir, err = ownFolder(folderVariable, fmt.Sprintf("/var/tmp/cdcsync-test-%d", os.Getuid())); err != nil {
		return f, err
	}
	if f.instances, err = ownFolder(dataVariable, filepath.Join(f.dir, "instances")); err != nil {
		return f, err
	}
	for _, d := range []string{f.programs(), f.templates(), f.lock("")} {
		if err := makeReadable(d); err != nil {
			return f, fmt.Errorf("make folder for test servers: %w", err)
		}
	}
	return f, nil
}

// ownFolder returns the folder that a variable of the environment names, or the usual one, made if need be.
func ownFolder(variable, usual string) (string, error) {
	dir := os.Getenv(variable)
	if dir == "" {
		dir = usual
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", variable, err)
	}
	if err := makeReadable(dir); err != nil {
		return "", fmt.Errorf("make folder for test servers (%s says where): %w", variable, err)
	}
	// The parent may be everybody's: who made the folder decides what programs we run, and on what.
	if uid, err := owner(dir); err != nil {
		return "", fmt.Errorf("read owner of %s: %w", dir, err)
	} else if uid != os.Geteuid() {
		return "", fmt.Errorf("use %s: it belongs to user %d, not to us: remove it, or set %s", dir, uid, variable)
	}
	return dir, nil
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

// checkEntry tells whether who can enter the folder, and that of the servers, and all above them.
func (f folder) checkEntry(who *account) error {
	return errors.Join(checkEntry(f.dir, folderVariable, who), checkEntry(f.instances, dataVariable, who))
}

func checkEntry(folder, variable string, who *account) error {
	for dir := folder; who != nil && dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		uid, err := owner(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 && uid != int(who.uid) {
			return fmt.Errorf("use %s: servers run as the user %s, who cannot enter %s: chmod o+x it, or set %s", folder, who.name, dir, variable)
		}
	}
	return nil
}
