package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Installation is the programs of one version of a server.
type Installation struct {
	engine  engine
	version string
	bin     string
	folder  folder
	account *account
	// given means that only programs that talk to a server are used, with a given one.
	given bool
	// variables are what the environment of its programs has to have.
	variables []string
}

// Postgres finds the programs of a major version of PostgreSQL, such as "17", or fetches
// them, which takes half a minute and is done once on a machine. The error says what is
// missing and what to do.
func Postgres(ctx context.Context, version string) (*Installation, error) {
	return install(ctx, postgres{}, version)
}

// MariaDB finds or fetches the programs of a version of MariaDB, such as "10.11", as Postgres
// does.
func MariaDB(ctx context.Context, version string) (*Installation, error) {
	return install(ctx, mysql{mariadb: true}, version)
}

// MySQL finds or fetches the programs of a version of MySQL, such as "9", as Postgres does.
func MySQL(ctx context.Context, version string) (*Installation, error) {
	return install(ctx, mysql{}, version)
}

func install(ctx context.Context, e engine, version string) (*Installation, error) {
	i := &Installation{engine: e, version: version}
	if err := i.find(ctx); err != nil {
		return nil, fmt.Errorf("find %s: %w", i, err)
	}
	return i, nil
}

func (i *Installation) find(ctx context.Context) error {
	traits := i.engine.traits()
	b, err := i.engine.programs(i.version)
	if err != nil {
		return err
	}
	if err := i.settle(); err != nil {
		return err
	}
	i.bin = "/" + b.bin
	if hasAll(i.bin, b.programs) && i.engine.check(ctx, i.bin, i.version) == nil {
		return nil
	}
	remedy := fmt.Sprintf("install the package %s, or set %s to a server to use", strings.Join(b.packages, " and "), traits.given)
	if b.suite == "" {
		return fmt.Errorf("%s has no such server, and no suite of Debian that is known here packages this version\n%s", i.bin, remedy)
	}
	i.bin, err = b.fetch(ctx, i.folder)
	if err == nil {
		err = i.engine.check(ctx, i.bin, i.version)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, remedy)
	}
	return nil
}

// settle finds out who runs the servers, and where.
func (i *Installation) settle() (err error) {
	if i.account, err = unprivileged(i.engine.traits().users...); err != nil {
		return err
	}
	if i.folder, err = openFolder(); err != nil {
		return err
	}
	return i.folder.checkEntry(i.account)
}

func hasAll(dir string, programs []string) bool {
	return !slices.ContainsFunc(programs, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err != nil
	})
}

// Version is the version that was asked for, or that of the server that was given.
func (i *Installation) Version() string { return i.version }

// String is the name of the engine and the version.
func (i *Installation) String() string { return i.engine.traits().name + " " + i.version }

// Command is one of the programs, such as psql, pgbench or mariadb, to be run as whoever runs
// the tests. Settings for such programs in the environment, such as PGHOST, count for a given
// server only.
func (i *Installation) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(i.bin, name), args...)
	if i.given {
		return cmd
	}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return slices.ContainsFunc([]string{"PG", "MYSQL", "MARIADB", "LC_", "LANG"}, func(prefix string) bool {
			return strings.HasPrefix(v, prefix)
		})
	})
	cmd.Env = append(append(cmd.Env, "LC_ALL=C", "TZ=UTC"), i.variables...)
	return cmd
}

// serve runs one of the programs that have to do with data directories, as the user that
// servers run as, in a folder that this user can enter.
func (i *Installation) serve(ctx context.Context, name string, args ...string) error {
	cmd := i.Command(ctx, name, args...)
	cmd.Dir = i.folder.dir
	_, err := run(cmd, i.account)
	return err
}
