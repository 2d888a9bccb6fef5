package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Store is one database. It holds no connection and is safe for concurrent use.
type Store struct {
	config *pgconn.Config
}

// connectWithin bounds one attempt to connect.
const connectWithin = 15 * time.Second

// sslmode finds what a dsn says of TLS, as a URL or in words.
var sslmode = regexp.MustCompile(`sslmode\s*=\s*'?([a-z-]+)`)

// Open returns the store that dsn describes, a URL or words as libpq takes them. It connects
// to nothing. Without insecure the server has to show a certificate that is verified
// (sslmode=verify-full, or verify-ca if the dsn says so), except through a unix socket.
// Errors do not show the dsn.
func Open(dsn string, insecure bool) (*Store, error) {
	found := sslmode.FindStringSubmatch(dsn)
	switch {
	case insecure || strings.Contains(dsn, "verify-ca") || strings.Contains(dsn, "verify-full"):
	case found != nil:
		return nil, fmt.Errorf("sslmode=%s does not verify the server: use sslmode=verify-full, or write insecure = true in the store block", found[1])
	default:
		dsn = withVerification(dsn)
	}
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the dsn is neither a postgres:// URL nor words such as host=… dbname=…, or it names files that cannot be read")
	}
	config.ConnectTimeout = connectWithin
	maps.Copy(config.RuntimeParams, session)
	return &Store{config: config}, nil
}

// withVerification adds sslmode=verify-full. It has no effect on unix sockets.
func withVerification(dsn string) string {
	switch {
	case !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://"):
		return dsn + " sslmode=verify-full"
	case strings.Contains(dsn, "?"):
		return dsn + "&sslmode=verify-full"
	default:
		return dsn + "?sslmode=verify-full"
	}
}

// session is how every session prints values and reads them: whatever the database, the role
// or the server have set, one value has one text. What is read with other settings would
// come out with days and months swapped, or with digits lost.
var session = map[string]string{
	"application_name":                    "cdcsync",
	"client_encoding":                     "UTF8",
	"DateStyle":                           "ISO, YMD",
	"IntervalStyle":                       "postgres",
	"TimeZone":                            "UTC",
	"extra_float_digits":                  "3",
	"bytea_output":                        "hex",
	"lc_monetary":                         "C",
	"xmloption":                           "content",
	"search_path":                         "pg_catalog",
	"row_security":                        "off", // an error instead of rows that are hidden from us
	"standard_conforming_strings":         "on",
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_in_transaction_session_timeout": "0",
	"default_transaction_isolation":       "read committed",
	"default_transaction_read_only":       "off",
	"default_transaction_deferrable":      "off",
}

// Place names the server and the database, for people. It shows no secret.
func (s *Store) Place() string {
	return fmt.Sprintf("%s on %s:%d", s.config.Database, s.config.Host, s.config.Port)
}

// Role returns the role that the store is reached with.
func (s *Store) Role() string { return s.config.User }

// Connect opens a session. Further settings override those that every session has.
func (s *Store) Connect(ctx context.Context, settings map[string]string) (*Conn, error) {
	config := s.config.Copy()
	maps.Copy(config.RuntimeParams, settings)
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, Classify("connect to "+s.Place(), err)
	}
	return &Conn{PgConn: pg, prepared: map[string]*pgconn.StatementDescription{}}, nil
}

// ConnectReplication opens a connection that speaks the replication protocol.
func (s *Store) ConnectReplication(ctx context.Context) (*pgconn.PgConn, error) {
	config := s.config.Copy()
	config.RuntimeParams["replication"] = "database"
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, Classify("open a replication connection to "+s.Place(), err)
	}
	return pg, nil
}
