package mysql_test

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Short names for values and images.
var (
	null     = change.NullValue()
	text     = change.TextValue
	num      = change.Int
	absent   = change.Is(nil)
	anything = change.Image{}
)

const done, differs, refused = sinks.Done, sinks.Differs, sinks.Refused

func verdicts(v ...sinks.Verdict) []sinks.Verdict { return v }

// application is a session that knows nothing of links.
type application struct{ *store.Conn }

func newApplication(t testing.TB, dsn string) *application {
	t.Helper()
	conn, err := openStore(t, dsn).Connect(context.Background(), "innodb_lock_wait_timeout = 30")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &application{conn}
}

func openStore(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *application) do(t testing.TB, sql string) {
	t.Helper()
	if err := a.Do(context.Background(), sql); err != nil {
		t.Fatalf("%.300s: %v", sql, err)
	}
}

// lines are the rows of a query, their values joined by "|".
func (a *application) lines(t testing.TB, sql string) []string {
	t.Helper()
	var rows []string
	err := a.Query(context.Background(), sql, func(v []driver.Value) error {
		list := make([]string, len(v))
		for i := range v {
			if list[i] = store.String(v[i]); v[i] == nil {
				list[i] = "NULL"
			}
		}
		rows = append(rows, strings.Join(list, "|"))
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func (a *application) tables(t testing.TB) map[string]*change.Table {
	t.Helper()
	have, err := a.Catalogue(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*change.Table{}
	for name, h := range have {
		tables[name] = h.Table
	}
	return tables
}

// fixture is a sink on a database with tables of its own, and an application.
type fixture struct {
	*application
	dsn    string
	store  *store.Store
	sink   *sink.Sink
	have   map[string]*change.Table
	marker checkpoint.Marker
	number uint64
}

// serverOf is how a test gets a server of one of the versions of the matrix.
type serverOf struct {
	name    string
	shared  func(t testing.TB) *servers.Server
	private func(t testing.TB, settings map[string]string) *servers.Server
}

func matrix() []serverOf {
	var all []serverOf
	for _, v := range servers.MySQLVersions() {
		all = append(all, serverOf{"mysql " + v,
			func(t testing.TB) *servers.Server { return pool.MySQL(t, v) },
			func(t testing.TB, settings map[string]string) *servers.Server {
				return pool.PrivateMySQL(t, v, servers.Options{NoSync: true, Settings: settings})
			}})
	}
	for _, v := range servers.MariaDBVersions() {
		all = append(all, serverOf{"mariadb " + v,
			func(t testing.TB) *servers.Server { return pool.MariaDB(t, v) },
			func(t testing.TB, settings map[string]string) *servers.Server {
				return pool.PrivateMariaDB(t, v, servers.Options{NoSync: true, Settings: settings})
			}})
	}
	return all
}

// each runs a test on every version.
func each(t *testing.T, schema string, test func(t *testing.T, f *fixture)) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) { test(t, newFixture(t, s.shared(t).Database(t).DSN, schema)) })
	}
}

func newFixture(t testing.TB, dsn, schema string) *fixture {
	t.Helper()
	f := &fixture{application: newApplication(t, dsn), dsn: dsn, store: openStore(t, dsn)}
	f.do(t, schema)
	f.sink = sink.New(f.store, "l")
	t.Cleanup(func() {
		if err := f.sink.Close(); err != nil {
			t.Error(err)
		}
	})
	f.open(t)
	return f
}

// open opens the sink, again.
func (f *fixture) open(t testing.TB) {
	t.Helper()
	var err error
	if f.marker, err = f.sink.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.have = f.tables(t)
	f.number = max(f.number, f.marker.Apply)
}

// write is a write of a row of a table on a condition; the key is that of row or of expect.
func (f *fixture) write(table string, expect change.Image, row change.Row) sinks.Write {
	t := f.have[table]
	key := row
	if row == nil {
		key = expect.Row
	}
	return sinks.Write{Table: t, Key: t.KeyOf(key), Expect: expect, New: row}
}

func (f *fixture) batch(writes ...sinks.Write) *sinks.Batch {
	b := &sinks.Batch{Writes: writes, Marker: f.marker, Prior: f.marker.Apply}
	if len(writes) > 0 {
		f.number++
		b.Marker.Apply = f.number
	}
	return b
}

// apply writes the next batch and compares its verdicts, all Done if none are given. It
// returns the outcomes.
func (f *fixture) apply(t testing.TB, want []sinks.Verdict, writes ...sinks.Write) []sinks.Outcome {
	t.Helper()
	return f.applied(t, f.batch(writes...), want)
}

// applied writes a batch, as apply does.
func (f *fixture) applied(t testing.TB, b *sinks.Batch, want []sinks.Verdict) []sinks.Outcome {
	t.Helper()
	r, err := f.sink.Apply(context.Background(), b)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	f.marker = b.Settled(r.Outcomes)
	f.compare(t, want, r.Outcomes)
	return r.Outcomes
}

func (f *fixture) compare(t testing.TB, want []sinks.Verdict, outcomes []sinks.Outcome) {
	t.Helper()
	for i, o := range outcomes {
		expected := sinks.Done
		if want != nil {
			expected = want[i]
		}
		if o.Verdict != expected {
			t.Errorf("write %d: got %s (%v), want %s", i, o.Verdict, o.Err, expected)
		}
	}
}

// holds compares the rows of a query with what they should be.
func (f *fixture) holds(t testing.TB, query string, want ...string) {
	t.Helper()
	if got := f.lines(t, query); !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", query, got, want)
	}
}

// rowsOf reads a table.
func rowsOf(t testing.TB, a *application, table *store.Table) []change.Row {
	t.Helper()
	var names []string
	for i := range table.Columns {
		names = append(names, table.Columns[i].Selected(store.Quote(table.Table.Columns[i].Name)))
	}
	var rows []change.Row
	err := a.Query(context.Background(), "SELECT "+strings.Join(names, ", ")+" FROM "+table.Qualified(), func(v []driver.Value) error {
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
		t.Fatal(err)
	}
	return rows
}
