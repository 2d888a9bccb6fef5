package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// patience is how long a suite waits for what has to come. It only ends tests that hang.
const patience = 2 * time.Minute

// State is the content of tables: by table name, the rows by encoded key.
type State map[string]map[string]change.Image

// Put makes row the content under the key, nil for none.
func (s State) Put(table string, key, row change.Row) { s.put(table, key, change.Is(row)) }

func (s State) put(table string, key change.Row, image change.Image) {
	if s[table] == nil {
		s[table] = map[string]change.Image{}
	}
	s[table][encode(key)] = image
}

// Get returns what is known of a row; a row that was never put is not there.
func (s State) Get(table string, key change.Row) change.Image {
	return s.get(table, encode(key))
}

func (s State) get(table, key string) change.Image {
	if image, ok := s[table][key]; ok {
		return image
	}
	return change.Is(nil)
}

// Clone returns a copy.
func (s State) Clone() State {
	clone := State{}
	for table, rows := range s {
		clone[table] = map[string]change.Image{}
		for key, image := range rows {
			clone[table][key] = image
		}
	}
	return clone
}

// Do executes a statement.
func (s State) Do(store *Store, statement Statement) {
	if statement.Key != nil {
		s.Put(statement.Table, statement.Key, nil)
	}
	if statement.Row != nil {
		s.Put(statement.Table, store.Table(statement.Table).KeyOf(statement.Row), statement.Row)
	}
}

// Diff reports the rows that differ, of those that are known in both states.
func (s State) Diff(t testing.TB, want State) {
	t.Helper()
	for _, table := range Tables {
		keys := map[string]bool{}
		for key := range s[table] {
			keys[key] = true
		}
		for key := range want[table] {
			keys[key] = true
		}
		for key := range keys {
			g, w := s.get(table, key), want.get(table, key)
			if g.Known && w.Known && !g.Equal(w) {
				t.Errorf("%s: got row %v, want %v", table, g, w)
			}
		}
	}
}

// Content reads all tables of the store.
func (s *Store) Content(t testing.TB) State {
	t.Helper()
	state := State{}
	for _, name := range Tables {
		table := s.Table(name)
		for _, row := range s.Rows(t, name) {
			state.Put(name, table.KeyOf(row), row)
		}
	}
	return state
}

// replay executes a transaction of the log on the state, and checks that its changes fit.
func (s *Store) replay(t testing.TB, state State, tx *change.Tx) {
	t.Helper()
	for _, c := range tx.Changes {
		table := s.Table(c.Table.Name)
		if len(c.Key) != len(table.Key) {
			t.Fatalf("%s: the key of a change is %v", table.Name, c.Key)
		}
		was := state.Get(table.Name, c.Key)
		for _, image := range []change.Image{c.Before, c.After} {
			if image.Row != nil && !table.KeyOf(image.Row).Equal(c.Key) {
				t.Errorf("%s: the change of row %v has the image %v", table.Name, c.Key, image)
			}
		}
		if c.Before.Known && was.Known && !c.Before.Equal(was) {
			t.Errorf("%s: row %v was %v, the before-image at %s is %v", table.Name, c.Key, was, tx.Position, c.Before)
		}
		if !tx.Tag.Echo() && !c.After.Known {
			t.Errorf("%s: a local change of row %v at %s has no after-image", table.Name, c.Key, tx.Position)
		}
		if !tx.Tag.Echo() && s.BeforeImages && !c.Before.Known {
			t.Errorf("%s: a local change of row %v at %s has no before-image", table.Name, c.Key, tx.Position)
		}
		state.put(table.Name, c.Key, c.After)
	}
	for _, table := range tx.Emptied {
		delete(state, table.Name)
	}
}

// Reader is a source that is read for a test.
type Reader struct {
	Store  *Store
	Source sources.Source
	Looker sources.Looker
	// At is the position reached.
	At     change.Position
	closed bool
}

// Open opens a source of the link behind from.
func (s *Store) Open(t testing.TB, link string, from change.Position) *Reader {
	t.Helper()
	r := &Reader{Store: s, Source: s.Source(t, link), Looker: s.Looker(t, link), At: from}
	t.Cleanup(func() { r.Close(t) })
	if err := r.Source.Start(within(t), from); err != nil {
		t.Fatalf("start behind %q: %v", from, err)
	}
	return r
}

// Close closes the source and its looker, once.
func (r *Reader) Close(t testing.TB) {
	t.Helper()
	if r.closed {
		return
	}
	r.closed = true
	if err := r.Source.Close(); err != nil {
		t.Fatalf("close source: %v", err)
	}
	if err := r.Looker.Close(); err != nil {
		t.Fatalf("close looker: %v", err)
	}
}

// Next reads the next transaction, which has to be behind the last one.
func (r *Reader) Next(t testing.TB) *change.Tx {
	t.Helper()
	tx, err := r.Source.Next(within(t))
	if err != nil {
		t.Fatalf("next behind %q: %v", r.At, err)
	}
	if !r.Source.Reached(tx.Position, r.At) || r.Source.Reached(r.At, tx.Position) {
		t.Fatalf("%q is not behind %q", tx.Position, r.At)
	}
	r.At = tx.Position
	return tx
}

// Drain reads to where the log ends now. It leaves out transactions without changes.
func (r *Reader) Drain(t testing.TB) []*change.Tx {
	t.Helper()
	return r.To(t, r.Head(t))
}

// Head returns where the log ends now.
func (r *Reader) Head(t testing.TB) change.Position {
	t.Helper()
	head, err := r.Looker.Head(within(t))
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return head
}

// To reads until the position is reached.
func (r *Reader) To(t testing.TB, to change.Position) []*change.Tx {
	t.Helper()
	var txs []*change.Tx
	for !r.Source.Reached(r.At, to) {
		if tx := r.Next(t); len(tx.Changes) > 0 || len(tx.Emptied) > 0 {
			txs = append(txs, tx)
		}
	}
	return txs
}

// within returns a context for one operation of a test.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func encode(key change.Row) string { return string(change.AppendRow(nil, key)) }

// sameTxs compares what two readings of a log gave.
func sameTxs(t testing.TB, got, want []*change.Tx) {
	t.Helper()
	if !slices.EqualFunc(got, want, sameTx) {
		t.Errorf("got %d transactions %v\nwant %d %v", len(got), show(got), len(want), show(want))
	}
}

func sameTx(a, b *change.Tx) bool {
	return a.Position == b.Position && a.Tag == b.Tag && slices.Equal(names(a.Emptied), names(b.Emptied)) && slices.EqualFunc(a.Changes, b.Changes, sameChange)
}

func names(tables []*change.Table) []string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Name
	}
	return names
}

func sameChange(a, b change.Change) bool {
	return a.Table.Name == b.Table.Name && a.Key.Equal(b.Key) && sameImage(a.Before, b.Before) &&
		sameImage(a.After, b.After) && a.Time.Equal(b.Time)
}

func sameImage(a, b change.Image) bool { return a.Known == b.Known && a.Row.Equal(b.Row) }

func show(txs []*change.Tx) []string {
	lines := make([]string, len(txs))
	for i, tx := range txs {
		lines[i] = fmt.Sprintf("\n%s (apply %d):", tx.Position, tx.Tag.Apply)
		for _, c := range tx.Changes {
			lines[i] += fmt.Sprintf(" %s%v %v -> %v;", c.Table.Name, c.Key, c.Before, c.After)
		}
	}
	return lines
}
