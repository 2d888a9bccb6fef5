package configs

import (
	"net"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// store decodes a store block.
func (d *decoder) store(b *hclsyntax.Block) {
	d.check(b.Body, "a store block", schema{
		attrs: []string{"engine", "dsn", "insecure", "capture"},
	})
	s := &Store{Capture: CaptureAuto, at: b.DefRange(), attrs: ranges(b.Body)}
	if attr := d.required(b, "engine", `"sqlite"`); attr != nil {
		s.Engine = d.engine(attr)
	}
	if attr := d.required(b, "dsn", `env("NAME_DSN")`); attr != nil {
		s.DSN = d.secret(attr.Expr, "dsn")
	}
	d.capture(b.Body.Attributes["capture"], s)
	d.insecure(b.Body.Attributes["insecure"], s)
	name, ok := d.identifier(b)
	if !ok {
		return
	}
	if other := d.config.Store(name); other != nil {
		d.errorf(b.LabelRanges[0], "Duplicate store", "There is a store %q already, at %s.", name, line(other.at))
		return
	}
	s.Name = name
	d.config.Stores = append(d.config.Stores, s)
}

// engine decodes the engine of a store.
func (d *decoder) engine(attr *hclsyntax.Attribute) string {
	return d.choice(attr, []string{engineSQLite, enginePostgres, engineMySQL, engineMariaDB}, nil)
}

// capture decodes how the changes of a store are captured. Reading the write-ahead log is
// what a later version adds for SQLite; PostgreSQL has no other way. The log of MySQL always
// has whole rows.
func (d *decoder) capture(attr *hclsyntax.Attribute, s *Store) {
	words, later := []string{"auto", "keys", "rows"}, []string{"wal"}
	switch {
	case s.isMySQL():
		words, later = []string{"auto", "rows"}, nil
	case s.Engine == enginePostgres:
		later = nil
	}
	if word := d.choice(attr, words, later); word != "" {
		s.Capture = Capture(word)
	}
}

// insecure decodes whether a server may be reached without being verified, and then checks
// the dsn, which may ask for that.
func (d *decoder) insecure(attr *hclsyntax.Attribute, s *Store) {
	ok := true
	if attr != nil {
		s.Insecure, ok = d.truth(attr)
	}
	switch {
	case s.Engine == enginePostgres:
		d.postgresDSN(s, ok && !s.Insecure)
	case s.isMySQL():
		d.mysqlDSN(s, ok && !s.Insecure)
	case attr != nil && s.Engine == engineSQLite:
		d.errorf(attr.NameRange, "Insecure without a server",
			"A SQLite store is a file, to which there is no connection to secure. Take insecure out.")
		s.Insecure = false
	}
}

// admin decodes the admin block.
func (d *decoder) admin(b *hclsyntax.Block) {
	d.noLabel(b)
	d.check(b.Body, "an admin block", schema{
		attrs: []string{"listen"},
		later: []string{"tls", "cert", "key", "token", "token_file", "read_token", "allow_hosts"},
	})
	if d.config.Admin != nil {
		d.errorf(b.DefRange(), "Duplicate admin block", "There is an admin block already; one is enough for all files.")
		return
	}
	d.config.Admin = &Admin{}
	attr := d.required(b, "listen", `"127.0.0.1:8480"`)
	if attr == nil {
		return
	}
	listen, ok := d.text(attr.Expr)
	if !ok {
		return
	}
	d.config.Admin.Listen = listen
	d.listen(attr, listen)
}

// listen validates the address of the admin API. Without TLS and a token, which a later
// version has, it is reached from this machine only.
func (d *decoder) listen(attr *hclsyntax.Attribute, listen string) {
	at := attr.Expr.Range()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		d.errorf(at, "Bad address", "listen is host:port, for example \"127.0.0.1:8480\", not %q.", listen)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strings.HasPrefix(port, "+") {
		d.errorf(at, "Bad address", "The port is a number from 0 to 65535, not %q.", port)
	} else if n == 0 {
		d.warnf(at, "Port chosen at start", "Port 0 takes another free port at every start.")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		d.errorf(at, "Not a loopback address",
			"An address that others can reach needs TLS and a token, which this version of cdcsync does not have yet. Listen on 127.0.0.1, [::1] or localhost.")
	}
}
