package configs

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// isMySQL tells whether s is a MySQL or MariaDB store. S is nil where a link refers to none.
func (s *Store) isMySQL() bool {
	return s != nil && (s.Engine == engineMySQL || s.Engine == engineMariaDB)
}

// mysqlForm is user:password@network(address)/database?name=value&…, where a password may
// hold anything, so what counts is the last @ before an address.
var mysqlForm = regexp.MustCompile(`(?s)^(?:.*@)?(?:(?:tcp|unix)\(([^()]*)\))?/([^/?]*)(?:\?(.*))?$`)

// The values of tls, and what those that do not verify the server leave open.
var (
	unverifiedTLS = []string{"false", "preferred", "skip-verify"}
	tlsWeakness   = map[string]string{
		"false":       "the connection is not encrypted",
		"preferred":   "the connection need not be encrypted",
		"skip-verify": "the connection is encrypted, and nobody verifies which server is at the other end",
	}
)

// mysqlDSN checks what the dsn of a MySQL or MariaDB store says, as far as that can be known
// without a connection. Strict: the server has to be verified. Nothing of the dsn is printed
// but a value of tls that is one of the known words.
func (d *decoder) mysqlDSN(s *Store, strict bool) {
	dsn := s.DSN.Reveal()
	if dsn == "" {
		return // reported already
	}
	at := place(s.attrs, "dsn", s.at)
	parts := mysqlForm.FindStringSubmatch(dsn)
	if parts == nil || strings.Contains(dsn, "://") && parts[1] == "" {
		d.errorf(at, "Bad dsn", "The dsn of a MySQL or MariaDB store is user:password@tcp(host:3306)/database, or user:password@unix(/path/of/socket)/database, with settings as ?name=value&name=value behind it. This is neither, and no URL with a scheme is taken. The path of a file is for a store with engine = \"sqlite\".")
		return
	}
	if parts[2] == "" {
		d.errorf(at, "Bad dsn", "The dsn names no database: write its name behind the slash, as in user:password@tcp(host:3306)/database. A store is one database of a server.")
		return
	}
	settings, err := url.ParseQuery(parts[3])
	if err != nil {
		d.errorf(at, "Bad dsn", "Behind the question mark of the dsn there are settings as name=value, with & in between. In a value, write & %% and space as %%26 %%25 and %%20.")
		return
	}
	mode := settings.Get("tls")
	known := append(slices.Clone(unverifiedTLS), "true")
	switch {
	case mode == "" || mode == "true":
	case !slices.Contains(known, mode):
		d.errorf(at, "Unknown tls", "The tls in the dsn is none of %s.%s", oneOf(known), didYouMean(mode, known))
	case strict:
		d.errorf(at, "Connection not verified",
			"The dsn has tls=%s: %s. Take it out, or write tls=true, with ssl-ca=… unless this machine knows who signed the server's certificate; or allow it with insecure = true in this block.",
			mode, tlsWeakness[mode])
	}
}
