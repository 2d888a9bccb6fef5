package servers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// suites says which suite of Debian has a major version of PostgreSQL.
var suites = map[string]string{"15": "bookworm", "17": "trixie", "18": "sid"}

// Installation is the programs of one version of a server.
type Installation struct {
	version string
	bin     string
	folder  folder
	account *account
	// given means that only programs that talk to a server are used, with a given one.
	given bool
}

// Postgres finds the programs of a major version of PostgreSQL, such as "17", or fetches
// them, which takes half a minute and is done once on a machine. The error says what is
// missing and what to do.
func Postgres(ctx context.Context, version string) (*Installation, error) {
	i, err := findPostgres(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("find PostgreSQL %s: %w", version, err)
	}
	return i, nil
}

func findPostgres(ctx context.Context, version string) (*Installation, error) {
	if _, err := strconv.ParseUint(version, 10, 16); err != nil {
		return nil, fmt.Errorf("%q is no major version", version)
	}
	who, err := unprivileged("postgres", "nobody")
	if err != nil {
		return nil, err
	}
	f, err := openFolder()
	if err != nil {
		return nil, err
	}
	if err := f.checkEntry(who); err != nil {
		return nil, err
	}
	bin := filepath.Join("/usr/lib/postgresql", version, "bin")
	programs := []string{"postgres", "initdb", "pg_resetwal", "psql", "pgbench", "pg_dump"}
	if hasAll(bin, programs) {
		return &Installation{version: version, bin: bin, folder: f, account: who}, nil
	}
	remedy := fmt.Sprintf("install the package postgresql-%s, or set %s to a server to use", version, givenVariable)
	suite, ok := suites[version]
	if !ok {
		return nil, fmt.Errorf("%s has no server, and of what Debian packages only the versions %s are known here\n%s",
			bin, strings.Join(slices.Sorted(maps.Keys(suites)), ", "), remedy)
	}
	bin, err = bundle{
		name:     "postgresql-" + version,
		suite:    suite,
		packages: []string{"postgresql-" + version},
		bin:      strings.TrimPrefix(bin, "/"),
		programs: programs,
	}.fetch(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, remedy)
	}
	return &Installation{version: version, bin: bin, folder: f, account: who}, nil
}

func hasAll(dir string, programs []string) bool {
	return !slices.ContainsFunc(programs, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err != nil
	})
}

// Version is the major version.
func (i *Installation) Version() string { return i.version }

// Command is one of the programs, such as psql, pgbench or pg_dump, to be run as whoever runs
// the tests. Settings for PostgreSQL in the environment, such as PGHOST, count for a given
// server only.
func (i *Installation) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(i.bin, name), args...)
	if i.given {
		return cmd
	}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TZ=UTC")
	return cmd
}

// serve runs one of the programs that have to do with data directories, as the user that
// servers run as, in a folder that this user can enter.
func (i *Installation) serve(ctx context.Context, name string, args ...string) error {
	cmd := i.Command(ctx, name, args...)
	cmd.Dir = string(i.folder)
	_, err := run(cmd, i.account)
	return err
}
