package mem

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Store is one database in memory. It is safe for concurrent use; the exported fields are
// set before the first use.
type Store struct {
	// Blind tells which changes are logged without a before-image; nil: none.
	Blind func(c change.Change) bool
	// Lean tells which updates are logged without a before-image and, but for the key, without
	// the values that they left as they were; nil: none.
	Lean func(c change.Change) bool
	// Late tells, at its commit, whether a transaction of an application is shown to looks only
	// later (see [Store.Show]), so that transactions may become visible in another order than
	// they are in the log; nil: none is.
	Late func() bool
	// Coerce returns the row as the store keeps it (a lossy type, a BEFORE trigger),
	// whoever writes it; nil: as it was sent. It must not change the key.
	Coerce func(table *change.Table, row change.Row) change.Row
	// Refuse returns why a row cannot be stored (a CHECK constraint), nil if it can; it is
	// asked after Coerce, and for no deletes. A nil Refuse takes every row.
	Refuse func(table *change.Table, row change.Row) error
	// Trigger runs after each row that anyone wrote and may write others, for which it is
	// not run again.
	Trigger func(tx *Tx, c change.Change)
	// BareEchoes says that a source gives the keys only of what its own link wrote.
	BareEchoes bool
	// LogMarkers says that a transaction that wrote nothing but a marker is in the log, as
	// one without changes.
	LogMarkers bool
	// Now is the clock that stamps commits; nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	tables map[string]*table
	order  []*table
	log    []Entry // log[i] has the number trimmed+i+1
	// trimmed is how many entries at the beginning of the log are gone.
	trimmed int
	grown   chan struct{} // closed when the log grows, or more of it is shown
	hidden  []*hidden     // in the order of the log
	links   map[string]*link
	lastID  int64
}

type table struct {
	*change.Table
	rows map[string]change.Row
	// drawn is the highest key that anybody has had or drawn.
	drawn   int64
	unique  [][]int
	foreign []foreign
}

// link is what the store keeps for one link.
type link struct {
	reads     bool // it has read the log, which keeps what it has not released
	released  int
	marker    []byte
	conflicts [][]byte
	keys      map[Key]int64
}

// New returns a store with these tables, all empty.
func New(tables ...*change.Table) *Store {
	s := &Store{tables: map[string]*table{}, grown: make(chan struct{}), links: map[string]*link{}}
	for _, t := range tables {
		s.order = append(s.order, &table{Table: t, rows: map[string]change.Row{}})
		s.tables[t.Name] = s.order[len(s.order)-1]
	}
	return s
}

// Table returns the table called name with all its columns, or nil.
func (s *Store) Table(name string) *change.Table {
	if t := s.tables[name]; t != nil {
		return t.Table
	}
	return nil
}

// Get returns the row of the table with that key, nil if there is none.
func (s *Store) Get(table string, key change.Row) change.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table(table).rows[encode(key)]
}

// Rows returns the rows of the table in key order.
func (s *Store) Rows(table string) []change.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table(table).sorted()
}

// Drift makes row what the table holds under key, nil for nothing, without a log entry:
// what a restore, a maintenance job or a disabled trigger does. Coerce, Refuse and the
// constraints are not asked.
func (s *Store) Drift(table string, key, row change.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table(table).set(encode(key), row)
}

// Marker returns the record that the link keeps in this store, nil if there is none.
func (s *Store) Marker(link string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link(link).marker
}

// Conflicts returns the latest limit records that the link added, newest first.
func (s *Store) Conflicts(link string, limit int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.link(link).conflicts
	latest := slices.Clone(all[max(0, len(all)-max(0, limit)):])
	slices.Reverse(latest)
	return latest
}

// KeepConflicts removes the records of the link of which keep says no.
func (s *Store) KeepConflicts(link string, keep func(record []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link(link)
	l.conflicts = slices.DeleteFunc(slices.Clone(l.conflicts), func(record []byte) bool { return !keep(record) })
}

// At runs read while nobody writes, with the place in the log that what it sees is true at:
// its end, but for the transactions that are not shown yet.
func (s *Store) At(read func(tx *Tx, at Place)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	read(&Tx{s: s, looks: true}, Place{Txs: s.head(), Hidden: s.hiddenNumbers()})
}

// table returns a table that must be there: its name is written in a test.
func (s *Store) table(name string) *table {
	t := s.tables[name]
	if t == nil {
		panic(fmt.Sprintf("mem: no table %q", name))
	}
	return t
}

func (s *Store) link(name string) *link {
	l := s.links[name]
	if l == nil {
		l = &link{}
		s.links[name] = l
	}
	return l
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (t *table) set(key string, row change.Row) {
	if row != nil && len(t.Key) == 1 && row[t.Key[0]].Kind() == change.Int64 {
		t.drawn = max(t.drawn, row[t.Key[0]].Int64())
	}
	if row == nil {
		delete(t.rows, key)
	} else {
		t.rows[key] = row
	}
}

func (t *table) sorted() []change.Row { return t.sort(t.rows) }

func (t *table) sort(content map[string]change.Row) []change.Row {
	rows := make([]change.Row, 0, len(content))
	for _, row := range content {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b change.Row) int { return compare(t.KeyOf(a), t.KeyOf(b)) })
	return rows
}

func encode(key change.Row) string { return string(change.AppendRow(nil, key)) }
