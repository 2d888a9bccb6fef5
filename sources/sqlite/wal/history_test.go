package wal

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// shape is what a database file can differ in.
type shape struct {
	page, vacuum, reserved int
	encoding               string
	// cache is how many pages the application keeps; few make it write pages to the log before
	// it commits.
	cache int
	// key is about how long the texts in keys are.
	key int
}

func (s shape) String() string {
	return fmt.Sprintf("page=%d,vacuum=%d,reserved=%d,%s,cache=%d,key=%d", s.page, s.vacuum, s.reserved, s.encoding, s.cache, s.key)
}

const historySchema = `
CREATE TABLE t1(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL, n INT);
CREATE INDEX i1 ON t1(a);
CREATE TABLE t2(a TEXT PRIMARY KEY, b, c NUMERIC);
CREATE TABLE t3(v BLOB, k TEXT, w, k2 INT, PRIMARY KEY(k2, k)) WITHOUT ROWID;
CREATE TABLE t4(id INTEGER PRIMARY KEY, x TEXT, g AS (length(x)), s INT AS (length(x)*2) STORED, r REAL);
CREATE TABLE t5(id INTEGER PRIMARY KEY, p INT REFERENCES t1(id) ON DELETE CASCADE ON UPDATE CASCADE, u TEXT UNIQUE, z BLOB);
CREATE TABLE other(id INTEGER PRIMARY KEY, x);`

var historyTables = []string{"t1", "t2", "t3", "t4", "t5"}

// history is random transactions on a database, and a tracker that follows them.
type history struct {
	t     testing.TB
	seed  uint64
	rand  *rand.Rand
	db    *sql.DB
	path  string
	names []string    // of the tables that are followed
	files [2]*os.File // the database and its log
	shape shape
	// shared: others use the database too, so that a statement may be refused; then refused is why.
	shared  bool
	refused error

	log     *Log
	tracker *Tracker
	// tables returns a table as it is at the commit at hand, declared is how it was before.
	tables   func(name string) (*Table, error)
	declared map[string]string
	// images has every page of the database as of the last commit that was read.
	images map[uint32][]byte
	// rows is what the changes that were found add up to.
	rows map[string]map[string]change.Row
	// fault, if it is there, spoils what the tracker gets of a commit.
	fault   fault
	commits int
	changes int
	extra   int
}

// images gives pages of a state, those of a commit first.
type images []map[uint32][]byte

func (i images) Page(number uint32) ([]byte, error) {
	for _, m := range i {
		if b, ok := m[number]; ok {
			return b, nil
		}
	}
	return nil, fmt.Errorf("page %d is not there", number)
}

// merged is one state.
func merged(i images) map[uint32][]byte {
	m := map[uint32][]byte{}
	for _, of := range slices.Backward(i) {
		maps.Copy(m, of)
	}
	return m
}

// newHistory makes the database and starts a tracker on it.
func newHistory(t testing.TB, seed uint64, s shape) *history {
	h := &history{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), shape: s, names: historyTables, rows: map[string]map[string]change.Row{}}
	path := filepath.Join(t.TempDir(), "h.db")
	h.path = path
	var err error
	if h.db, err = sql.Open("sqlite", path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	h.db.SetMaxOpenConns(1)
	for _, pragma := range []string{"page_size=" + strconv.Itoa(s.page), "auto_vacuum=" + strconv.Itoa(s.vacuum),
		"encoding='" + s.encoding + "'"} {
		h.must("PRAGMA " + pragma)
	}
	if s.reserved > 0 {
		h.reserve(path)
	}
	for _, pragma := range []string{"journal_mode=WAL", "synchronous=OFF", "wal_autocheckpoint=0", "foreign_keys=ON",
		"cache_size=" + strconv.Itoa(s.cache)} {
		h.must("PRAGMA " + pragma)
	}
	h.must(historySchema)
	h.must("INSERT INTO t1(id, a, b) VALUES(1, 'there before', zeroblob(?))", 3*s.page)
	for i, suffix := range []string{"", "-wal"} {
		if h.files[i], err = os.Open(path + suffix); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.files[i].Close() })
	}
	h.start()
	return h
}

