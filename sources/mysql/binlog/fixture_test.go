package binlog_test

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

var pool servers.Pool

var record = flag.Bool("record", false, "write the logs of the servers to testdata")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(pool.Main(m))
}

// site is a database of a server.
type site struct {
	*store.Conn
	name  string
	store *store.Store
}

// onServers runs a test on every server.
func onServers(t *testing.T, f func(t *testing.T, s *site)) {
	for _, version := range servers.MySQLVersions() {
		t.Run("mysql-"+version, func(t *testing.T) { f(t, newSite(t, pool.MySQL(t, version), "mysql-"+version)) })
	}
	onMariaDB(t, f)
}

func onMySQL(t *testing.T, f func(t *testing.T, s *site)) {
	for _, version := range servers.MySQLVersions() {
		t.Run("mysql-"+version, func(t *testing.T) { f(t, newSite(t, pool.MySQL(t, version), "mysql-"+version)) })
	}
}

func onMariaDB(t *testing.T, f func(t *testing.T, s *site)) {
	for _, version := range servers.MariaDBVersions() {
		t.Run("mariadb-"+version, func(t *testing.T) { f(t, newSite(t, pool.MariaDB(t, version), "mariadb-"+version)) })
	}
}

func newSite(t testing.TB, server *servers.Server, name string) *site {
	t.Helper()
	db := server.Database(t)
	st, err := store.Open(db.DSN, true)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{name: name, store: st}
	s.Conn = s.connect(t)
	return s
}

func (s *site) connect(t testing.TB, settings ...string) *store.Conn {
	t.Helper()
	c, err := s.store.Connect(t.Context(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !c.Broken() {
			t.Error(err)
		}
	})
	return c
}

func (s *site) do(t testing.TB, sql string) {
	t.Helper()
	do(t, s.Conn, sql)
}

