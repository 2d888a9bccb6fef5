package servers

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// suites says which suite of Debian has a major version of PostgreSQL.
var suites = map[string]string{"15": "bookworm", "17": "trixie", "18": "sid"}

// postgres is the engine PostgreSQL.
type postgres struct{}

func (postgres) traits() traits {
	return traits{
		name:     "PostgreSQL",
		label:    "postgres",
		given:    "CDCSYNC_TEST_POSTGRES",
		versions: []string{"15", "18"}, // the oldest and the newest that are supported
		users:    []string{"postgres", "nobody"},
		server:   "postgres",
		client:   "psql",
		dataArg:  "--pgdata=",
		pidFile:  "postmaster.pid",
		stop:     interrupt,
		quit:     quit,
	}
}

func (postgres) programs(version string) (bundle, error) {
	if _, err := strconv.ParseUint(version, 10, 16); err != nil {
		return bundle{}, fmt.Errorf("%q is no major version", version)
	}
	return bundle{
		name:     "postgresql-" + version,
		suite:    suites[version],
		packages: []string{"postgresql-" + version},
		bin:      "usr/lib/postgresql/" + version + "/bin",
		programs: []string{"postgres", "initdb", "pg_resetwal", "psql", "pgbench", "pg_dump"},
	}, nil
}

// check has nothing to do: the version is in the name of the folder.
func (postgres) check(context.Context, string, string) error { return nil }

func (postgres) initialiser(i *Installation) (string, []string) {
	args := []string{"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"}
	if major, err := strconv.Atoi(i.version); err == nil && major >= 15 {
		// People's servers sort text as their language does, so that whoever takes the order
		// of bytes for granted finds out here.
		args = append(args, "--locale-provider=icu", "--icu-locale=en-US")
	}
	return "initdb", args
}

func (postgres) renew(ctx context.Context, i *Installation, dir string) error {
	if err := renewIdentity(dir); err != nil {
		return fmt.Errorf("give the data directory a system identifier of its own: %w", err)
	}
	// The log that was copied belongs to the old identity; this begins a new one.
	return i.serve(ctx, "pg_resetwal", "-D", dir)
}

func (p postgres) configure(s *Server, o Options) ([]string, error) {
	config, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	settings := p.settings(s, o)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, err := fmt.Fprintf(config, "%s = '%s'\n", name, strings.ReplaceAll(settings[name], "'", "''")); err != nil {
			_ = config.Close()
			return nil, err
		}
	}
	return []string{"-D", s.data()}, config.Close()
}

func (postgres) settings(s *Server, o Options) map[string]string {
	settings := map[string]string{
		"autovacuum":                "on",
		"fsync":                     "on",
		"listen_addresses":          "127.0.0.1",
		"log_line_prefix":           "%m [%p] %q%a %d ",
		"log_timezone":              "UTC",
		"logging_collector":         "off",
		"max_connections":           "100",
		"max_prepared_transactions": "16",
		"max_replication_slots":     "32",
		"max_wal_senders":           "32",
		"port":                      strconv.Itoa(s.port),
		"shared_buffers":            "128MB",
		"timezone":                  "UTC",
		"unix_socket_directories":   s.dir,
		"wal_level":                 "logical",
		// In files of the data directory, so that nothing is left elsewhere after a kill.
		"dynamic_shared_memory_type": "mmap",
	}
	if len(s.dir)+len("/.s.PGSQL.65535") > socketLimit {
		settings["unix_socket_directories"] = ""
	}
	if major, err := strconv.Atoi(s.installation.version); err == nil && major >= 18 {
		settings["max_active_replication_origins"] = "32"
	}
	if o.NoSync {
		settings["fsync"] = "off"
	}
	maps.Copy(settings, o.Settings)
	return settings
}

func (postgres) ready(_ *Server, lines []string) bool {
	return len(lines) >= 8 && slices.Contains([]string{"ready", "standby"}, strings.TrimSpace(lines[7]))
}

func (postgres) dsn(s *Server, database string) string {
	if s.given != "" {
		return withDatabase(s.given, database)
	}
	if database == "" {
		database = "postgres"
	}
	return fmt.Sprintf("postgres://postgres@%s/%s", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), database)
}

// withDatabase returns a connection string, in either of the two forms, with another database.
func withDatabase(dsn, database string) string {
	if database == "" {
		return dsn
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		return fmt.Sprintf("%s dbname='%s'", dsn, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database))
	}
	u.Path, u.RawPath = "/"+database, ""
	return u.String()
}

func (postgres) client(ctx context.Context, s *Server, database string, arguments ...string) (*exec.Cmd, error) {
	args := append([]string{"-X", "-v", "ON_ERROR_STOP=1", "-d", s.DSN(database)}, arguments...)
	return s.installation.Command(ctx, "psql", args...), nil
}

func (p postgres) sql(ctx context.Context, s *Server, database, statements string) (string, error) {
	cmd, err := p.client(ctx, s, database, "-qAt")
	if err != nil {
		return "", err
	}
	cmd.Stdin = strings.NewReader(statements)
	out, err := run(cmd, nil)
	return strings.TrimSuffix(out, "\n"), err
}

func (p postgres) version(ctx context.Context, s *Server) (string, error) {
	answer, err := p.sql(ctx, s, "", "SHOW server_version_num")
	if err != nil {
		return "", err
	}
	number, err := strconv.Atoi(answer)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(number / 10_000), nil
}

// drop ends what the database has: connections, prepared transactions, and slots, each of
// which can be dropped once its reader is gone, which may come back. Dropping its 300 files takes as long
// as most tests, and making those of the next one longer: on a server of our own, which goes soon,
// what is small is only closed.
func (p postgres) drop(ctx context.Context, s *Server, name string) error {
	prepared := "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database() \\gexec"
	if _, err := p.sql(ctx, s, name, prepared); err != nil {
		return err
	}
	const end = `
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'NAME';
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'NAME';`
	remove := end + `
DROP DATABASE NAME WITH (FORCE);`
	if s.given == "" { // an empty one has 8 MB
		remove = end + `
ALTER DATABASE NAME ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'NAME';
SELECT 'DROP DATABASE NAME WITH (FORCE)' WHERE pg_database_size('NAME') > 32 * 1024 * 1024 \gexec`
	}
	_, err := p.sql(ctx, s, "", strings.ReplaceAll(remove, "NAME", name))
	return err
}