// reserve makes the database one whose pages have bytes at their ends that are not SQLite's,
// as encryption and checksums of pages need them.
func (h *history) reserve(path string) {
	h.must("CREATE TABLE first(x)")
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{byte(h.shape.reserved)}, 20); err != nil {
		h.t.Fatal(err)
	}
	h.db.SetMaxIdleConns(0) // what is known of the file is forgotten
	h.db.SetMaxIdleConns(1)
	h.must("VACUUM")
	h.must("DROP TABLE first")
	var n int
	if err := h.db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n); err != nil || n != 0 {
		h.t.Fatalf("%d tables: %v", n, err)
	}
}

func (h *history) must(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Exec(query, args...); err != nil {
		h.t.Fatalf("seed %d: %.200s: %v", h.seed, query, err)
	}
}

// start reads all pages, and what the tables hold by then.
func (h *history) start() {
	h.must("PRAGMA wal_checkpoint(TRUNCATE)")
	h.load()
}

// load is start for a database whose log is empty.
func (h *history) load() {
	h.images = map[uint32][]byte{}
	for number := uint32(1); ; number++ {
		b := make([]byte, h.shape.page)
		if _, err := h.files[0].ReadAt(b, int64(number-1)*int64(h.shape.page)); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			h.t.Fatal(err)
		}
		h.images[number] = b
	}
	var err error
	if h.tracker, err = NewTracker(images{h.images}, uint32(len(h.images)), h.names); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.tracker.Close() })
	h.tables = h.tracker.Table
	if got := h.tracker.Header(); got.PageSize != h.shape.page || got.Usable != h.shape.page-h.shape.reserved {
		h.t.Fatalf("the header is %+v", got)
	}
	h.declared = map[string]string{}
	for _, name := range h.names {
		h.rows[name] = h.content(name)
		if table, _ := h.tables(name); table != nil {
			h.declared[name] = table.SQL
		}
	}
}

// content reads a table with SQLite. Columns that are not stored are left out.
func (h *history) content(name string) map[string]change.Row {
	table, err := h.tables(name)
	if err != nil {
		h.t.Fatalf("seed %d: table %s: %v", h.seed, name, err)
	}
	content := map[string]change.Row{}
	if table == nil {
		return content
	}
	list := make([]string, len(table.Columns))
	for i := range list {
		list[i] = "NULL"
		if slices.Contains(table.Slots, i) {
			list[i] = "+" + store.Quote(table.Columns[i].Name)
		}
	}
	rows, err := h.db.Query("SELECT " + strings.Join(list, ",") + " FROM " + store.Quote(name))
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		raw, to := make([]any, len(list)), make([]any, len(list))
		for i := range raw {
			to[i] = &raw[i]
		}
		if err := rows.Scan(to...); err != nil {
			h.t.Fatal(err)
		}
		row := make(change.Row, len(list))
		for i := range raw {
			if list[i] != "NULL" {
				row[i] = store.Decode(raw[i])
			}
		}
		content[rowKey(table, row)] = row
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return content
}

func rowKey(t *Table, row change.Row) string { return string(change.AppendRow(nil, t.KeyOf(row))) }

// read takes in what was committed, as a reader of the log does, and checks every change.
func (h *history) read() error {
	head, ok, err := ReadLogHeader(h.files[1])
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	if h.log == nil || h.log.Header().Salt != head.Salt {
		h.log = NewLog(h.files[1], head)
	}
	for {
		c, err := h.log.Next(1 << 31)
		if err != nil || c == nil {
			return err
		}
		if err := h.commit(c); err != nil {
			return fmt.Errorf("commit %d: %w", h.commits, err)
		}
	}
}

// commit gives one commit to the tracker.
func (h *history) commit(c *Commit) error {
	h.commits++
	now := map[uint32][]byte{}
	var changed []uint32
	for page, frame := range c.Frames {
		b := make([]byte, h.shape.page)
		if err := h.log.ReadPage(frame, b); err != nil {
			return err
		}
		now[page] = b
		changed = append(changed, page)
	}
	slices.Sort(changed)
	before, after := images{h.images}, images{now, h.images}
	if h.fault != nil {
		changed = h.fault(h, before, after, changed)
	}
	if len(changed) == 0 {
		h.images = merged(images{now, h.images})
		return nil
	}
	var found []RowChange
	schema, err := h.tracker.Commit(before, after, changed, c.Size, func(r RowChange) error {
		found = append(found, r)
		return nil
	})
	if err != nil {
		return err
	}
	h.images = merged(images{now, h.images})
	h.changes += len(found)
	return h.take(schema, found)
}

