package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

func (mysql) dsn(s *Server, database string) string {
	if s.given == "" {
		return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", s.port, database)
	}
	if database == "" {
		return s.given
	}
	// What is before the last slash may have slashes too: passwords, paths of sockets.
	slash := strings.LastIndexByte(s.given, '/')
	_, parameters, found := strings.Cut(s.given[slash+1:], "?")
	if found {
		parameters = "?" + parameters
	}
	return s.given[:slash+1] + url.PathEscape(database) + parameters
}

// address is what a connection string says: user:password@protocol(where)/database?parameters.
type address struct{ user, password, protocol, where, database string }

// parseAddress reads a connection string. Errors do not tell it, because of the password.
func parseAddress(dsn string) (address, error) {
	form := errors.New("the connection string is not of the form user:password@tcp(host:port)/database")
	slash := strings.LastIndexByte(dsn, '/')
	if slash < 0 {
		return address{}, form
	}
	a := address{protocol: "tcp", where: "127.0.0.1:3306"}
	server := dsn[:slash]
	if at := strings.LastIndexByte(server, '@'); at >= 0 {
		a.user, a.password, _ = strings.Cut(server[:at], ":")
		server = server[at+1:]
	}
	if server != "" {
		protocol, where, found := strings.Cut(server, "(")
		a.protocol = protocol
		if found {
			a.where = strings.TrimSuffix(where, ")")
		}
	}
	database, _, _ := strings.Cut(dsn[slash+1:], "?")
	var err error
	if a.database, err = url.PathUnescape(database); err != nil || a.protocol != "tcp" && a.protocol != "unix" {
		return address{}, form
	}
	return a, nil
}

// arguments returns those that the client is to have. The password is not among them,
// because everybody on the machine can see them.
func (a address) arguments() []string {
	args := []string{"--no-defaults", "--user=" + a.user, "--default-character-set=utf8mb4"}
	if a.protocol == "unix" {
		return append(args, "--socket="+a.where)
	}
	host, port, err := net.SplitHostPort(a.where)
	if err != nil {
		host, port = a.where, "3306"
	}
	return append(args, "--protocol=tcp", "--host="+host, "--port="+port)
}

func (m mysql) client(ctx context.Context, s *Server, database string, arguments ...string) (*exec.Cmd, error) {
	a, err := parseAddress(s.DSN(database))
	if err != nil {
		return nil, err
	}
	args := append(a.arguments(), "--database="+a.database)
	if m.mariadb {
		// A server that was given has made its certificate itself.
		args = append(args, "--skip-ssl-verify-server-cert")
	}
	cmd := s.installation.Command(ctx, m.traits().client, append(args, arguments...)...)
	// The file is where people's passwords are; there is none.
	cmd.Env = append(cmd.Environ(), "MYSQL_PWD="+a.password, "MYSQL_TEST_LOGIN_FILE="+os.DevNull+"/none")
	return cmd, nil
}

func (m mysql) sql(ctx context.Context, s *Server, database, statements string) (string, error) {
	cmd, err := m.client(ctx, s, database, "--batch", "--skip-column-names")
	if err != nil {
		return "", err
	}
	cmd.Stdin = strings.NewReader(statements)
	out, err := run(cmd, nil)
	// Between values are tabs, and those in values are escaped.
	out = strings.NewReplacer("\t", "|", `\t`, "\t", `\n`, "\n", `\0`, "\x00", `\\`, `\`).Replace(out)
	return strings.TrimSuffix(out, "\n"), err
}

func (m mysql) version(ctx context.Context, s *Server) (string, error) {
	answer, err := m.sql(ctx, s, "", "SELECT CONCAT(VERSION(), ' ', @@version_comment)")
	if err != nil {
		return "", err
	}
	return m.parseVersion(answer)
}

// drop ends the connections that are in the database, and prepared transactions that have its
// name in theirs, as these keep its tables locked.
func (m mysql) drop(ctx context.Context, s *Server, name string) error {
	prepared, err := m.sql(ctx, s, "", "XA RECOVER")
	if err != nil {
		return err
	}
	script := ""
	for line := range strings.Lines(prepared) {
		// Format, the lengths of the name's two parts, and both.
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 4)
		if len(f) != 4 || !strings.Contains(f[3], name) {
			continue
		}
		first, err := strconv.Atoi(f[1])
		if err != nil || first > len(f[3]) {
			return fmt.Errorf("read prepared transactions: not understood: %q", line)
		}
		script += fmt.Sprintf("XA ROLLBACK X'%x', X'%x', %s;\n", f[3][:first], f[3][first:], f[0])
	}
	connections, err := m.sql(ctx, s, "", "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE db = '"+name+"'")
	if err != nil {
		return err
	}
	// A lock that somebody else holds is not waited for as long as the server would.
	script += connections + "\nSET lock_wait_timeout = 1;\nDROP DATABASE " + name + ";\n"
	_, err = m.sql(ctx, s, "", script)
	return err
}
