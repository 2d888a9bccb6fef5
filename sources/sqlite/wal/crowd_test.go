package wal

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// crowd is several connections on one database, of which one after the other does something, as
// chance has it, beside a reader of its log: they are in the middle of reading, or of writing
// what has spilled into the log already, while others commit, checkpoint and come and go. The order
// is that of the seed, and nothing waits.
type crowd struct {
	*history
	store *store.Store
	dir   string
	live  *Live // nil while nobody reads
	conns []*member

	// What the reader has found.
	commit, begun uint64
	gap           bool
	found         []RowChange

	gaps, opened int
}

// member is one connection of an application.
type member struct {
	db     *sql.DB
	number int
	// open is what it is in the middle of: "" nothing, "read", "write", or "spilled".
	open string
}

// Begin implements Found.
func (c *crowd) Begin(commit uint64, gap *store.Conn) error {
	if commit <= c.commit || gap == nil && commit != c.commit+1 {
		return fmt.Errorf("commit %d comes after %d", commit, c.commit)
	}
	c.begun, c.gap, c.found = commit, gap != nil, nil
	if c.gap {
		c.gaps++
	}
	return nil
}

// Row implements Found.
func (c *crowd) Row(r RowChange) error {
	c.found = append(c.found, r)
	return nil
}

// End implements Found: every transaction has counted one, in its first statement.
func (c *crowd) End(schema bool, tables func(string) (*Table, error)) error {
	c.tables, c.commit = tables, c.begun
	c.commits++
	c.changes += len(c.found)
	steps := int64(0)
	for _, r := range c.found {
		if r.Is.Name == "counted" {
			steps = r.After[1].Int64() - r.Before[1].Int64()
		}
	}
	switch {
	case !c.gap && steps > 1, steps < 0:
		return fmt.Errorf("commit %d is %d transactions", c.commit, steps)
	case steps == 0 && len(c.found) > 0 && !c.gap:
		return fmt.Errorf("commit %d is none, and changed %d rows", c.commit, len(c.found))
	}
	return c.take(schema, c.found)
}

func newCrowd(t testing.TB, seed uint64, s shape) *crowd {
	c := &crowd{history: newHistory(t, seed, s), commit: 1}
	c.rand, c.shared, c.names = rand.New(rand.NewPCG(seed, 5)), true, append(slices.Clone(historyTables), "counted")
	c.must("CREATE TABLE counted(id INTEGER PRIMARY KEY, n INT)")
	c.must("INSERT INTO counted VALUES(1, 0)")
	c.must("PRAGMA side.journal_mode=WAL") // else it is locked for who comes while somebody writes it
	var err error
	if c.store, err = store.Open(c.path); err != nil {
		t.Fatal(err)
	}
	c.dir = filepath.Join(t.TempDir(), "dir")
	if _, err := Create(t.Context(), c.store, c.dir, c.names, 1); err != nil {
		t.Fatal(err)
	}
	c.rows = map[string]map[string]change.Row{}
	c.look()
	c.know()
	for _, name := range c.names {
		c.rows[name] = c.content(name)
	}
	for i := range 4 {
		m := &member{number: i}
		c.conns = append(c.conns, m)
		c.enter(m)
	}
	t.Cleanup(func() {
		for _, m := range c.conns {
			m.db.Close()
		}
		if c.live != nil {
			c.live.Close()
		}
	})
	return c
}

// look opens the reader.
func (c *crowd) look() {
	l, err := OpenLive(c.t.Context(), c.store, c.dir, c.names, func(commit uint64) (Found, error) {
		if commit != c.commit {
			return nil, fmt.Errorf("the shadow is of commit %d, what was found of %d", commit, c.commit)
		}
		return c, nil
	})
	if err != nil {
		c.t.Fatalf("seed %d: open: %v", c.seed, err)
	}
	c.live, c.tables = l, l.Table
	c.opened++
}