// take checks the changes of one commit. Where no table was declared anew, as in a VACUUM, a commit
// that changed the schema is like any other.
func (h *history) take(schema bool, found []RowChange) error {
	if !schema {
		return h.model(found)
	}
	anew := false
	for _, name := range h.names {
		declared := ""
		if table, err := h.tables(name); table != nil && err == nil {
			declared = table.SQL
		}
		anew = anew || declared != h.declared[name]
		h.declared[name] = declared
	}
	if anew {
		return h.remodel(found)
	}
	return h.model(found)
}

// model applies changes of one commit, which must fit to what the rows were.
func (h *history) model(found []RowChange) error {
	for _, r := range found {
		if r.Before == nil {
			continue
		}
		rows, key := h.rows[r.Was.Name], rowKey(r.Was, r.Before)
		if was, ok := rows[key]; !ok || !was.Equal(r.Before) {
			return fmt.Errorf("table %s: row %v was %v", r.Was.Name, short(r.Before), short(was))
		}
		if r.Before.Equal(r.After) {
			return fmt.Errorf("table %s: row %v did not change", r.Was.Name, short(r.Before))
		}
		delete(rows, key)
	}
	for _, r := range found {
		if r.After == nil {
			continue
		}
		rows, key := h.rows[r.Is.Name], rowKey(r.Is, r.After)
		if was, ok := rows[key]; ok {
			return fmt.Errorf("table %s: row %v was there as %v", r.Is.Name, short(r.After), short(was))
		}
		rows[key] = r.After
	}
	return nil
}

// remodel applies changes of a commit that changed the schema: rows that it did not report are
// in the new columns what SQLite reads; those that it did must be as they were.
func (h *history) remodel(found []RowChange) error {
	for _, r := range found {
		if r.Before == nil {
			continue
		}
		if was, ok := h.rows[r.Was.Name][rowKey(r.Was, r.Before)]; ok && !was.Equal(r.Before) {
			return fmt.Errorf("table %s: row %v was %v", r.Was.Name, short(r.Before), short(was))
		}
	}
	for _, name := range h.names {
		content := h.content(name)
		for _, r := range found {
			if r.Is.Name != name || r.After == nil {
				continue
			}
			if is := content[rowKey(r.Is, r.After)]; !is.Equal(r.After) {
				return fmt.Errorf("table %s: row %v is %v", name, short(r.After), short(is))
			}
		}
		if table, _ := h.tables(name); table != nil {
			if err := h.sameColumns(table, content, found); err != nil {
				return err
			}
		}
		h.rows[name] = content
	}
	return nil
}

// sameColumns checks that rows which a commit of DDL did not report are as they were, in the
// columns that they had.
func (h *history) sameColumns(table *Table, content map[string]change.Row, found []RowChange) error {
	told := map[string]bool{}
	for _, r := range found {
		for _, row := range []change.Row{r.Before, r.After} {
			if row != nil && r.Is.Name == table.Name {
				told[string(change.AppendRow(nil, row[:1]))] = true
			}
		}
	}
	for key, was := range h.rows[table.Name] {
		if is, ok := content[key]; (!ok || !is[:min(len(is), len(was))].Equal(was[:min(len(is), len(was))])) && !told[string(change.AppendRow(nil, was[:1]))] {
			return fmt.Errorf("table %s: row %v became %v untold", table.Name, short(was), short(is))
		}
	}
	return nil
}

func short(r change.Row) string { return fmt.Sprintf("%.120s", r.String()) }

// check compares what the changes add up to with what the tables hold, and what is known of
// the pages with what a tracker finds that starts now.
func (h *history) check() error {
	for _, name := range h.names {
		content := h.content(name)
		if len(content) != len(h.rows[name]) {
			return fmt.Errorf("table %s: %d rows, %d were found", name, len(content), len(h.rows[name]))
		}
		for key, row := range content {
			if got := h.rows[name][key]; !got.Equal(row) {
				return fmt.Errorf("table %s: row %v was found as %v", name, short(row), short(got))
			}
		}
	}
	return h.checkOwners()
}

