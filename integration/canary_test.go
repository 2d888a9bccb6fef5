package integration

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// What must not be seen: the password of every dsn, the values of sensitive columns, and, but
// for those who ask for rows, the values of all others.
const (
	canaryPassword  = "canary-password-5b1e"
	canarySensitive = "canary-sensitive-77d0"
	canaryRow       = "canary-row-c3a9"
)

// canaryConfig is a link on which everything goes wrong that can, with a place for the address.
const canaryConfig = `
link "shop" {
  left  = store.old
  right = store.new
  table "people" {
    conflict { policy = "manual" }
    column "email" { sensitive = true }
    column "state" { values = { A = "active" } }
  }
  table "notes" {
    conflict { policy = "latest" }
    column "secret" { sensitive = true }
  }
  table "numbers" {
    column "secret" { sensitive = true }
  }
}
admin { listen = %q }
`

// canaryTables are in both stores. In SQLite a column holds whatever it is given.
var canaryTables = []string{
	"CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(60), email VARCHAR(60) UNIQUE, state VARCHAR(60))",
	"CREATE TABLE notes (id INTEGER PRIMARY KEY, body VARCHAR(60), secret VARCHAR(60))",
	"CREATE TABLE numbers (id INTEGER PRIMARY KEY, n INTEGER, secret VARCHAR(60))",
}

// TestCanary runs a link with conflicts, parked and refused rows, a bad row and a wrong password,
// and asks for everything that there is to see. Secrets are in none of it, and values of rows
// only where somebody asked for rows.
func TestCanary(t *testing.T) {
	for name, of := range map[string]func(t *testing.T) (left site, end func()){
		"postgres": postgresCanary, "mariadb": mariadbCanary, "sqlite": sqliteCanary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left, end := of(t)
			defer end()
			newCanary(t, left).run()
		})
	}
}

// postgresCanary is a database whose dsn has the password, and what takes its role away.
func postgresCanary(t *testing.T) (left site, end func()) {
	versions := servers.Versions()
	server := pool.Postgres(t, versions[len(versions)-1])
	db := server.Database(t)
	role := db.Name + "_canary"
	db.SQL(t, fmt.Sprintf("CREATE ROLE %s SUPERUSER LOGIN PASSWORD '%s'", role, canaryPassword))
	dsn, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(role, canaryPassword)
	return site{engine: "postgres", dsn: dsn.String(), server: server}, func() {
		db.SQL(t, fmt.Sprintf("REASSIGN OWNED BY %s TO CURRENT_USER; DROP OWNED BY %[1]s; DROP ROLE %[1]s", role))
	}
}

