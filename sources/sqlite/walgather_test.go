package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// gathered gives a gatherer one commit and returns what is in the journal then.
func gathered(t *testing.T, tables []*change.Table, commit uint64, gap bool, rows ...wal.RowChange) []*change.Tx {
	t.Helper()
	j, err := wal.OpenJournal(t.TempDir(), wal.Place{Commit: commit - 1, Part: wal.Whole})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	g := newGatherer(j, t.TempDir(), "l", tables, func(int) {})
	var conn *store.Conn
	if gap {
		conn = new(store.Conn)
	}
	if err := g.Begin(commit, conn); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := g.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.End(false, nil); err != nil {
		t.Fatal(err)
	}
	var txs []*change.Tx
	r := j.Read(j.Begins())
	defer r.Close()
	for {
		p, body, ok, err := r.Next(commit)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		tx, err := readEntry(body, tables)
		if err != nil {
			t.Fatal(err)
		}
		tx.Position = logPosition{"g", p}.public()
		txs = append(txs, tx)
	}
	return txs
}

// declaredTable is a table as a reader of the log gives it.
func declaredTable(t *testing.T, name, create string) *wal.Table {
	t.Helper()
	scratch, err := store.NewScratch()
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	s, err := scratch.Declare(t.Context(), name, create)
	if err != nil {
		t.Fatal(err)
	}
	return &wal.Table{Storage: s}
}

func TestGather(t *testing.T) {
	text, num := change.TextValue, change.Int
	items := declaredTable(t, "items", "CREATE TABLE items(id INTEGER PRIMARY KEY, v TEXT)")
	names := declaredTable(t, "names", "CREATE TABLE names(name TEXT PRIMARY KEY, v TEXT)")
	link := declaredTable(t, "_cdcsync_link", "CREATE TABLE _cdcsync_link(id INTEGER PRIMARY KEY, link TEXT, applied INTEGER)")
	marker := declaredTable(t, "_cdcsync_marker", "CREATE TABLE _cdcsync_marker(link INTEGER, part INTEGER, body BLOB, PRIMARY KEY(link, part)) WITHOUT ROWID")
	tables := []*change.Table{items.Storage.Table.Table, names.Storage.Table.Table}
	row := func(of *wal.Table, before, after change.Row) wal.RowChange {
		return wal.RowChange{Was: of, Is: of, Before: before, After: after}
	}
	own := []wal.RowChange{
		row(link, change.Row{num(3), text("l"), num(8)}, change.Row{num(3), text("l"), num(9)}),
		row(marker, nil, change.Row{num(3), num(store.EchoesPart),
			change.BytesValue(store.AppendEcho(store.AppendEchoes(nil, 9), "items", change.Row{num(1)}))}),
	}
	one, two := change.Row{num(1), text("one")}, change.Row{num(1), text("two")}
	show := func(txs []*change.Tx) (lines []string) {
		for _, tx := range txs {
			line := fmt.Sprintf("%s %d %v:", tx.Position, tx.Tag.Apply, tx.Partial)
			for _, c := range tx.Changes {
				line += fmt.Sprintf(" %s%v %v>%v", c.Table.Name, c.Key, c.Before, c.After)
			}
			lines = append(lines, line)
		}
		return lines
	}
	for _, test := range []struct {
		name string
		gap  bool
		rows []wal.RowChange
		want []string
	}{
		{"nothing of ours", false, nil, nil},
		{"local", false, []wal.RowChange{row(items, one, two)}, []string{"w1:g:7 0 false: items(1) (1, one)>(1, two)"}},
		// By rowid a row got another key, and its key another row.
		{"keys go round", false, []wal.RowChange{
			row(names, change.Row{text("a"), text("x")}, change.Row{text("b"), text("x")}),
			row(names, change.Row{text("b"), text("y")}, change.Row{text("c"), text("y")})},
			[]string{"w1:g:7 0 false: names(a) (a, x)>absent names(b) (b, y)>(b, x) names(c) absent>(c, y)"}},
		{"another rowid", false, []wal.RowChange{
			row(names, change.Row{text("a"), text("x")}, nil), row(names, nil, change.Row{text("a"), text("x")})}, nil},
		// What did not change is an echo as well, and what a trigger changed is one.
		{"own", false, append(slices.Clone(own), row(items, change.Row{num(2), text("t")}, nil)),
			[]string{"w1:g:7 9 false: items(1) unknown>unknown items(2) unknown>unknown"}},
		{"own in a gap", true, append(slices.Clone(own), row(items, one, two)), []string{
			"w1:g:7:1 9 false: items(1) unknown>unknown", "w1:g:7 0 false: items(1) (1, one)>(1, two)"}},
		{"own in a gap, with nothing left", true, own[:1], []string{"w1:g:7:1 9 false:", "w1:g:7 0 false:"}},
		{"no key", false, []wal.RowChange{row(names, nil, change.Row{change.NullValue(), text("x")})}, []string{"w1:g:7 0 false:"}},
	} {
		if got := show(gathered(t, tables, 7, test.gap, test.rows...)); !slices.Equal(got, test.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, got, test.want)
		}
	}

	j, err := wal.OpenJournal(t.TempDir(), wal.Place{Commit: 6, Part: wal.Whole})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	back := newGatherer(j, t.TempDir(), "l", tables, func(int) {})
	if err := back.Begin(7, new(store.Conn)); err != nil {
		t.Fatal(err)
	}
	if err := back.Row(row(link, change.Row{num(3), text("l"), num(9)}, change.Row{num(3), text("l"), num(8)})); !errors.Is(err, wal.ErrRestored) {
		t.Errorf("a marker that goes back: %v", err)
	}

	var many []wal.RowChange // in parts, of which the last only is whole
	for i := range int64(2*change.PartChanges + 1) {
		many = append(many, row(items, nil, change.Row{num(i), text("v")}))
	}
	txs := gathered(t, tables, 7, false, many...)
	if len(txs) != 3 || !txs[0].Partial || !txs[1].Partial || txs[2].Partial || len(txs[2].Changes) != 1 {
		t.Errorf("got %d transactions", len(txs))
	}
	if txs := gathered(t, tables, 7, false, many[:change.PartChanges]...); len(txs) != 1 || txs[0].Partial || len(txs[0].Changes) != change.PartChanges {
		t.Errorf("of as many as one may have, there are %d", len(txs))
	}
}