// enter connects a member. One of them opens the second file, and has the first one attached.
func (c *crowd) enter(m *member) {
	path := c.path
	if m.guest() {
		path = c.side()
	}
	dsn := fmt.Sprintf("file:%s?_pragma=busy_timeout(0)&_pragma=synchronous(off)&_pragma=foreign_keys(1)&_pragma=cache_size(%d)&_pragma=wal_autocheckpoint(%d)",
		path, c.shape.cache, []int{0, 7, 50, 1000}[m.number])
	db, err := sql.Open("sqlite", dsn)
	if err == nil {
		db.SetMaxOpenConns(1)
		if m.guest() {
			_, err = db.Exec(fmt.Sprintf("ATTACH '%s' AS house; PRAGMA house.synchronous=OFF; PRAGMA house.cache_size=%d", c.path, c.shape.cache))
		} else {
			_, err = db.Exec("ATTACH '" + c.side() + "' AS side; PRAGMA side.synchronous=OFF")
		}
	}
	if err != nil {
		c.t.Fatalf("seed %d: %v", c.seed, err)
	}
	m.db, m.open = db, ""
}

func (m *member) guest() bool { return m.number == 3 }

// do runs a statement of a member, and tells whether it was not refused.
func (c *crowd) do(m *member, statement string) bool {
	c.refused = nil
	if _, err := m.db.Exec(statement); err != nil && !c.locked(err) {
		c.t.Fatalf("seed %d: %s: %v", c.seed, statement, err)
	}
	if c.refused != nil {
		c.did["refused"]++
	}
	return c.refused == nil
}

func (c *crowd) rollback(m *member) {
	_, _ = m.db.Exec("ROLLBACK") // it may have been rolled back already
	c.leave(m)
	c.did["rolled back"]++
}

// leave ends what a member is in the middle of. Only one writes at a time, so what was done is what it did.
func (c *crowd) leave(m *member) {
	if m.open == "write" || m.open == "spilled" {
		c.ended(false)
	}
	m.open = ""
}

// act has one member do something.
func (c *crowd) act() error {
	m := c.conns[c.rand.IntN(len(c.conns))]
	switch m.open {
	case "read":
		if c.rand.IntN(4) == 0 {
			c.do(m, "COMMIT")
			m.open = ""
			return nil
		}
		if c.rand.IntN(6) == 0 { // a reader that begins to write, unless others have written
			return c.begin(m)
		}
		c.do(m, "SELECT count(*) FROM t1")
		return nil
	case "write", "spilled":
		return c.goOn(m)
	}
	switch n := c.rand.IntN(100); {
	case n < 45:
		if c.do(m, []string{"BEGIN", "BEGIN IMMEDIATE"}[c.rand.IntN(2)]) {
			return c.begin(m)
		}
	case n < 58:
		if c.do(m, "BEGIN") && c.do(m, "SELECT count(*) FROM t1") {
			m.open = "read"
		} else {
			c.rollback(m)
		}
	case n < 75:
		mode := []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[c.rand.IntN(4)]
		c.did[mode]++
		c.do(m, "PRAGMA wal_checkpoint("+mode+")")
	case n < 77:
		if c.do(m, "VACUUM") {
			c.did["VACUUM"]++
			return c.step()
		}
	case n < 80:
		m.db.Close()
		c.enter(m)
	case n < 83 && c.live != nil && !m.guest():
		return c.alterAlone(m)
	case n < 87:
		c.refused = nil
		c.set(m.db, settings)
	default:
		return c.readOn()
	}
	return nil
}

// begin begins to write in a transaction that is open.
func (c *crowd) begin(m *member) error {
	if m.open = "write"; !c.do(m, "UPDATE counted SET n = n + 1") {
		c.rollback(m)
	}
	return nil
}

// goOn goes on with a transaction that writes.
func (c *crowd) goOn(m *member) error {
	switch n := c.rand.IntN(20); {
	case n < 10:
		c.refused = nil
		for range 1 + c.rand.IntN(12) {
			if c.write(m.db); c.refused != nil {
				c.rollback(m)
				return nil
			}
		}
	case n < 12: // more than the cache holds, so that it goes to the log
		if !c.do(m, fmt.Sprintf("INSERT INTO t1(a, b, n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 150) SELECT 'spilled', zeroblob(%d), i FROM c", c.rand.IntN(500))) {
			c.rollback(m)
			return nil
		}
		c.did["spilled"]++
		m.open = "spilled"
	case n < 13:
		c.rollback(m)
	case n < 14: // as one that is killed
		m.db.Close()
		c.leave(m)
		c.enter(m)
		c.did["killed"]++
	case n < 16 && m.open == "spilled": // the half of it
		c.rollback(m)
		c.did["rolled back after spilling"]++
	default:
		if !c.do(m, "COMMIT") {
			c.rollback(m)
			return nil
		}
		c.ended(true)
		if c.done("committed"); m.guest() {
			c.done("committed, attached")
		}
		m.open = ""
	}
	return nil
}

