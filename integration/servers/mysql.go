package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/integration/certificates"
)

// mysql is the engine MySQL, or MariaDB, which is like it in most.
type mysql struct{ mariadb bool }

func (m mysql) traits() traits {
	t := traits{
		name:     "MySQL",
		label:    "mysql",
		given:    "CDCSYNC_TEST_MYSQL",
		versions: []string{"9"},
		users:    []string{"mysql", "nobody"},
		server:   "../sbin/mysqld",
		client:   "mysql",
		dataArg:  "--datadir=",
		pidFile:  "mysqld.pid",
		stop:     terminate,
		quit:     kill, // it has no children, and leaves nothing outside of its folder
	}
	if m.mariadb {
		t.name, t.label, t.given = "MariaDB", "mariadb", "CDCSYNC_TEST_MARIADB"
		t.versions = []string{"10.11", "11.8"}
		t.server, t.client = "../sbin/mariadbd", "mariadb"
	}
	return t
}

func (m mysql) programs(version string) (bundle, error) {
	if !regexp.MustCompile(`^\d+(\.\d+)?$`).MatchString(version) {
		return bundle{}, fmt.Errorf("%q is no version", version)
	}
	b := bundle{
		name:     m.traits().label + "-" + version,
		packages: []string{"mysql-server-core", "mysql-client-core"},
		bin:      "usr/bin",
		programs: []string{"../sbin/mysqld", "mysql"},
	}
	suites := map[string]string{"9": "sid"}
	if m.mariadb {
		b.packages = []string{"mariadb-server-core", "mariadb-client-core"}
		b.programs = []string{"../sbin/mariadbd", "mariadb-install-db", "my_print_defaults", "mariadb"}
		suites = map[string]string{"10.11": "bookworm", "11.8": "trixie"}
	}
	b.suite = suites[version]
	return b, nil
}

// check asks the server's program, because its folder is the same for all versions, and that
// of MariaDB may be called mysqld as well.
func (m mysql) check(ctx context.Context, bin, version string) error {
	out, err := run(exec.CommandContext(ctx, filepath.Join(bin, m.traits().server), "--no-defaults", "--version"), nil)
	if err != nil {
		return err
	}
	_, said, _ := strings.Cut(out, " Ver ")
	if found, err := m.parseVersion(said); err != nil {
		return err
	} else if !isOf(found, version) {
		return fmt.Errorf("%s is of version %s, not %s", bin, found, version)
	}
	return nil
}

// parseVersion returns the first two numbers of a version, such as 10.11 of 10.11.18-MariaDB.
func (m mysql) parseVersion(text string) (string, error) {
	text = strings.TrimSpace(text)
	found := regexp.MustCompile(`^\d+\.\d+`).FindString(text)
	if found == "" {
		return "", fmt.Errorf("%q is no version", text)
	}
	if m.mariadb != strings.Contains(text, "MariaDB") {
		return "", fmt.Errorf("%q is no version of %s", text, m.traits().name)
	}
	return found, nil
}

func (m mysql) initialiser(i *Installation) (string, []string) {
	base := "--basedir=" + filepath.Dir(i.bin)
	// There is less to copy with a small log. It grows when the server is started.
	if m.mariadb {
		return "mariadb-install-db", []string{"--no-defaults", base, "--auth-root-authentication-method=normal",
			"--skip-name-resolve", "--skip-test-db", "--innodb-log-file-size=8M"}
	}
	return m.traits().server, []string{"--no-defaults", base, "--initialize-insecure", "--secure-file-priv=",
		"--innodb-redo-log-capacity=8M"}
}

// renew removes the name that MySQL made up for the server, so that it makes up another.
// Those of MariaDB have none but server_id.
func (m mysql) renew(_ context.Context, _ *Installation, dir string) error {
	if err := os.Remove(filepath.Join(dir, "auto.cnf")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (m mysql) configure(s *Server, o Options) ([]string, error) {
	file := filepath.Join(s.dir, "my.cnf")
	config := "[mysqld]\n"
	settings := m.settings(s, o)
	if err := m.certify(s, settings); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		config += fmt.Sprintf("%s = \"%s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(settings[name]))
	}
	return []string{"--defaults-file=" + file}, os.WriteFile(file, []byte(config), 0o644)
}

func (m mysql) settings(s *Server, o Options) map[string]string {
	settings := map[string]string{
		"basedir":                 filepath.Dir(s.installation.bin),
		"bind_address":            "127.0.0.1",
		"binlog_format":           "ROW",
		"binlog_row_image":        "FULL",
		"binlog_row_metadata":     "FULL",
		"character_set_server":    "utf8mb4",
		"datadir":                 s.data(),
		"default_time_zone":       "+00:00",
		"innodb_buffer_pool_size": "128M",
		"log_bin":                 "binlog",
		"performance_schema":      "OFF",
		"pid_file":                filepath.Join(s.data(), m.traits().pidFile),
		"port":                    strconv.Itoa(s.port),
		"secure_file_priv":        "",
		// By chance, because the GTIDs of MariaDB have nothing else that tells them from those of
		// a server that had the port before; and positive for who reads it as signed.
		"server_id": strconv.Itoa(1 + rand.IntN(math.MaxInt32)),
		"socket":    filepath.Join(s.dir, "socket"),
		"tmpdir":    s.dir, // so that nothing is left elsewhere after a kill

		"innodb_flush_log_at_trx_commit": "1",
		"sync_binlog":                    "1",
	}
	if m.mariadb {
		settings["gtid_strict_mode"] = "ON"
	} else {
		settings["gtid_mode"] = "ON"
		settings["enforce_gtid_consistency"] = "ON"
		settings["mysqlx"] = "OFF"
		settings["event_scheduler"] = "OFF" // it looks without pause where the clock was set
	}
	if len(settings["socket"]) > socketLimit {
		settings["socket"] = "" // it has none then
	}
	if o.NoSync {
		settings["innodb_flush_log_at_trx_commit"] = "2" // 0 would lose a second at a kill
		settings["sync_binlog"] = "0"
	}
	for name, value := range o.Settings {
		settings[strings.ReplaceAll(name, "-", "_")] = value
	}
	return settings
}

// certify gives a server a certificate that would make itself one: MariaDB at every start, which takes
// longer than the rest of it, and both with keys for RSA, which make each connection dear.
func (m mysql) certify(s *Server, settings map[string]string) error {
	if m.mariadb && isOf(s.installation.version, "10") || settings["ssl_cert"] != "" {
		return nil
	}
	const name = "server"
	if _, err := certificates.Issue(nil, s.dir, name, "127.0.0.1"); err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	settings["ssl_cert"], settings["ssl_key"] = filepath.Join(s.dir, name+".pem"), filepath.Join(s.dir, name+".key")
	return errors.Join(s.installation.account.give(settings["ssl_cert"]), s.installation.account.give(settings["ssl_key"]))
}

// ready waits for the greeting of a connection. The file is written, and the log says so, a
// moment before the server takes connections, and MariaDB hangs if it is told to stop in it.
func (mysql) ready(s *Server, _ []string) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	packet := make([]byte, 5) // its length, its number, the version of the protocol
	_, err = io.ReadFull(conn, packet)
	return err == nil && packet[4] == 10
}