// An entry whose bytes are not as they were written is an error, or another entry.
func FuzzEntry(f *testing.F) {
	table := &change.Table{Name: "t", Columns: []change.Column{{Name: "id"}, {Name: "v"}}, Key: []int{0}}
	e := entry{apply: 3, rows: []entryRow{{table: table, before: change.Row{change.Int(1), change.TextValue("a")}}, {table: table, key: change.Row{change.Int(2)}}},
		schema: []change.SchemaChange{{Table: table, Reason: "why", Additive: true}}}
	good := e.append(nil)
	tx, err := readEntry(good, []*change.Table{table})
	if err != nil || len(tx.Changes) != 2 || len(tx.Schema) != 1 || tx.Schema[0].Reason != "why" || tx.Tag.Apply != 3 {
		f.Fatalf("got %+v, %v", tx, err)
	}
	other := &change.Table{Name: "t", Columns: table.Columns, Key: []int{0, 1}}
	if _, err := readEntry(good, []*change.Table{other}); !errors.Is(err, errEntry) {
		f.Errorf("a key of one column for a table that has one of two: %v", err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		tx, err := readEntry(b, []*change.Table{table})
		if err != nil {
			if !errors.Is(err, errEntry) {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, c := range tx.Changes {
			if c.Table != table || len(c.Key) != len(table.Key) || c.Key[0].IsNull() || c.Key[0].IsUnset() {
				t.Errorf("got %+v", c)
			}
		}
	})
}

// logApp is a database in which there are tables, and a connection that writes it.
func logApp(t *testing.T, statements ...string) (*store.Store, *store.Conn, []*change.Table) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "g.db")
	s, err := store.Open("file:" + path + "?_pragma=journal_mode(wal)")
	if err == nil {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	app, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close() })
	execute(t, app, statements...)
	tables, _, err := s.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, app, tables
}

