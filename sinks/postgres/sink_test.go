package postgres_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Short names for values and images.
var (
	null   = change.NullValue()
	text   = change.TextValue
	num    = change.Int
	absent = change.Is(nil)
)

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

// each runs a test on every version.
func each(t *testing.T, schema string, test func(t *testing.T, f *fixture), options ...sink.Option) {
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			dsn := pool.Postgres(t, version).Database(t).DSN
			cleanUp(t, openStore(t, dsn), "l")
			test(t, newFixture(t, dsn, schema, options...))
		})
	}
}

func newFixture(t testing.TB, dsn, schema string, options ...sink.Option) *fixture {
	t.Helper()
	f := &fixture{application: newApplication(t, dsn), dsn: dsn, store: openStore(t, dsn)}
	f.do(t, schema)
	f.sink = sink.New(f.store, "l", options...)
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
	b := f.batch(writes...)
	r, err := f.sink.Apply(context.Background(), b)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	f.marker = b.Settled(r.Outcomes)
	for i, o := range r.Outcomes {
		expected := sinks.Done
		if want != nil {
			expected = want[i]
		}
		if o.Verdict != expected {
			t.Errorf("write %d: got %s (%v), want %s", i, o.Verdict, o.Err, expected)
		}
	}
	return r.Outcomes
}

// holds compares the rows of a query with what they should be.
func (f *fixture) holds(t testing.TB, query string, want ...string) {
	t.Helper()
	if got := f.rows(t, query); !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", query, got, want)
	}
}

const done, differs, refused = sinks.Done, sinks.Differs, sinks.Refused

func verdicts(v ...sinks.Verdict) []sinks.Verdict { return v }

// TestIdentityAlways writes columns that the database would rather fill itself, and leaves
// generated and unknown ones alone.
func TestIdentityAlways(t *testing.T) {
	each(t, `CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice text GENERATED ALWAYS AS (v || v) STORED);
		CREATE TABLE o (id bigint PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, v text)`,
		func(t *testing.T, f *fixture) {
			row := func(id int64, v string) change.Row { return change.Row{num(id), text(v)} }
			f.apply(t, nil, f.write("t", absent, row(7, "a")), f.write("t", change.Image{}, row(8, "b")))
			f.apply(t, nil, f.write("t", change.Is(row(7, "a")), row(7, "c")), f.write("t", change.Image{}, row(8, "d")))
			f.holds(t, "SELECT * FROM t ORDER BY id", "7|c|cc", "8|d|dd")
			other := func(id, n int64, v string) change.Row { return change.Row{num(id), num(n), text(v)} }
			f.apply(t, nil, f.write("o", absent, other(1, 50, "a")), f.write("o", absent, other(2, 60, "a")), f.write("o", change.Image{}, other(3, 70, "a")))
			f.apply(t, verdicts(done, refused, done), f.write("o", change.Is(other(1, 50, "a")), other(1, 50, "b")),
				f.write("o", change.Is(other(2, 60, "a")), other(2, 61, "b")), f.write("o", change.Image{}, other(3, 70, "b")))
			f.holds(t, "SELECT * FROM o ORDER BY id", "1|50|b", "2|60|a", "3|70|b")
		})
}

// TestUnknownColumns writes a table of which the link does not know a column that a new row
// has to have.
func TestUnknownColumns(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v text, must text NOT NULL, w text DEFAULT 'w'); INSERT INTO t VALUES (1, 'a', 'kept', 'x')",
		func(t *testing.T, f *fixture) {
			whole := f.have["t"]
			f.have["t"] = &change.Table{Name: "t", Columns: []change.Column{whole.Columns[1], whole.Columns[0]}, Key: []int{1}}
			row := func(id int64, v string) change.Row { return change.Row{text(v), num(id)} }
			f.apply(t, verdicts(done, refused), f.write("t", change.Image{}, row(1, "b")), f.write("t", change.Image{}, row(2, "b")))
			f.holds(t, "SELECT * FROM t", "1|b|kept|x")
			f.apply(t, verdicts(done, refused), f.write("t", change.Is(row(1, "b")), row(1, "c")), f.write("t", absent, row(2, "b")))
			f.holds(t, "SELECT * FROM t", "1|c|kept|x")
			f.do(t, "ALTER TABLE t ALTER must SET DEFAULT 'new'")
			f.apply(t, nil, f.write("t", change.Image{}, row(1, "d")), f.write("t", change.Image{}, row(2, "b")), f.write("t", absent, row(3, "b")))
			f.holds(t, "SELECT * FROM t ORDER BY id", "1|d|kept|x", "2|b|new|w", "3|b|new|w")
		})
}

