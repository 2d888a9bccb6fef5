package mem

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var items = &change.Table{Name: "items", Columns: []change.Column{{Name: "id"}, {Name: "v"}}, Key: []int{0}}

func row(id int64) change.Row { return change.Row{change.Int(id), change.TextValue("v")} }

func newSource(t *testing.T, store *mem.Store) *Source {
	t.Helper()
	s, err := New(store, "a", items)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return s
}

func insert(t *testing.T, store *mem.Store, ids ...int64) {
	t.Helper()
	err := store.Write(func(tx *mem.Tx) error {
		for _, id := range ids {
			if err := tx.Insert("items", row(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// drain takes what is there: the positions, and the keys of each transaction.
func drain(s *Source) (positions []change.Position, keys [][]int64) {
	for {
		tx, ok := s.TryNext()
		if !ok {
			return positions, keys
		}
		positions = append(positions, tx.Position)
		var k []int64
		for _, c := range tx.Changes {
			k = append(k, c.Key[0].Int64())
		}
		keys = append(keys, k)
	}
}

// A large transaction comes in parts, each with a position to go on from.
func TestSplit(t *testing.T) {
	store := mem.New(items)
	s := newSource(t, store)
	s.Split = 2
	insert(t, store, 1)
	insert(t, store, 2, 3, 4, 5, 6)
	insert(t, store, 7, 8)
	positions, keys := drain(s)
	if want := []change.Position{"m1:1", "m1:1/2", "m1:1/4", "m1:2", "m1:3"}; !slices.Equal(positions, want) {
		t.Fatalf("positions %v, want %v", positions, want)
	}
	for i, from := range positions {
		if err := s.Start(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		if _, rest := drain(s); !slices.EqualFunc(rest, keys[i+1:], slices.Equal) {
			t.Errorf("behind %s came %v, want %v", from, rest, keys[i+1:])
		}
		for j, want := range positions {
			if s.Reached(from, want) != (i >= j) {
				t.Errorf("Reached(%s, %s) is %v", from, want, i < j)
			}
		}
	}
	// What is settled inside a transaction keeps the transaction.
	if err := s.Settle(t.Context(), "m1:1/2"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), "m1:1/2"); err != nil {
		t.Fatal(err)
	}
	if _, rest := drain(s); !slices.EqualFunc(rest, keys[2:], slices.Equal) {
		t.Errorf("behind what was settled came %v", rest)
	}
	if err := s.Start(t.Context(), "m1:3/1"); change.ClassOf(err) != change.PositionLost {
		t.Errorf("a transaction that never was: %v", err)
	}
	store.Purge(2)
	if err := s.Start(t.Context(), "m1:1/2"); change.ClassOf(err) != change.PositionLost {
		t.Errorf("the rest of a transaction that is gone: %v", err)
	}
}

func TestPartialIsSaid(t *testing.T) {
	store := mem.New(items)
	s := newSource(t, store)
	s.Split = 1
	insert(t, store, 1, 2)
	first, _ := s.TryNext()
	second, _ := s.TryNext()
	if !first.Partial || second.Partial {
		t.Errorf("partial: %v, %v", first.Partial, second.Partial)
	}
}

// A hook that fails after the operation leaves the effect: the transaction was taken, and
// comes again behind the last position that the caller has.
func TestHook(t *testing.T) {
	store := mem.New(items)
	s := newSource(t, store)
	insert(t, store, 1)
	insert(t, store, 2)
	fault := errors.New("fault")
	var ops []string
	s.Hook = func(op string) error {
		if ops = append(ops, op); op == "next done" {
			return fault
		}
		return nil
	}
	if tx, err := s.Next(t.Context()); tx != nil || !errors.Is(err, fault) {
		t.Fatalf("got %v, %v", tx, err)
	}
	s.Hook = nil
	if _, keys := drain(s); len(keys) != 1 {
		t.Errorf("then came %v", keys)
	}
	if err := s.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if _, keys := drain(s); len(keys) != 2 {
		t.Errorf("from the start came %v", keys)
	}
	if want := []string{"next", "next done"}; !slices.Equal(ops, want) {
		t.Errorf("the hook saw %v, want %v", ops, want)
	}
}

// Next tells why TryNext has nothing.
func TestPurgedUnderTheReader(t *testing.T) {
	store := mem.New(items)
	s := newSource(t, store)
	insert(t, store, 1)
	store.Purge(1)
	if _, ok := s.TryNext(); ok {
		t.Error("something came")
	}
	if _, err := s.Next(context.Background()); change.ClassOf(err) != change.PositionLost {
		t.Errorf("got %v", err)
	}
}

func TestSchemaChange(t *testing.T) {
	store := mem.New(items)
	s := newSource(t, store)
	store.Alter("items", "column w was added", true)
	tx, ok := s.TryNext()
	if !ok || len(tx.Schema) != 1 || tx.Schema[0].Table != items || !tx.Schema[0].Additive {
		t.Errorf("got %+v", tx)
	}
}