func execute(t *testing.T, app *store.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := app.Do(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// nextChanges returns the changes of the next transaction that has some.
func nextChanges(t *testing.T, src *LogSource) *change.Tx {
	t.Helper()
	for {
		tx, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(tx.Changes) > 0 {
			return tx
		}
	}
}

// A link that gets a table, or loses one, goes on where it was.
func TestLogOfOtherTables(t *testing.T) {
	s, app, tables := logApp(t, "CREATE TABLE a(id INTEGER PRIMARY KEY, v)", "CREATE TABLE b(id INTEGER PRIMARY KEY, v)",
		"INSERT INTO b VALUES(1, 'before')")
	var at change.Position
	for i, some := range [][]*change.Table{tables[:1], tables, tables[1:]} {
		if err := SetupLog(t.Context(), s, "l", some); err != nil {
			t.Fatal(err)
		}
		if i > 0 { // of the tables before
			execute(t, app, fmt.Sprintf("INSERT INTO %s VALUES(%d, 'between')", "a", 10+i))
		}
		src := NewLogSource(s, "l", some)
		if err := src.Start(t.Context(), at); err != nil {
			t.Fatalf("with %d tables, from %q: %v", len(some), at, err)
		}
		if i == 1 {
			if tx := nextChanges(t, src); tx.Changes[0].Table.Name != "a" || !tx.Changes[0].Key.Equal(change.Row{change.Int(11)}) {
				t.Errorf("first comes %+v", tx)
			}
		}
		last := some[len(some)-1].Name
		execute(t, app, fmt.Sprintf("INSERT INTO %s VALUES(%d, 'now')", last, 20+i))
		tx := nextChanges(t, src)
		if len(tx.Changes) != 1 || tx.Changes[0].Table.Name != last || !tx.Changes[0].Key.Equal(change.Row{change.Int(int64(20 + i))}) {
			t.Errorf("with %d tables comes %+v", len(some), tx)
		}
		at = tx.Position
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What was missed while the source ran is told to whoever reads, once, and then read on.
func TestLogGapIsTold(t *testing.T) {
	s, app, tables := logApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	if err := SetupLog(t.Context(), s, "l", tables); err != nil {
		t.Fatal(err)
	}
	src := NewLogSource(s, "l", tables)
	defer src.Close()
	if err := src.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	why := errors.New("it was begun again")
	src.capture.gap.Store(&why)
	execute(t, app, "INSERT INTO t VALUES(1, 'one')")
	if _, err := src.Next(t.Context()); change.ClassOf(err) != change.Transient || !errors.Is(err, why) {
		t.Fatalf("got %v", err)
	}
	if tx := nextChanges(t, src); len(tx.Changes) != 1 {
		t.Errorf("got %+v", tx)
	}
}

// A commit that was begun and did not end leaves nothing in the journal, and is not waited for.
func TestGatherBegunAgain(t *testing.T) {
	items := declaredTable(t, "items", "CREATE TABLE items(id INTEGER PRIMARY KEY, v TEXT)")
	tables := []*change.Table{items.Storage.Table.Table}
	j, err := wal.OpenJournal(t.TempDir(), wal.Place{Commit: 6, Part: wal.Whole})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	told := 0
	g := newGatherer(j, t.TempDir(), "l", tables, func(n int) { told += n })
	add := func(commit uint64, gap *store.Conn, rows int) {
		t.Helper()
		if err := g.Begin(commit, gap); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			row := wal.RowChange{Was: items, Is: items, After: change.Row{change.Int(int64(i)), change.TextValue("v")}}
			if err := g.Row(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(7, nil, 3)
	if err := g.End(false, nil); err != nil {
		t.Fatal(err)
	}
	add(8, nil, 2*change.PartChanges+5)
	if j.End().Commit != 8 {
		t.Fatal("nothing of it was written")
	}
	add(10, new(store.Conn), 4)
	if err := g.End(false, nil); err != nil {
		t.Fatal(err)
	}
	r := j.Read(j.Begins())
	defer r.Close()
	var places []wal.Place
	for {
		p, _, ok, err := r.Next(10)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		places = append(places, p)
	}
	if want := []wal.Place{{Commit: 7, Part: wal.Whole}, {Commit: 10, Part: wal.Whole}}; !slices.Equal(places, want) || told != 7 {
		t.Errorf("%d changes at %v, want 7 at %v", told, places, want)
	}
}