// TestInexactKeys writes rows whose keys the database takes for equal to others.
func TestInexactKeys(t *testing.T) {
	each(t, "CREATE TABLE t (k numeric PRIMARY KEY, v text); INSERT INTO t VALUES (1.0, 'old')", func(t *testing.T, f *fixture) {
		dec := func(s string) change.Value { return change.Str(change.Decimal, s) }
		row := func(k, v string) change.Row { return change.Row{dec(k), text(v)} }
		for _, expect := range []change.Image{absent, {}, change.Is(row("1.00", "old"))} {
			want := refused
			if expect.Row != nil {
				want = differs
			}
			f.apply(t, verdicts(want, done), f.write("t", expect, row("1.00", "new")), f.write("t", change.Image{}, row("5", "v")))
			f.holds(t, "SELECT k::text, v FROM t WHERE k < 2", "1.0|old")
		}
		f.apply(t, verdicts(done, differs, differs), sinks.Write{Table: f.have["t"], Key: change.Row{dec("1.00")}},
			f.write("t", absent, row("1.0", "new")), f.write("t", change.Is(row("01.0", "old")), nil))
		f.holds(t, "SELECT k::text, v FROM t WHERE k < 2", "1.0|old")
		f.apply(t, nil, f.write("t", change.Is(row("1.0", "old")), nil), f.write("t", absent, row("1.00", "new")))
		f.holds(t, "SELECT k::text, v FROM t WHERE k < 2", "1.00|new")
	})
}

// TestOneBadRow writes a thousand rows of which a few cannot be: only they are refused.
func TestOneBadRow(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, n integer CHECK (n <> 13), v varchar(10))", func(t *testing.T, f *fixture) {
		var writes []sinks.Write
		want := make([]sinks.Verdict, 1000)
		for i := range int64(1000) {
			writes = append(writes, f.write("t", absent, change.Row{num(i), num(i + 1000), text("v")}))
		}
		writes[100].New = change.Row{num(100), num(13), text("v")}
		writes[333].New = change.Row{num(333), num(1 << 40), text("v")}
		writes[500].New = change.Row{num(500), num(1), text("longer than ten")}
		writes[777].New = change.Row{num(777), num(1), text("nul\x00")}
		writes[888].New = change.Row{num(888), text("many"), text("v")}
		writes[999].New = change.Row{num(999), num(1), text("\xff")}
		for _, i := range []int{100, 333, 500, 777, 888, 999} {
			want[i] = refused
		}
		outcomes := f.apply(t, want, writes...)
		for i, o := range outcomes {
			if o.Verdict == refused && !strings.Contains(o.Err.Error(), "table t") {
				t.Errorf("write %d: the error does not name the table: %v", i, o.Err)
			}
		}
		f.holds(t, "SELECT count(*) FROM t", "994")
		// What is expected may be no value of its column either.
		f.apply(t, verdicts(refused, done), f.write("t", change.Is(change.Row{num(1), text("x"), text("v")}), nil),
			f.write("t", change.Is(change.Row{num(2), num(1002), text("v")}), nil))
	})
}

// typed are values of a type that are all different, though the database may take some of
// them for equal.
type typed struct {
	typ    string
	kind   change.Kind
	values []string
}

