package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/stores/liveness"
)

// Store is one database of a MySQL or MariaDB server. It holds no connection and is safe for
// concurrent use.
type Store struct {
	config *mysql.Config
	// limits are how a server that is silent is found out.
	limits liveness.Limits
}

// connectWithin bounds one attempt to connect.
const connectWithin = 15 * time.Second

// Open returns the store that dsn describes, as user:password@tcp(host:port)/database with
// settings behind a question mark. It connects to nothing. Without insecure the server has to
// show a certificate that is verified, except through a unix socket; ssl-ca, ssl-cert and
// ssl-key name files in PEM. Errors do not show the dsn.
func Open(dsn string, insecure bool) (*Store, error) {
	config, err := mysql.ParseDSN(escaped(dsn))
	if err != nil {
		return nil, errors.New("the dsn is not user:password@tcp(host:port)/database")
	}
	if config.DBName == "" {
		return nil, errors.New("the dsn names no database: write it behind the slash")
	}
	if err := secure(config, insecure); err != nil {
		return nil, err
	}
	config.Timeout, config.DialFunc = connectWithin, liveness.Dial
	config.Logger = &mysql.NopLogger{} // errors are returned
	config.ParseTime, config.InterpolateParams, config.ClientFoundRows = false, false, false
	config.MultiStatements = true
	config.MaxAllowedPacket = 0 // the server's own
	config.Loc = time.UTC
	config.Collation = "utf8mb4_bin"
	if config.ConnectionAttributes == "" {
		config.ConnectionAttributes = "program_name:cdcsync"
	}
	return &Store{config: config, limits: liveness.Default}, nil
}

// escaped returns dsn with the slashes in its settings as a driver wants them, which takes what
// is behind the last slash for the database.
func escaped(dsn string) string {
	at := strings.LastIndexByte(dsn, '?')
	if at < 0 || strings.ContainsAny(dsn[at:], "@()") { // it is in the password
		return dsn
	}
	return dsn[:at] + strings.ReplaceAll(dsn[at:], "/", "%2F")
}

// secure makes the connection verified unless the dsn may go without.
func secure(config *mysql.Config, insecure bool) error {
	files := map[string]string{}
	for _, name := range []string{"ssl-ca", "ssl-cert", "ssl-key"} {
		if file, ok := config.Params[name]; ok {
			files[name] = file
			delete(config.Params, name)
		}
	}
	switch mode := strings.ToLower(config.TLSConfig); {
	case config.Net == "unix" && mode == "":
		return nil
	case insecure && mode == "" && len(files) == 0:
		config.TLSConfig = "preferred"
		return nil
	case insecure && mode != "":
		return nil
	case mode == "" || mode == "true":
	default:
		return fmt.Errorf("tls=%s does not verify the server: use tls=true, or write insecure = true in the store block", config.TLSConfig)
	}
	host, _, err := net.SplitHostPort(config.Addr)
	if err != nil {
		host = config.Addr
	}
	config.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if file := files["ssl-ca"]; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return errors.New("the file of ssl-ca cannot be read")
		}
		config.TLS.RootCAs = x509.NewCertPool()
		if !config.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("the file of ssl-ca holds no certificate in PEM")
		}
	}
	if files["ssl-cert"] != "" || files["ssl-key"] != "" {
		pair, err := tls.LoadX509KeyPair(files["ssl-cert"], files["ssl-key"])
		if err != nil {
			return errors.New("the files of ssl-cert and ssl-key are no certificate and its key in PEM")
		}
		config.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// Place names the server and the database, for people. It shows no secret.
func (s *Store) Place() string { return s.config.DBName + " on " + s.config.Addr }

// Database returns the name of the database.
func (s *Store) Database() string { return s.config.DBName }

// User returns the name that the store is reached with.
func (s *Store) User() string { return s.config.User }

// Config returns how the server is reached, for a connection that speaks the replication
// protocol. The caller may change it.
func (s *Store) Config() *mysql.Config { return s.config.Clone() }

// session is how every session prints values and reads them, whatever the server or the user
// have set. NO_BACKSLASH_ESCAPES is not among the modes: literals are written with escapes.
const session = `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION TRANSACTION READ WRITE;
SET time_zone = '+00:00', autocommit = 1, foreign_key_checks = 1, unique_checks = 1, sql_auto_is_null = 0,
sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_safe_updates = 0, completion_type = 0, group_concat_max_len = 1048576,
wait_timeout = 28800, net_write_timeout = 600, innodb_lock_wait_timeout = 10, lock_wait_timeout = 60,
sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'
/*M!100100 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */`

// Connect opens a session. Settings are assignments for SET that override those that every
// session has, for example "innodb_lock_wait_timeout = 1".
func (s *Store) Connect(ctx context.Context, settings ...string) (*Conn, error) {
	c, err := s.connect(ctx, settings)
	if err != nil {
		return nil, Classify("connect to "+s.Place(), err)
	}
	return c, nil
}

func (s *Store) connect(ctx context.Context, settings []string) (*Conn, error) {
	c := &Conn{}
	config := s.config.Clone()
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.watched = liveness.Watch(conn, s.limits)
		return c.watched, nil
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	if c.raw, err = connector.Connect(ctx); err != nil {
		return nil, c.ended(ctx, err)
	}
	set := session
	if len(settings) > 0 {
		set += "; SET " + strings.Join(settings, ", ")
	}
	err = c.Do(ctx, set)
	if err == nil {
		err = c.Query(ctx, "SELECT VERSION(), @@max_allowed_packet, DATABASE(), CONNECTION_ID()", func(v []driver.Value) error {
			var err error
			c.Server, err = ParseServer(String(v[0]))
			c.PacketMax = int(Number(v[1]))
			c.database = String(v[2]) // some servers write all names in lower case
			session := String(v[3])
			c.watched.Ask(func(ctx context.Context) error { return s.atWork(ctx, session) })
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
