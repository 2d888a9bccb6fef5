package mem_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sinkmem "github.com/cdcsync/cdcsync/sinks/mem"
	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/sources"
	sourcemem "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	"github.com/cdcsync/cdcsync/stores/mem"
)

func TestSource(t *testing.T) { sourcetest.Run(t, open) }

func TestSink(t *testing.T) { sinktest.Run(t, open) }

// A source that gives keys only of the link's own writes, and log entries for markers.
func TestBareSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Store {
		return with(func(s *mem.Store) { s.BareEchoes, s.LogMarkers = true, true })
	})
}

// A log without before-images.
func TestBlindSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Store {
		s := with(func(s *mem.Store) { s.Blind = func(change.Change) bool { return true } })
		s.BeforeImages = false
		return s
	})
}

// A store whose looks show transactions later than its log does; whoever wrote one learns of
// its commit only then.
func TestLateSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Store {
		n, stop, stopped := 0, make(chan struct{}), make(chan struct{})
		var store *mem.Store
		late := with(func(s *mem.Store) {
			store = s
			s.Late = func() bool { n++; return n%3 > 0 }
		})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if n := store.Hidden(); n > 0 {
					store.Show(n - 1) // writers of its rows may have shown it meanwhile
				}
			}
		}()
		t.Cleanup(func() { close(stop); <-stopped })
		write := late.Write
		late.Write = func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			t.Helper()
			write(t, commit, statements...)
			for store.Hidden() > 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
		return late
	})
}

func open(*testing.T) *sourcetest.Store { return with(func(*mem.Store) {}) }

// tables are the tables of sourcetest.Schema.
var tables = []*change.Table{
	table("items", "id", "v", "n", "f", "b", "x"),
	table("names", "name", "v"),
	table("pairs", "one", "two", "v"),
	table("codes", "id", "code", "v"),
	table("parents", "id", "v"),
	table("children", "id", "parent", "v"),
	table("counted", "id", "code", "v"),
	table("elsewhere", "id", "v"),
}

func table(name string, columns ...string) *change.Table {
	t := &change.Table{Name: name, Key: []int{0}}
	for i, c := range columns {
		t.Columns = append(t.Columns, change.Column{Name: c, Nullable: i > 0})
	}
	if name == "pairs" {
		t.Key = []int{1, 0}
	}
	return t
}

func with(configure func(s *mem.Store)) *sourcetest.Store {
	s := mem.New(tables...)
	s.Unique("codes", "code")
	s.Unique("counted", "code")
	s.Foreign("children", "parent", "parents")
	s.Refuse = func(table *change.Table, row change.Row) error {
		if row[0].IsNull() {
			return errors.New("the key is NULL")
		}
		return nil
	}
	configure(s)
	linked := tables[:len(sourcetest.Tables)]
	for _, link := range []string{"a", "b"} {
		source, err := sourcemem.New(s, link, linked...)
		if err == nil {
			err = source.Start(context.Background(), "")
		}
		if err != nil {
			panic(err)
		}
	}
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{
			Transactions: true, BeforeImages: true, Untyped: true, NUL: true, Infinity: true, ForeignKeys: true, Blocks: true,
		},
		Table: s.Table,
		Write: func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			t.Helper()
			err := s.Write(func(tx *mem.Tx) error {
				for _, st := range statements {
					if err := execute(tx, st); err != nil {
						t.Errorf("execute %v: %v", st, err)
					}
				}
				if !commit {
					return errRollback
				}
				return nil
			})
			if err != nil && !errors.Is(err, errRollback) {
				t.Errorf("write: %v", err)
			}
		},
		Truncate: func(t testing.TB, table string, before, behind []sourcetest.Statement) {
			t.Helper()
			if err := s.Write(func(tx *mem.Tx) error {
				for _, st := range before {
					if err := execute(tx, st); err != nil {
						return err
					}
				}
				tx.Truncate(table)
				for _, st := range behind {
					if err := execute(tx, st); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Errorf("truncate: %v", err)
			}
		},
		Rows: func(_ testing.TB, table string) []change.Row { return s.Rows(table) },
		Source: func(t testing.TB, link string) sources.Source {
			source, err := sourcemem.New(s, link, linked...)
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
		Looker:  func(testing.TB, string) sources.Looker { return sourcemem.NewLooker(s) },
		Sink:    func(_ testing.TB, link string) sinks.Sink { return sinkmem.New(s, link) },
		Keys:    func(_ testing.TB, link string) sinks.Keys { return sinkmem.NewKeys(s, link) },
		Journal: func(_ testing.TB, link string) sinks.Journal { return sinkmem.NewJournal(s, link) },
		Lose:    func(testing.TB) { s.Purge(s.Log()) },
	}
}

var errRollback = errors.New("roll back")

func execute(tx *mem.Tx, st sourcetest.Statement) error {
	switch {
	case st.Key == nil:
		return tx.Insert(st.Table, st.Row)
	case st.Row == nil:
		return tx.Delete(st.Table, st.Key)
	default:
		return tx.Update(st.Table, st.Key, st.Row)
	}
}
