package wal

import (
	"bytes"
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

var plainTables = []string{"t1", "t2", "t3", "t4", "t5"}

var historyTables = slices.Concat(plainTables, richTables)

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
	// tables returns a table as it is at the commit at hand, known are all of them as they were before.
	tables func(name string) (*Table, error)
	known  map[string]*Table
	// images has every page of the database as of the last commit that was read.
	images map[uint32][]byte
	// rows is what the changes that were found add up to.
	rows map[string]map[string]change.Row
	// fault, if it is there, spoils what the tracker gets of a commit.
	fault   fault
	commits int
	changes int

	// decks has what is left of each deck of deeds. doing are those of the transaction at hand, did counts
	// the others; extra numbers what is made.
	decks map[string][]int
	doing []string
	did   map[string]int
	extra int
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
	h := &history{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), shape: s, names: historyTables, rows: map[string]map[string]change.Row{},
		decks: map[string][]int{}, did: map[string]int{}}
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
	h.must(richSchema)
	h.attach(h.db)
	h.must(sideSchema)
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

// side is the path of the second file.
func (h *history) side() string { return h.path + "-side" }

// attach attaches the second file to a connection.
func (h *history) attach(db *sql.DB) {
	h.t.Helper()
	for _, statement := range []string{"ATTACH '" + h.side() + "' AS side", "PRAGMA side.synchronous=OFF", "PRAGMA side.journal_mode=" + []string{"WAL", "DELETE"}[h.seed%2]} {
		if _, err := db.Exec(statement); err != nil {
			h.t.Fatalf("seed %d: %s: %v", h.seed, statement, err)
		}
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
	h.know()
	for _, name := range h.names {
		h.rows[name] = h.content(name)
	}
}

// know takes note of the tables as they are, and returns what they were.
func (h *history) know() (was map[string]*Table) {
	was, h.known = h.known, map[string]*Table{}
	for _, name := range h.names {
		if table, err := h.tables(name); table != nil && err == nil {
			h.known[name] = table
		}
	}
	return was
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

// step runs one transaction, and sometimes something between transactions, and reads. The schema changes
// often at first, then less and less.
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
	if h.rand.IntN(2+i/40) == 0 {
		h.alter(tx)
		for range h.rand.IntN(4) {
			h.write(tx)
		}
	}
	committed := h.rand.IntN(15) > 0
	if committed {
		err = tx.Commit()
	} else {
		err = tx.Rollback()
	}
	h.ended(committed)
	if err != nil {
		h.t.Fatalf("seed %d: %v", h.seed, err)
	}
	if err := h.read(); err != nil {
		return err
	}
	if h.rand.IntN(3) == 0 {
		h.set(h.db, alone)
		if err := h.read(); err != nil {
			return fmt.Errorf("between transactions: %w", err)
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

// What a seed says is the same each time.
func TestHistoriesRepeat(t *testing.T) {
	var last map[uint32][]byte
	for range 2 {
		h := newHistory(t, 5, shapeOf(5))
		for i := range 25 {
			if err := h.step(i); err != nil {
				t.Fatal(err)
			}
		}
		if last != nil && !maps.EqualFunc(last, h.images, bytes.Equal) {
			t.Error("the second time it was another database")
		}
		last = h.images
	}
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
	commits, changes, did := 0, 0, map[string]int{}
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
			for what, n := range h.did {
				did[what] += n
			}
		})
	}
	t.Logf("%d commits, %d changes of rows, %v", commits, changes, did)
	if number >= 6 && !t.Failed() {
		allDone(t, did, writes, alterations, alone)
	}
}