// mariadbCanary is the same on a MariaDB.
func mariadbCanary(t *testing.T) (left site, end func()) {
	versions := servers.MariaDBVersions()
	server := pool.MariaDB(t, versions[len(versions)-1])
	db := server.Database(t)
	user := db.Name + "_canary"
	db.SQL(t, fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'; GRANT ALL ON *.* TO %[1]s", user, canaryPassword))
	_, at, _ := strings.Cut(db.DSN, "@")
	return site{engine: "mariadb", dsn: user + ":" + canaryPassword + "@" + at, server: server}, func() { db.SQL(t, "DROP USER "+user) }
}

// sqliteCanary is a file.
func sqliteCanary(t *testing.T) (left site, end func()) { return file(t), func() {} }

// canary is one session.
type canary struct {
	*shop
	// logged is all that run has logged, by level; shown what commands and the API said.
	logged, shown map[string]string
}

func newCanary(t *testing.T, left site) *canary {
	c := &canary{
		shop:   &shop{t: t, config: filepath.Join(t.TempDir(), "shop.hcl"), address: freeAddress(t), sites: [2]site{left, file(t)}},
		logged: map[string]string{}, shown: map[string]string{},
	}
	for s := range c.sites {
		c.exec(s, canaryTables...)
	}
	c.exec(0, fmt.Sprintf("INSERT INTO people VALUES (1, '%s', '%s', 'A')", canaryRow, canarySensitive),
		fmt.Sprintf("INSERT INTO notes VALUES (1, '%s', '%s')", canaryRow, canarySensitive))
	c.writeConfig(canaryConfig)
	return c
}

// environment has the dsns. It puts the password into those of the files as well, which take no notice of
// it.
func (c *canary) environment(password string) []string {
	env := os.Environ()
	for s, name := range []string{"OLD_DSN", "NEW_DSN"} {
		dsn := c.sites[s].dsn
		if c.sites[s].engine == "sqlite" {
			dsn = "file:" + dsn + "?app=" + password
		}
		env = append(env, name+"="+strings.ReplaceAll(dsn, canaryPassword, password))
	}
	return env
}

// writeConfig writes a config whose dsns come from the environment.
func (c *canary) writeConfig(link string) {
	c.t.Helper()
	c.shop.writeConfig(link)
	text, err := os.ReadFile(c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	config := string(text)
	for s, name := range []string{"OLD_DSN", "NEW_DSN"} {
		config = strings.Replace(config, fmt.Sprintf("%q", c.sites[s].dsn), `env("`+name+`")`, 1)
	}
	if err := os.WriteFile(c.config, []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *canary) run() {
	c.command("plan", c.config)
	c.session("error", nil)
	c.exec(0, "UPDATE people SET name = 'left "+canaryRow+"'", "UPDATE notes SET body = 'left "+canaryRow+"', secret = 'left "+canarySensitive+"'",
		fmt.Sprintf("INSERT INTO people VALUES (2, 'two', '%s clash', 'A'), (4, 'four', 'four', '%s')", canarySensitive, canaryRow))
	c.exec(1, "UPDATE people SET name = 'right "+canaryRow+"', email = 'right "+canarySensitive+"'", "UPDATE notes SET body = 'right "+canaryRow+"'",
		fmt.Sprintf("INSERT INTO people VALUES (3, 'three', '%s clash', 'active'), (5, '%s', '%[2]s', 'active')", canarySensitive, canaryRow),
		fmt.Sprintf("INSERT INTO numbers VALUES (1, '%s', '%s')", canaryRow, canarySensitive))
	c.session("warn", func() {})
	c.session("info", c.look)
	c.session("trace", func() {})
	c.wrongPassword()
	c.judge()
}

// session runs the link at a log level until what was committed is settled, and then does more.
func (c *canary) session(level string, more func()) {
	c.t.Helper()
	p := &process{t: c.t, cmd: exec.Command(binary, "run", c.config, "--log-level", level), output: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.output, p.output, c.environment(canaryPassword)
	if err := p.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	c.t.Cleanup(p.kill)
	p.await(c.address, "/v1/links/shop/barrier?wait=1m")
	if more != nil {
		c.parked(p)
		more()
	}
	if err := p.stop(); err != nil {
		c.t.Error(err)
	}
	c.logged[level] = p.output.String()
}

// parked waits until all is parked that has to be.
func (c *canary) parked(p *process) {
	c.t.Helper()
	all := 5 // a manual conflict, two that clash, no entry in values, a text that is no number
	if c.sites[0].engine == "sqlite" {
		all = 4 // where a number may be a text
	}
	var l admin.Link
	for range 600 {
		if status, err := get(c.address, "/v1/links/shop", &l); err == nil && status == http.StatusOK && l.Parked == all {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	c.t.Fatalf("%d rows are parked, want %d:\n%s", l.Parked, all, p.output)
}

// look asks for everything.
func (c *canary) look() {
	for _, args := range []string{
		"status", "status --json", "parked", "parked --json", "conflicts", "conflicts --json", "verify --values", "verify --json --values",
		"check", "plan", "plan --json", "table pause notes", "table resume notes", "parked retry all", "conflicts replay --policy left",
	} {
		c.command(append(strings.Fields(args), c.config)...)
	}
	c.showParked()
	for _, path := range []string{
		"/v1/links", "/v1/links/shop", "/v1/links/shop/tables", "/v1/links/shop/parked", "/v1/links/shop/conflicts",
		"/v1/jobs", "/healthz", "/readyz", "/metrics", "/", "/v1/log", "/openapi.json",
	} {
		answer, err := http.Get("http://" + c.address + path)
		if err != nil {
			c.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			c.t.Fatal(err)
		}
		_ = answer.Body.Close()
		c.shown[path] = string(body)
	}
	c.listen()
}

// showParked looks at each parked row by itself.
func (c *canary) showParked() {
	var body struct{ Parked []admin.Parked }
	if status, err := get(c.address, "/v1/links/shop/parked", &body); err != nil || status != http.StatusOK || len(body.Parked) == 0 {
		c.t.Fatalf("parked: %d %v %+v", status, err, body)
	}
	for _, p := range body.Parked {
		cmd := exec.Command(binary, "parked", "show", p.ID, c.config)
		cmd.Env = c.environment(canaryPassword)
		out, err := cmd.CombinedOutput()
		if err != nil {
			c.t.Errorf("show: %v\n%s", err, out)
		}
		c.shown["parked show"] += string(out)
	}
}

// listen follows the changes of the link while a row is written.
func (c *canary) listen() {
	const path = "/v1/links/shop/changes"
	answer, err := http.Get("http://" + c.address + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), ":") { // it has begun
			c.exec(0, fmt.Sprintf("INSERT INTO notes VALUES (2, '%s', '%s')", canaryRow, canarySensitive))
		}
		if c.shown[path] += lines.Text() + "\n"; strings.Contains(lines.Text(), `"operation":"insert"`) {
			return
		}
	}
	c.t.Errorf("the stream ended: %v\n%s", lines.Err(), c.shown[path])
}

// wrongPassword tries what connects with a password that is not the right one.
func (c *canary) wrongPassword() {
	for _, args := range []string{"plan", "setup", "verify", "run"} {
		if args == "run" && c.sites[0].engine != "mariadb" {
			continue // the server of the tests takes any password, and a file has none
		}
		cmd := exec.Command(binary, append(strings.Fields(args), c.config)...)
		cmd.Env = c.environment("wrong-" + canaryPassword)
		out, _ := cmd.CombinedOutput() // where the server trusts everybody it does what it is told
		c.shown["wrong password, "+args] += string(out)
	}
}

// command runs cdcsync, and keeps what it printed.
func (c *canary) command(args ...string) {
	cmd := exec.Command(binary, args...)
	cmd.Env = c.environment(canaryPassword)
	out, _ := cmd.CombinedOutput() // verify exits with 1: the stores differ
	c.shown[strings.Join(args[:len(args)-1], " ")] += string(out)
}

// showsRows are those who show rows.
var showsRows = []string{"parked", "conflicts", "verify", "plan", "/v1/links/shop/parked", "/v1/links/shop/conflicts", "/v1/links/shop/changes", "/v1/jobs"}

// judge looks for what must not be seen, and for what has to be, so that it is known to have been there.
func (c *canary) judge() {
	for level, text := range c.logged {
		c.clean("the log at level "+level, text, true)
	}
	if !strings.Contains(c.logged["info"], "stopped") {
		c.t.Errorf("nothing was logged:\n%s", c.logged["info"])
	}
	for what, text := range c.shown {
		rows := false
		for _, prefix := range showsRows {
			rows = rows || strings.HasPrefix(what, prefix)
		}
		c.clean(what, text, !rows)
	}
	for _, what := range []string{"parked", "parked --json", "parked show", "conflicts", "conflicts replay --policy left", "conflicts --json", "/v1/links/shop/parked", "/v1/links/shop/conflicts", "/v1/links/shop/changes"} {
		if text := c.shown[what]; !strings.Contains(text, "canary-r") || !strings.Contains(text, "[redacted]") {
			c.t.Errorf("%s shows no row:\n%s", what, text)
		}
	}
	for what, column := range map[string]string{"/v1/links/shop/parked": "email", "/v1/links/shop/conflicts": "secret"} {
		if text := c.shown[what]; !strings.Contains(text, `"hidden_differ":["`+column+`"]`) {
			c.t.Errorf("%s does not say that the sensitive values differ:\n%s", what, text)
		}
	}
}

// clean fails if a text has a secret, or, without rows, a value of a row.
func (c *canary) clean(what, text string, noRows bool) {
	c.t.Helper()
	for _, secret := range []string{canaryPassword, "canary-sensitive", "password-5b1e"} {
		if strings.Contains(text, secret) {
			c.t.Errorf("%s has %q:\n%s", what, secret, text)
		}
	}
	if noRows && strings.Contains(text, "canary-row") {
		c.t.Errorf("%s has the value of a row:\n%s", what, text)
	}
}
