package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/stores/liveness"
)

// Store is one database. It holds no connection and is safe for concurrent use.
type Store struct {
	config *pgconn.Config
	// limits are how a server that is silent is found out.
	limits liveness.Limits
	// slotWithin is how long the next making of a slot waits for transactions that are open.
	slotWithin atomic.Int64
}

// A slot needs the ends of all transactions that are open, then of those that are open then, and so on,
// three times. Where long ones overlap, a first try may be too short, so each waits for twice as long.
const (
	slotFirst = time.Minute
	slotMost  = time.Hour
)

// connectWithin bounds one attempt to connect.
const connectWithin = 15 * time.Second

// Open returns the store that dsn describes, a URL or words as libpq takes them. It connects
// to nothing. Without insecure the server has to show a certificate that is verified, as with
// sslmode=verify-full, or verify-ca if the dsn says so, except through a unix socket. Errors do
// not show the dsn.
func Open(dsn string, insecure bool) (*Store, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the dsn is neither a postgres:// URL nor words such as host=… dbname=…, or it names files that cannot be read")
	}
	if !insecure {
		if err := verify(config); err != nil {
			return nil, err
		}
	}
	config.ConnectTimeout, config.DialFunc = connectWithin, liveness.Dial
	maps.Copy(config.RuntimeParams, session)
	s := &Store{config: config, limits: liveness.Default}
	s.slotWithin.Store(int64(slotFirst))
	return s, nil
}

// verify makes every way to the server verify it. A dsn that says nothing of TLS tries it
// without verification and then goes without it: that becomes verify-full. What a dsn says
// itself is an error if it does not verify.
func verify(config *pgconn.Config) error {
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var kept []*pgconn.FallbackConfig
	for _, w := range ways {
		network, _ := pgconn.NetworkAddress(w.Host, w.Port)
		switch {
		case network == "unix", verifies(w.TLSConfig):
			kept = append(kept, w)
		case w.TLSConfig != nil && hasPlain(ways, w):
			full := w.TLSConfig.Clone()
			full.InsecureSkipVerify, full.ServerName = false, w.Host
			kept = append(kept, &pgconn.FallbackConfig{Host: w.Host, Port: w.Port, TLSConfig: full})
		case w.TLSConfig != nil:
			return errors.New("sslmode=require does not verify the server: use sslmode=verify-full, or write insecure = true in the store block")
		}
	}
	if len(kept) == 0 {
		return errors.New("sslmode=disable does not verify the server: use sslmode=verify-full, or write insecure = true in the store block")
	}
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = kept[0].Host, kept[0].Port, kept[0].TLSConfig, kept[1:]
	return nil
}

func verifies(c *tls.Config) bool {
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
}

// hasPlain tells whether one of the ways to the same server goes without TLS.
func hasPlain(ways []*pgconn.FallbackConfig, to *pgconn.FallbackConfig) bool {
	return slices.ContainsFunc(ways, func(w *pgconn.FallbackConfig) bool {
		return w.Host == to.Host && w.Port == to.Port && w.TLSConfig == nil
	})
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
	"array_nulls":                         "on",
	"quote_all_identifiers":               "off", // or a regclass prints in quotes
	"search_path":                         "pg_catalog",
	"row_security":                        "off", // an error instead of rows that are hidden from us
	"standard_conforming_strings":         "on",
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_in_transaction_session_timeout": "0",
	"idle_session_timeout":                "0",
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

// Identity returns what tells the database apart from every other that is up now, however its
// dsn is written: also from copies of its files, which run since another moment.
func (s *Store) Identity(ctx context.Context) (identity string, err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	identity, err = conn.Text(ctx, `SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), oid, current_setting('port'),
		current_setting('server_version_num')) FROM pg_database WHERE datname = current_database()`)
	if err != nil {
		return "", Classify("find out which database it is", err)
	}
	ok, err := conn.Bool(ctx, "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
	if err == nil && ok {
		var system string
		system, err = conn.Text(ctx, "SELECT system_identifier FROM pg_control_system()")
		identity += " " + system
	}
	return identity, Classify("find out which database it is", err)
}

// Connect opens a session. Further settings override those that every session has.
func (s *Store) Connect(ctx context.Context, settings map[string]string) (*Conn, error) {
	config := s.config.Copy()
	maps.Copy(config.RuntimeParams, settings)
	pg, err := s.connect(ctx, config, false)
	if err != nil {
		return nil, Classify("connect to "+s.Place(), err)
	}
	return &Conn{PgConn: pg, prepared: map[string]*pgconn.StatementDescription{}}, nil
}

// ConnectReplication opens a connection that speaks the replication protocol.
func (s *Store) ConnectReplication(ctx context.Context) (*pgconn.PgConn, error) {
	config := s.config.Copy()
	config.RuntimeParams["replication"] = "database"
	pg, err := s.connect(ctx, config, true)
	if err != nil {
		return nil, Classify("open a replication connection to "+s.Place(), err)
	}
	return pg, nil
}
