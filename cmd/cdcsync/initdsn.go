package main

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs/draft"
)

// foundStore is a store that was named by a dsn alone.
type foundStore struct {
	draft.Store
	// engine and dsn are as a store block has them.
	engine, dsn string
	// variable is what to set the environment to, without a secret; "" if the dsn is in the config.
	variable string
}

// Forms of dsns of servers, besides URLs.
var (
	mysqlDSN = regexp.MustCompile(`(?s)(?:tcp|unix)\([^()]*\)/|^[^/]*@/[^/]+$`)
	wordsDSN = regexp.MustCompile(`(?:^|\s)(?:host|hostaddr|dbname|service|user)\s*=`)
)

// findStore tells the engine from a dsn, and how the config refers to it: a server's is read
// from the environment, and so is that of a file which says more than where the file is.
func findStore(dsn string, side change.Side) *foundStore {
	f := &foundStore{dsn: dsn}
	variable := strings.ToUpper(side.String()) + "_DSN"
	switch scheme, _, _ := strings.Cut(dsn, "://"); {
	case scheme != dsn && (scheme == "postgres" || scheme == "postgresql"):
		f.engine, f.About = "postgres", "postgres://user:password@host/database"
	case scheme != dsn && (scheme == "mysql" || scheme == "mariadb"):
		f.engine, f.About, f.dsn = "mysql", aboutMySQL, mysqlFromURL(dsn)
	case mysqlDSN.MatchString(dsn):
		f.engine, f.About = "mysql", aboutMySQL
	case wordsDSN.MatchString(dsn):
		f.engine, f.About = "postgres", "host=… dbname=… user=… password=…"
	default:
		f.engine = "sqlite"
		f.dsn = strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite://"), "sqlite:")
	}
	if f.engine == "sqlite" && !strings.HasPrefix(f.dsn, "file:") {
		f.DSN = draft.Quote(f.dsn)
		return f
	}
	if f.engine == "sqlite" {
		f.About = "file:path?…"
	}
	f.DSN = fmt.Sprintf("env(%q)", variable)
	f.variable = variable + " to the dsn of the " + side.String() + " store"
	if f.dsn != dsn && f.engine == "mysql" {
		f.variable += ", in the form " + f.About
	}
	return f
}

const aboutMySQL = "user:password@tcp(host:3306)/database"

// mysqlFromURL returns a dsn in the driver's form. A URL that is none is returned as it is, for
// the driver to refuse.
func mysqlFromURL(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || u.Hostname() == "" {
		return dsn
	}
	user := ""
	if u.User != nil {
		user = u.User.Username()
		if password, ok := u.User.Password(); ok {
			user += ":" + password
		}
		user += "@"
	}
	port := u.Port()
	if port == "" {
		port = strconv.Itoa(3306)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	text := user + "tcp(" + host + ":" + port + ")/" + url.PathEscape(strings.TrimPrefix(u.Path, "/"))
	if u.RawQuery != "" {
		text += "?" + u.RawQuery
	}
	return text
}