func manyTypes() []typed {
	return []typed{
		{"numeric", change.Decimal, []string{"1", "1.0", "1.00", "0", "-0.5", "NaN", "Infinity", "-Infinity", "12345678901234567890.123456789"}},
		{"char(3)", change.Text, []string{"a  ", "b  ", "   "}},
		{"varchar(5)", change.Text, []string{"a", "a ", "", "é"}},
		{"timestamptz", change.TimestampUTC, []string{"2024-01-01 00:00:00Z", "infinity", "-infinity", "0044-03-15 00:00:00Z BC", "2024-01-01 00:00:00.000001Z"}},
		{"timestamp", change.Timestamp, []string{"2024-01-01 00:00:00", "infinity", "2024-01-01 00:00:00.5"}},
		{"date", change.Date, []string{"2024-01-01", "0044-03-15 BC", "infinity"}},
		{"interval", change.Interval, []string{"1 mon", "30 days", "720:00:00", "-1 years -2 mons +3 days -04:05:06"}},
		{"json", change.JSON, []string{`{"b":1, "a" :  1.0, "a":2}`, `{"a": 2}`, `{"a":2}`, "1e400"}},
		{"jsonb", change.JSON, []string{`{"a": 2}`, `{"a": 2.0}`, `{"a": 3}`}},
		{"integer[]", change.Array, []string{"{1,2,3}", "[0:2]={1,2,3}", "{{1,2},{3,4}}", "{}", "{NULL}"}},
		{"text[]", change.Array, []string{`{"a,b",NULL,"NULL",""}`, `{a}`, `{A}`}},
		{"mood", change.Text, []string{"very happy, 'q'", "sad"}},
		{"inet", change.Text, []string{"1.2.3.4", "1.2.3.0/24", "::ffff:1.2.3.4/96"}},
		{"bit(3)", change.Text, []string{"101", "111"}},
		{"varbit", change.Text, []string{"", "1", "10"}},
		{`"char"`, change.Text, []string{"a", ""}},
		{"money", change.Text, []string{"$1.00", "-$2.50"}},
		{"int4range", change.Text, []string{"empty", "(,)", "[1,5)"}},
		{"point", change.Text, []string{"(1,2)", "(NaN,Infinity)"}},
		{"xml", change.Text, []string{"text <b/> fragment", "<a/>"}},
		{"positive", change.Int64, []string{"1", "2"}},
		{"pair", change.Text, []string{`(1,"q""x\\y")`, "(,)"}},
		{"uuid", change.UUID, []string{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"}},
		{"time", change.Time, []string{"24:00:00", "00:00:00", "12:00:00.5"}},
		{"timetz", change.Text, []string{"24:00:00-15:59:59", "12:00:00+00", "13:00:00+01"}},
	}
}

// TestExactTypes sends values of many types through an insert, a compared update and a
// compared delete, and compares them with values that the database may take for equal.
func TestExactTypes(t *testing.T) {
	cases := manyTypes()
	var columns []string
	for i, c := range cases {
		columns = append(columns, fmt.Sprintf("c%d %s", i, c.typ))
	}
	each(t, `CREATE TYPE mood AS ENUM ('sad', 'very happy, ''q'''); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
		CREATE TYPE pair AS (a integer, b text); CREATE TABLE t (id bigint PRIMARY KEY, f double precision, r real, `+strings.Join(columns, ", ")+")",
		func(t *testing.T, f *fixture) {
			blank := func(id int64) change.Row {
				row := make(change.Row, len(f.have["t"].Columns))
				for i := range row {
					row[i] = null
				}
				row[0] = num(id)
				return row
			}
			var rows []change.Row
			id := int64(0)
			add := func(column int, v change.Value) {
				id++
				row := blank(id)
				row[column] = v
				rows = append(rows, row)
			}
			for c, list := range cases {
				kind := f.have["t"].Columns[3+c].Kind
				for _, v := range list.values {
					if kind == change.Int64 {
						add(3+c, num(int64(v[0]-'0')))
					} else {
						add(3+c, change.Str(list.kind, v))
					}
				}
				add(3+c, null)
			}
			for _, v := range []float64{0, math.Copysign(0, -1), 1e6, 1e15, 1e21, 1e-5, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), 0.30000000000000004, 123456789} {
				add(1, change.Float(v))
			}
			for _, v := range []float64{0, math.Copysign(0, -1), 1e6, 16777216, 0.1, 3.4028235e+38, 1e-45, math.Inf(1), math.NaN()} {
				add(2, change.Float(v))
			}
			f.roundTrip(t, rows)
		})
}

// roundTrip sends rows of table t through inserts, updates and deletes that compare, and
// expects each with each other's values.
func (f *fixture) roundTrip(t *testing.T, rows []change.Row) {
	var inserts, wrong, updates, deletes []sinks.Write
	for _, row := range rows {
		inserts = append(inserts, f.write("t", absent, row))
		next := slices.Clone(row)
		for c := range row {
			for _, other := range rows {
				if c > 0 && other[c] != row[c] && !other[c].IsNull() {
					expect := slices.Clone(row)
					expect[c] = other[c]
					if !row[c].IsNull() {
						wrong = append(wrong, f.write("t", change.Is(expect), next))
					}
				}
			}
		}

		updates = append(updates, f.write("t", change.Is(row), row))
		deletes = append(deletes, f.write("t", change.Is(row), nil))
	}
	f.apply(t, nil, inserts...)
	for _, w := range wrong { // the keys repeat, so one by one
		if o := f.apply(t, verdicts(differs), w); o[0].Verdict != differs {
			t.Errorf("row %v, expected %v", w.Key, w.Expect)
		}
	}
	for i, o := range f.apply(t, nil, updates...) {
		if o.Verdict != done {
			t.Errorf("update of %v", rows[i])
		}
	}
	f.apply(t, nil, deletes...)
	f.holds(t, "SELECT count(*) FROM t", "0")
}