func do(t testing.TB, c *store.Conn, sql string) {
	t.Helper()
	if err := c.Do(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// global sets a variable of the server for the test.
func (s *site) global(t *testing.T, name, value string) {
	t.Helper()
	before, err := s.Text(t.Context(), "SELECT @@global."+name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strconv.Atoi(before); err != nil {
		before = store.Literal(before)
	}
	s.do(t, "SET GLOBAL "+name+" = "+value)
	t.Cleanup(func() {
		if err := s.Do(context.Background(), "SET GLOBAL "+name+" = "+before); err != nil {
			t.Error(err)
		}
	})
}

// end returns where the log ends.
func (s *site) end(t testing.TB) gomysql.Position {
	t.Helper()
	show := "SHOW BINARY LOG STATUS"
	if s.MariaDB {
		show = "SHOW MASTER STATUS"
	}
	var p gomysql.Position
	err := s.Query(t.Context(), show, func(v []driver.Value) error {
		p = gomysql.Position{Name: store.String(v[0]), Pos: uint32(store.Number(v[1]))}
		return nil
	})
	if err != nil || p.Name == "" {
		t.Fatalf("end of the log: %q, %v", p, err)
	}
	return p
}

// logged returns the events that f has the server log, from the first that describes the file.
func (s *site) logged(t testing.TB, f func()) [][]byte {
	t.Helper()
	from := s.end(t)
	f()
	return s.read(t, from, s.end(t))
}

// read returns the events between two places of the log.
func (s *site) read(t testing.TB, from, to gomysql.Position) [][]byte {
	t.Helper()
	config := s.store.Config()
	host, port, err := net.SplitHostPort(config.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	flavor, annotated := gomysql.MySQLFlavor, uint16(0)
	if s.MariaDB {
		flavor, annotated = gomysql.MariaDBFlavor, replication.BINLOG_SEND_ANNOTATE_ROWS_EVENT
	}
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: 4242, Flavor: flavor, Host: host, Port: uint16(number), User: config.User, Password: config.Passwd,
		RawModeEnabled: true, DisableRetrySync: true, DumpCommandFlag: annotated, Logger: slog.New(slog.DiscardHandler),
	})
	defer syncer.Close()
	streamer, err := syncer.StartSync(from)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all [][]byte
	file := from.Name
	for {
		e, err := streamer.GetEvent(ctx)
		if err != nil {
			t.Fatalf("read log after %d events: %v", len(all), err)
		}
		all = append(all, slices.Clone(e.RawData))
		if rotate, ok := e.Event.(*replication.RotateEvent); ok {
			file = string(rotate.NextLogName)
			continue
		}
		if file == to.Name && e.Header.LogPos >= to.Pos && e.Header.Flags&binlog.Artificial == 0 {
			return all
		}
	}
}

// seedMost is how large an event may be that is kept in testdata.
const seedMost = 16 << 10

// save keeps events as a file of testdata, if that was asked for.
func (s *site) save(t *testing.T, scenario string, events [][]byte) {
	t.Helper()
	if !*record {
		return
	}
	var kept [][]byte
	for _, raw := range events {
		if len(raw) <= seedMost {
			kept = append(kept, raw)
		}
	}
	file := filepath.Join("testdata", s.name+"-"+scenario+".events")
	if err := os.WriteFile(file, slices.Concat(kept...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// text has the server turn a text into UTF-8.
func (s *site) text(t *testing.T) func(charset string, b []byte) (string, error) {
	return func(charset string, b []byte) (string, error) {
		return s.Text(t.Context(), "SELECT CONVERT(CONVERT(x'"+hex.EncodeToString(b)+"' USING "+charset+") USING utf8mb4)")
	}
}

// decodeAll gives every event to f.
func decodeAll(t *testing.T, events [][]byte, f func(e *binlog.Event) error) {
	t.Helper()
	d := binlog.NewDecoder()
	for i, raw := range events {
		if err := d.Each(raw, f); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

// tables returns the tables of the database.
func (s *site) tables(t testing.TB) map[string]*store.Table {
	t.Helper()
	tables, err := s.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// looked returns the rows of a table in the order of its first column, as looks read them.
func (s *site) looked(t testing.TB, table *store.Table) []change.Row {
	t.Helper()
	var selected []string
	for i := range table.Columns {
		selected = append(selected, table.Columns[i].Selected(store.Quote(table.Table.Columns[i].Name)))
	}
	var rows []change.Row
	sql := "SELECT " + strings.Join(selected, ", ") + " FROM " + table.Qualified() + " ORDER BY 1"
	err := s.Query(t.Context(), sql, func(v []driver.Value) error {
		row := make(change.Row, len(v))
		for i := range v {
			var err error
			if row[i], err = table.Columns[i].Scan(v[i]); err != nil {
				return err
			}
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// streamed decodes an image, given the columns that the table has.
func streamed(log *binlog.Table, table *store.Table, cells []binlog.Cell, text func(string, []byte) (string, error)) (change.Row, error) {
	if len(log.Columns) != table.Width {
		return nil, errors.New("the log has " + strconv.Itoa(len(log.Columns)) + " columns and the table " + strconv.Itoa(table.Width))
	}
	row := make(change.Row, len(table.Columns))
	for i := range table.Columns {
		at := table.Ordinals[i]
		switch cell := cells[at]; cell.State {
		case binlog.Null:
			row[i] = change.NullValue()
		case binlog.Present:
			var err error
			if row[i], err = log.Columns[at].Value(&table.Columns[i].Type, cell.Data, text); err != nil {
				return nil, errors.Join(errors.New("column "+table.Table.Columns[i].Name), err)
			}
		}
	}
	return row, nil
}

// replayed returns what tables hold after the events, by the log alone: rows by table in the
// order of the first column, as it was first inserted.
func (s *site) replayed(t *testing.T, events [][]byte, tables map[string]*store.Table) map[string][]change.Row {
	t.Helper()
	content := map[string][]change.Row{}
	text := s.text(t)
	decodeAll(t, events, func(e *binlog.Event) error {
		table := tables[tableName(e, s.Database())]
		if table == nil {
			return nil
		}
		if e.Kind == binlog.TableMapEvent {
			for i := range table.Columns {
				e.Table.Columns[table.Ordinals[i]].SetFraction(table.Columns[i].Fraction)
			}
		}
		if e.Kind != binlog.RowsEvent {
			return nil
		}
		for {
			more, err := e.Rows.Next()
			if err != nil || !more {
				return err
			}
			rows := content[table.Name]
			if e.Rows.Before != nil {
				row, err := streamed(e.Table, table, e.Rows.Before, text)
				if err != nil {
					return err
				}
				at := slices.IndexFunc(rows, row.Equal)
				if at < 0 {
					t.Fatalf("%s of %s: the row before is not there: %v", s.name, table.Name, row)
				}
				rows = slices.Delete(rows, at, at+1)
			}
			if e.Rows.After != nil {
				row, err := streamed(e.Table, table, e.Rows.After, text)
				if err != nil {
					return err
				}
				rows = append(rows, row)
			}
			content[table.Name] = rows
		}
	})
	for _, rows := range content {
		slices.SortFunc(rows, func(a, b change.Row) int { return int(a[0].Int64() - b[0].Int64()) })
	}
	return content
}

func tableName(e *binlog.Event, database string) string {
	if e.Table == nil || e.Table.Schema != database {
		return ""
	}
	return e.Table.Name
}

// same compares the tables of a database with what its log says of them.
func (s *site) same(t *testing.T, events [][]byte) {
	t.Helper()
	tables := s.tables(t)
	replayed := s.replayed(t, events, tables)
	total := 0
	for name, table := range tables {
		looked := s.looked(t, table)
		total += len(looked)
		if len(looked) != len(replayed[name]) {
			t.Errorf("%s: the table has %d rows, the log %d", name, len(looked), len(replayed[name]))
			continue
		}
		for r, row := range looked {
			for i, v := range row {
				if got := replayed[name][r][i]; got != v {
					t.Errorf("%s.%s of row %v: the log has %v %q, the table %v %q", name, table.Table.Columns[i].Name, row[0], got.Kind(), got, v.Kind(), v)
				}
			}
		}
	}
	if total == 0 {
		t.Error("there are no rows to compare")
	}
}
