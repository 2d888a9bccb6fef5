package mem

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

var items = &change.Table{
	Name:    "items",
	Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "code", Kind: change.Text}},
	Key:     []int{0},
}

func item(id int64, code string) change.Row {
	return change.Row{change.Int(id), change.TextValue(code)}
}

func key(id int64) change.Row { return change.Row{change.Int(id)} }

func write(t interface{ Fatal(args ...any) }, s *Store, write func(tx *Tx) error) {
	if err := s.Write(write); err != nil {
		t.Fatal(err)
	}
}

func TestWriteLogsEachChange(t *testing.T) {
	s := New(items)
	at := time.Unix(7, 0)
	write(t, s, func(tx *Tx) error {
		tx.Commit(at)
		return errors.Join(tx.Insert("items", item(1, "a")), tx.Update("items", key(1), item(2, "b")))
	})
	e, ok, _, err := s.Read(0)
	if err != nil || !ok || len(e.Changes) != 3 {
		t.Fatalf("got %+v, %v, %v", e, ok, err)
	}
	want := []string{"(1) absent -> (1, a)", "(1) (1, a) -> absent", "(2) absent -> (2, b)"}
	for i, c := range e.Changes {
		if got := fmt.Sprintf("%v %v -> %v", c.Key, c.Before, c.After); got != want[i] || !c.Time.Equal(at) {
			t.Errorf("change %d: got %s at %v, want %s", i, got, c.Time, want[i])
		}
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	s := New(items)
	s.Unique("items", "code")
	write(t, s, func(tx *Tx) error { return tx.Insert("items", item(1, "a")) })
	for name, fail := range map[string]func(tx *Tx) error{
		"error":  func(tx *Tx) error { tx.Upsert("items", item(1, "b")); return errors.New("no") },
		"unique": func(tx *Tx) error { return tx.Insert("items", item(2, "a")) },
		"exists": func(tx *Tx) error { return tx.Insert("items", item(1, "c")) },
		"absent": func(tx *Tx) error { tx.Delete("items", key(1)); return tx.Update("items", key(1), item(1, "c")) },
	} {
		if err := s.Write(fail); err == nil {
			t.Errorf("%s: no error", name)
		}
		if rows := s.Rows("items"); len(rows) != 1 || !rows[0].Equal(item(1, "a")) || s.Log() != 1 {
			t.Errorf("%s: the table holds %v after %d transactions", name, rows, s.Log())
		}
	}
}

func TestLogIsKeptForEveryReader(t *testing.T) {
	s := New(items)
	for i := range int64(4) {
		write(t, s, func(tx *Tx) error { return tx.Upsert("items", item(i, "a")) })
	}
	for _, link := range []string{"a", "b"} {
		if n, err := s.Begin(link, Place{Txs: 0}); n.Txs != 0 || err != nil {
			t.Fatalf("link %s begins at %v, %v", link, n, err)
		}
	}
	s.Release("a", 3)
	if n, err := s.Begin("b", Place{Txs: 0}); n.Txs != 0 || err != nil {
		t.Errorf("b begins at %v, %v: what it still needs is gone", n, err)
	}
	s.Release("b", 2)
	if n, err := s.Begin("b", Place{Txs: 0}); n.Txs != 2 || err != nil {
		t.Errorf("b begins at %v, %v", n, err)
	}
	if n, err := s.Begin("a", Place{Txs: 1}); n.Txs != 2 || err != nil {
		t.Errorf("a begins at %v, %v behind what it released itself", n, err)
	}
	s.Purge(4)
	if _, err := s.Begin("b", Place{Txs: 2}); change.ClassOf(err) != change.PositionLost {
		t.Errorf("b lost nothing: %v", err)
	}
	if _, err := s.Begin("b", Place{Txs: 9}); change.ClassOf(err) != change.PositionLost {
		t.Errorf("a position behind the end: %v", err)
	}
	if n, err := s.Begin("b", Place{Txs: 4}); n.Txs != 4 || err != nil {
		t.Errorf("b begins at %v, %v", n, err)
	}
}

func TestPositions(t *testing.T) {
	for _, p := range []Place{{}, {Txs: 1}, {Txs: 12, Changes: 3}, {Changes: 2}} {
		if got, err := ParsePosition(p.Position()); got != p || err != nil {
			t.Errorf("%q is %v, %v, want %v", p.Position(), got, err, p)
		}
	}
	for _, bad := range []change.Position{"m1:", "m1:0", "m1:-1", "m2:1", "m1:1/", "m1:1/0", "m1:01", "m1:1/2/3", "1", "m1:+1"} {
		if got, err := ParsePosition(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

// Replaying the log gives the tables, unless rows drifted; and images fit one another.
func TestLogExplainsTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(items)
		s.Unique("items", "code")
		for range rapid.IntRange(1, 20).Draw(t, "transactions") {
			s.Write(func(tx *Tx) error { // refused ones included
				for range rapid.IntRange(1, 3).Draw(t, "rows") {
					k := rapid.Int64Range(1, 3).Draw(t, "key")
					row := item(rapid.Int64Range(1, 3).Draw(t, "new key"), rapid.StringN(1, 1, -1).Draw(t, "code"))
					switch rapid.IntRange(0, 3).Draw(t, "op") {
					case 0:
						tx.Insert("items", row)
					case 1:
						tx.Update("items", key(k), row)
					case 2:
						tx.Upsert("items", row)
					default:
						tx.Delete("items", key(k))
					}
				}
				return nil
			})
		}
		replay(t, s)
	})
}

func replay(t *rapid.T, s *Store) {
	rows := map[string]change.Row{}
	for n := range s.Log() {
		e, _, _, err := s.Read(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Changes {
			k := encode(c.Key)
			if !change.Is(rows[k]).Equal(c.Before) {
				t.Fatalf("m1:%d: row %v is %v, its before-image %v", e.Number, c.Key, rows[k], c.Before)
			}
			rows[k] = c.After.Row
		}
	}
	for _, row := range s.Rows("items") {
		if k := encode(items.KeyOf(row)); !rows[k].Equal(row) {
			t.Fatalf("the log says %v, the table %v", rows[k], row)
		} else {
			delete(rows, k)
		}
	}
	for _, row := range rows {
		if row != nil {
			t.Fatalf("the table lacks %v", row)
		}
	}
}

// A view reorders columns and key columns, there and back.
func TestView(t *testing.T) {
	full := &change.Table{Name: "t", Columns: []change.Column{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "g", Generated: true}}, Key: []int{0, 2}}
	cut := &change.Table{Name: "t", Columns: []change.Column{{Name: "c"}, {Name: "g"}, {Name: "a"}}, Key: []int{0, 2}}
	v, err := New(full).View(cut)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c, g := change.Int(1), change.Int(2), change.Int(3), change.Int(4)
	if got := v.Row(change.Row{a, b, c, g}); !got.Equal(change.Row{c, g, a}) {
		t.Errorf("row is %v", got)
	}
	if got := v.StoreKey(change.Row{c, a}); !got.Equal(change.Row{a, c}) || !v.Key(got).Equal(change.Row{c, a}) {
		t.Errorf("key is %v", got)
	}
	want := change.Row{a, {}, c, {}}
	if got := v.Full(change.Row{c, a}, change.Row{{}, g, a}); !got.Equal(want) {
		t.Errorf("full row is %v, want %v", got, want)
	}
	if _, err := New(full).View(&change.Table{Name: "t", Columns: cut.Columns, Key: []int{0}}); err == nil {
		t.Error("half a key was taken")
	}
}