// alterAlone changes the schema, and reads at once: what the tables then hold is what SQLite says.
func (c *crowd) alterAlone(m *member) error {
	if !c.do(m, "BEGIN IMMEDIATE") {
		return nil
	}
	if !c.do(m, "UPDATE counted SET n = n + 1") {
		c.rollback(m)
		return nil
	}
	m.open, c.refused = "write", nil
	if c.alter(m.db); c.refused != nil || !c.do(m, "COMMIT") {
		c.rollback(m)
		return nil
	}
	c.ended(true)
	c.done("altered")
	m.open = ""
	return c.step()
}

// readOn has the reader read, or come or go.
func (c *crowd) readOn() error {
	if c.live == nil {
		if c.rand.IntN(3) == 0 {
			c.look()
			return c.check()
		}
		return nil
	}
	switch c.rand.IntN(14) {
	case 0:
		if err := c.live.Close(); err != nil {
			return err
		}
		c.live = nil
	case 1:
		c.live.kill(c.t)
		c.live = nil
	default:
		return c.step()
	}
	if c.rand.IntN(2) == 0 {
		c.look()
	}
	return nil
}

func (c *crowd) step() error {
	if c.live == nil {
		return nil
	}
	if err := c.live.Step(c.t.Context()); err != nil {
		return err
	}
	if c.rand.IntN(8) == 0 {
		return c.check()
	}
	return nil
}

// check compares what was found with what is committed. Nothing is between the last step and this.
func (c *crowd) check() error {
	c.tables = c.live.Table
	for _, name := range c.names {
		if err := c.matches(name, c.rows[name]); err != nil {
			return err
		}
	}
	return nil
}

// play runs a number of acts, and then has all end what they are in.
func (c *crowd) play(acts int) error {
	for i := range acts {
		if err := c.act(); err != nil {
			return fmt.Errorf("act %d: %w", i, err)
		}
	}
	for _, m := range c.conns {
		if m.open != "" {
			c.rollback(m)
		}
	}
	if c.live == nil {
		c.look()
	}
	return errors.Join(c.live.Step(c.t.Context()), c.check())
}

// TestCrowdHistories has several connections use a database beside the reader. CDCSYNC_WAL_HISTORIES
// and CDCSYNC_WAL_SEED are as for TestHistories.
func TestCrowdHistories(t *testing.T) {
	number, acts, first := 6, 400, 1
	if n, err := strconv.Atoi(os.Getenv("CDCSYNC_WAL_HISTORIES")); err == nil {
		number, acts = n, 600
	}
	if n, err := strconv.Atoi(os.Getenv("CDCSYNC_WAL_SEED")); err == nil {
		first = n
	}
	did := map[string]int{}
	for seed := uint64(first); seed < uint64(first+number); seed++ {
		s := shapeOf(seed)
		t.Run(fmt.Sprintf("%d,%s", seed, s), func(t *testing.T) {
			c := newCrowd(t, seed, s)
			if err := c.play(acts); err != nil {
				t.Fatalf("seed %d: %v (the log was compared %d times, last because: %v)", seed, err, c.gaps, c.live.Reason)
			}
			for what, n := range c.did {
				did[what] += n
			}
			did["commits read"] += c.commits
			did["changes of rows"] += c.changes
			did["pages compared"] += c.gaps
			did["reader opened"] += c.opened
		})
	}
	t.Log(did)
	if number >= 100 && !t.Failed() {
		allDone(t, did, writes, alterations, settings)
	}
	for _, what := range []string{"committed", "rolled back after spilling", "refused", "killed", "committed, attached", "RESTART", "TRUNCATE", "altered", "pages compared", "reader opened"} {
		if did[what] == 0 && number >= 6 && !t.Failed() {
			t.Errorf("%s: never", what)
		}
	}
}
