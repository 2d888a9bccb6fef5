package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// What the link wrote in a time in which the log was not read is told apart from what the
// application did before that, between, and since, row by row.
func TestGapWithOwnWrites(t *testing.T) {
	for name, declared := range map[string]string{
		"rowid":         "(id INTEGER PRIMARY KEY, n INTEGER, v TEXT, g INTEGER AS (n*2) STORED)",
		"text":          "(id TEXT PRIMARY KEY, n INTEGER, v TEXT, g INTEGER AS (n*2) STORED)",
		"without rowid": "(id INTEGER PRIMARY KEY, n INTEGER, v TEXT, g INTEGER AS (n*2) STORED) WITHOUT ROWID",
	} {
		t.Run(name, func(t *testing.T) { gapWithOwnWrites(t, declared) })
	}
}

func gapWithOwnWrites(t *testing.T, declared string) {
	s, app, tables := logApp(t, "CREATE TABLE t"+declared)
	table := tables[0]
	id := func(n int) change.Value {
		if table.Columns[0].Kind == change.Text {
			return change.TextValue(fmt.Sprint(n))
		}
		return change.Int(int64(n))
	}
	row := func(n, value int) change.Row {
		return change.Row{id(n), change.Int(int64(value)), change.TextValue("v"), change.Int(int64(2 * value))}
	}
	put := func(n, value int) string {
		return fmt.Sprintf("INSERT INTO t(id, n, v) VALUES(%d, %d, 'v') ON CONFLICT(id) DO UPDATE SET n = excluded.n", n, value)
	}
	const rows = 9
	for n := range rows {
		execute(t, app, put(n, 0))
	}
	if err := s.SetupFromLog(t.Context(), "l", true); err != nil {
		t.Fatal(err)
	}
	if err := SetupLog(t.Context(), s, "l", tables); err != nil {
		t.Fatal(err)
	}
	k := sink.New(s, "l")
	defer k.Close()
	if _, err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply := uint64(1 << 32)
	write := func(writes ...sinks.Write) {
		t.Helper()
		apply += 3
		for i := range writes {
			writes[i].Table, writes[i].Key = table, change.Row{writes[i].Key[0]}
		}
		result, err := k.Apply(t.Context(), &sinks.Batch{Marker: checkpoint.Marker{Apply: apply}, Writes: writes})
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range result.Outcomes {
			if o.Verdict != sinks.Done {
				t.Fatalf("write %d: %+v", i, o)
			}
		}
	}
	change1 := func(n, from, to int) sinks.Write {
		w := sinks.Write{Key: change.Row{id(n)}, Expect: change.Is(row(n, from)), New: row(n, to)}
		w.New[3] = change.Value{}
		if from < 0 {
			w.Expect = change.Is(nil)
		}
		if to < 0 {
			w.New = nil
		}
		return w
	}
	src := NewLogSource(s, "l", tables)
	if err := src.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	execute(t, app, put(8, 1))
	at := nextChanges(t, src).Position
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	model := map[string]change.Row{}
	for n := range rows {
		model[change.Row{id(n)}.String()] = row(n, 0)
	}
	model[change.Row{id(8)}.String()] = row(8, 1)

	// The gap.
	execute(t, app, put(0, 5), put(1, 6)) // before the link, which had looked
	write(change1(0, 5, 10), change1(2, 0, 20), change1(3, 0, -1), change1(20, -1, 7))
	execute(t, app, put(0, 11), put(2, 0), put(3, 0)) // 2 and 3 are what they were before the gap
	write(change1(0, 11, 12), change1(4, 0, 40), change1(5, 0, 50))
	execute(t, app, put(4, 41), "DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 20", put(6, 60))
	write(change1(7, 0, 0)) // is as it should be
	execute(t, app, "PRAGMA wal_checkpoint(TRUNCATE)")
	want := []string{
		"local 0: 0>5", "local 1: 0>6", "local 6: 0>60", // 6 has nothing to do with the link
		"own 1 0", "own 1 2", "own 1 3", "own 1 20", "local 0: 10>11", "own 2 0", "own 2 4", "own 2 5",
		"own 3 7",
		"local 2: 20>0", "local 3: absent>0", "local 4: 40>41", "local 5: 50>absent", "local 20: 7>absent",
	}

	src = NewLogSource(s, "l", tables)
	defer src.Close()
	if err := src.Start(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	show := func(i change.Image) string {
		if i.Row == nil {
			return "absent"
		}
		return i.Row[1].String()
	}
	var got []string
	for done := false; !done; {
		tx, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tx.Changes {
			if tx.Tag.Echo() {
				got = append(got, fmt.Sprintf("own %d %s", (tx.Tag.Apply-1<<32)/3, c.Key[0]))
				continue
			}
			got = append(got, fmt.Sprintf("local %s: %s>%s", c.Key[0], show(c.Before), show(c.After)))
		}
		done = !tx.Partial && !tx.Tag.Echo() && len(got) >= len(want)
	}
	for _, list := range []*[]string{&got, &want} { // in each stretch of one kind the order does not matter
		for i := 0; i < len(*list); {
			j := i
			for j < len(*list) && strings.HasPrefix((*list)[j], (*list)[i][:5]) {
				j++
			}
			slices.Sort((*list)[i:j])
			i = j
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q ", got, want)
	}
}

// What was noted of the link's transactions is forgotten once it was read, but for the newest file.
func TestOwnWritesAreForgotten(t *testing.T) {
	s, app, tables := logApp(t, "CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
	if err := s.SetupFromLog(t.Context(), "l", true); err != nil {
		t.Fatal(err)
	}
	if err := SetupLog(t.Context(), s, "l", tables); err != nil {
		t.Fatal(err)
	}
	src := NewLogSource(s, "l", tables)
	defer src.Close()
	if err := src.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	k := sink.New(s, "l")
	defer k.Close()
	if _, err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := change.TextValue(strings.Repeat("long ", 20_000))
	for i := range 3 * forgetEvery {
		batch := &sinks.Batch{Marker: checkpoint.Marker{Apply: uint64(i + 1)}, Writes: []sinks.Write{
			{Table: tables[0], Key: change.Row{change.Int(1)}, New: change.Row{change.Int(1), long}}}}
		if _, err := k.Apply(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, app, "INSERT INTO t VALUES(2, 'last')")
	for tx := nextChanges(t, src); tx.Tag.Echo(); tx = nextChanges(t, src) {
	}
	files, err := filepath.Glob(filepath.Join(s.LogDir("l"), "own-*"))
	if err != nil || len(files) == 0 || len(files) > forgetEvery/10+2 {
		t.Errorf("%d files: %v", len(files), err)
	}
}

// What is not whole, or not of these columns, or not all there, is not taken for what the link wrote.
func TestOwnWritesNotKnown(t *testing.T) {
	dir := t.TempDir()
	table := &change.Table{Name: "t", Columns: []change.Column{{Name: "id"}, {Name: "v"}}, Key: []int{0}}
	other := &change.Table{Name: "t", Columns: []change.Column{{Name: "id"}, {Name: "w"}}, Key: []int{0}}
	own := store.NewOwnWrites(dir)
	note := func(apply, prior uint64, v int64) {
		t.Helper()
		w := store.OwnWrite{Table: table, Key: change.Row{change.Int(1)}, Expect: change.Is(nil), New: change.Row{change.Int(1), change.Int(v)}}
		if err := own.Append(&store.OwnTransaction{Apply: apply, Prior: prior, Writes: []store.OwnWrite{w}}); err != nil {
			t.Fatal(err)
		}
	}
	note(3, 0, 3)
	note(4, 3, 40) // failed, and was tried again
	note(4, 3, 4)
	note(9, 4, 9) // never committed
	note(10, 4, 10)
	if err := own.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, fmt.Sprintf("own-%020d", 3))
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	read := func(behind, upto uint64, of *change.Table) string {
		t.Helper()
		list, ok, err := store.ReadOwnWrites(dir, behind, upto, []*change.Table{of})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(ok)
		for _, o := range list {
			text += fmt.Sprintf(" %d:%s", o.Apply, o.Writes[0].New[1])
		}
		return text
	}
	for _, test := range []struct {
		behind, upto uint64
		of           *change.Table
		want         string
	}{
		{0, 10, table, "true 3:3 4:4 10:10"}, {3, 10, table, "true 4:4 10:10"}, {4, 4, table, "true"},
		{0, 11, table, "false"}, {2, 10, table, "false 3:3 4:4 10:10"}, {3, 10, other, "false"},
	} {
		if got := read(test.behind, test.upto, test.of); got != test.want {
			t.Errorf("behind %d up to %d: %s, want %s", test.behind, test.upto, got, test.want)
		}
	}
	for cut := range whole {
		if err := os.WriteFile(file, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := read(3, 10, table); got != "false" {
			t.Fatalf("cut at %d of %d: %s", cut, len(whole), got)
		}
		spoiled := slices.Clone(whole)
		spoiled[cut] ^= 0x20
		if err := os.WriteFile(file, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := read(3, 10, table); got != "false" && got != "true 4:4 10:10" {
			t.Fatalf("with byte %d of %d spoiled: %s", cut, len(whole), got)
		}
	}
}