func (h *history) checkOwners() error {
	fresh, err := NewTracker(images{h.images}, h.tracker.size, h.names)
	if err != nil {
		return err
	}
	defer fresh.Close()
	name := func(t *Tracker, o owner) string {
		if o.role == nobodys || t.trees[o.tree] == nil {
			return ""
		}
		return t.trees[o.tree].name
	}
	for p := range max(len(fresh.owners.pages), len(h.tracker.owners.pages)) {
		want, got := fresh.owners.of(uint32(p)), h.tracker.owners.of(uint32(p))
		stale := want.role == nobodys && got.role != inTree // chains are not forgotten
		if !stale && (want.role != got.role || want.up != got.up || name(fresh, want) != name(h.tracker, got)) {
			return fmt.Errorf("page %d is known as %+v of %q, not %+v of %q", p, got, name(h.tracker, got), want, name(fresh, want))
		}
	}
	return nil
}

// step runs one transaction, and sometimes a checkpoint or a VACUUM, and reads.
func (h *history) step(i int) error {
	tx, err := h.db.Begin()
	if err != nil {
		h.t.Fatal(err)
	}
	statements := 1 + h.rand.IntN(20)
	if h.rand.IntN(30) == 0 {
		statements = 200
	}
	for range statements {
		h.write(tx)
	}
	if h.rand.IntN(25) == 0 {
		h.alter(tx)
	}
	if h.rand.IntN(15) == 0 {
		err = tx.Rollback()
	} else {
		err = tx.Commit()
	}
	if err != nil {
		h.t.Fatalf("seed %d: %v", h.seed, err)
	}
	if err := h.read(); err != nil {
		return err
	}
	switch h.rand.IntN(40) {
	case 0:
		h.must("PRAGMA wal_checkpoint(TRUNCATE)")
	case 1:
		h.must("PRAGMA wal_checkpoint(RESTART)")
	case 2, 3, 4:
		h.must("PRAGMA wal_checkpoint(PASSIVE)")
	case 5:
		if h.rand.IntN(4) == 0 {
			h.must("VACUUM")
			if err := h.read(); err != nil {
				return fmt.Errorf("VACUUM: %w", err)
			}
		}
	}
	if i%10 == 0 {
		return h.check()
	}
	return nil
}

// shapeOf returns the shape of a seed: all of them come within a few seeds.
func shapeOf(seed uint64) shape {
	r := rand.New(rand.NewPCG(seed, 2))
	pages := []int{512, 1024, 4096, 65536, 512, 2048, 8192, 16384, 32768}
	s := shape{page: pages[seed%uint64(len(pages))], vacuum: r.IntN(3), encoding: []string{"UTF-8", "UTF-8", "UTF-16le", "UTF-16be"}[r.IntN(4)],
		cache: []int{-2000, 10}[r.IntN(2)], reserved: []int{0, 0, 16}[r.IntN(3)], key: []int{30, 300}[r.IntN(2)]}
	return s
}

// TestHistories follows random transactions. CDCSYNC_WAL_HISTORIES is how many histories, and
// CDCSYNC_WAL_SEED the seed of the first.
func TestHistories(t *testing.T) {
	number, steps, first := 6, 60, 1
	if n, err := strconv.Atoi(os.Getenv("CDCSYNC_WAL_HISTORIES")); err == nil {
		number, steps = n, 1000
	}
	if n, err := strconv.Atoi(os.Getenv("CDCSYNC_WAL_SEED")); err == nil {
		first = n
	}
	commits, changes := 0, 0
	for seed := uint64(first); seed < uint64(first+number); seed++ {
		s := shapeOf(seed)
		t.Run(fmt.Sprintf("%d,%s", seed, s), func(t *testing.T) {
			h := newHistory(t, seed, s)
			for i := range steps {
				if err := h.step(i); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
			}
			if err := h.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			commits, changes = commits+h.commits, changes+h.changes
		})
	}
	t.Logf("%d commits, %d changes of rows", commits, changes)
}
