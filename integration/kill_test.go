package integration

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is two SQLite files with different schemas, both in use, and a config for them.
type shop struct {
	t       *testing.T
	files   [2]string
	config  string
	address string
}

// dialect is how one side calls things.
type dialect struct{ schema, item, id, val, counter, cid, n string }

var dialects = [2]dialect{
	{`CREATE TABLE tbl_item (item_id INTEGER PRIMARY KEY, val TEXT);
	  CREATE TABLE tbl_cnt (cnt_id INTEGER PRIMARY KEY, n INTEGER NOT NULL);`,
		"tbl_item", "item_id", "val", "tbl_cnt", "cnt_id", "n"},
	{`CREATE TABLE items (value TEXT, id INTEGER NOT NULL PRIMARY KEY);
	  CREATE TABLE counters (id INTEGER PRIMARY KEY, total INTEGER NOT NULL);`,
		"items", "id", "value", "counters", "id", "total"},
}

const shopConfig = `
store "old" {
  engine = "sqlite"
  dsn    = %q
}
store "new" {
  engine = "sqlite"
  dsn    = %q
}
link "shop" {
  left    = store.old
  right   = store.new
  initial = "merge"
  conflict { policy = "latest" }
  table "items" {
    left  = "tbl_item"
    right = "items"
    column "id"    { left = "item_id" }
    column "value" { left = "val" }
  }
  table "counters" {
    left  = "tbl_cnt"
    right = "counters"
    column "id"    { left = "cnt_id" }
    column "total" {
      left  = "n"
      merge = "sum"
    }
  }
}
admin { listen = %q }
`

func newShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{t: t, config: filepath.Join(dir, "shop.hcl"), address: freeAddress(t)}
	for i := range s.files {
		s.files[i] = filepath.Join(dir, []string{"old.db", "new.db"}[i])
		db := s.open(i)
		for _, q := range []string{"PRAGMA journal_mode = WAL", dialects[i].schema} {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	s.write()
	return s
}

// write writes the config.
func (s *shop) write() {
	s.t.Helper()
	text := fmt.Sprintf(shopConfig, s.files[0], s.files[1], s.address)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) open(side int) *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.files[side]+"?_pragma=busy_timeout(20000)")
	if err != nil {
		s.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// ledger is what the writers were told is committed.
type ledger struct {
	mu sync.Mutex
	// written are the values that were written, replaced those that a later write or delete of
	// the same side found and did away with.
	written, replaced map[string]bool
	added             map[int]int
}

func newLedger() *ledger {
	return &ledger{written: map[string]bool{}, replaced: map[string]bool{}, added: map[int]int{}}
}

// note takes the answer of the database to one statement group of write: the value that
// was there before.
func (l *ledger) note(value string, found []string, counter, delta int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if value != "" {
		l.written[value] = true
	}
	for _, v := range found {
		l.replaced[v] = true
	}
	l.added[counter] += delta
}

// group is one transaction of an application.
type group struct {
	sql            []string // run in one transaction; the first ones that are SELECTs print what is replaced
	value          string
	counter, delta int
}

// draw makes a transaction for one side: upserts and deletes of hot rows, inserts of new ones,
// REPLACE, key changes, several rows at once, and a counter.
func draw(rng *rand.Rand, d dialect, value string) group {
	key := rng.IntN(20)
	g := group{value: value, counter: rng.IntN(3), delta: 1 + rng.IntN(5)}
	found := func(where string) string {
		return fmt.Sprintf("SELECT %s FROM %s WHERE %s", d.val, d.item, where)
	}
	is := func(k int) string { return fmt.Sprintf("%s = %d", d.id, k) }
	upsert := fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s') ON CONFLICT (%s) DO UPDATE SET %s = excluded.%s",
		d.item, d.id, d.val, key, value, d.id, d.val, d.val)
	switch rng.IntN(10) {
	case 0: // delete
		g.value = ""
		g.sql = []string{found(is(key)), fmt.Sprintf("DELETE FROM %s WHERE %s", d.item, is(key))}
	case 1: // a row of its own
		key = 1000 + rng.IntN(1_000_000_000)
		g.sql = []string{fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s')", d.item, d.id, d.val, key, value)}
	case 2: // REPLACE
		g.sql = []string{found(is(key)), fmt.Sprintf("REPLACE INTO %s (%s, %s) VALUES (%d, '%s')", d.item, d.id, d.val, key, value)}
	case 3: // key change, over whatever is there
		to := rng.IntN(20)
		if to == key {
			to++
		}
		g.sql = []string{found(is(key)), found(is(to)),
			fmt.Sprintf("DELETE FROM %s WHERE %s", d.item, is(to)),
			upsert,
			fmt.Sprintf("UPDATE %s SET %s = %d WHERE %s", d.item, d.id, to, is(key))}
	case 4: // several rows
		g.sql = []string{found(fmt.Sprintf("%s BETWEEN %d AND %d", d.id, key, key+2)),
			fmt.Sprintf("DELETE FROM %s WHERE %s BETWEEN %d AND %d", d.item, d.id, key+1, key+2), upsert}
	default:
		g.sql = []string{found(is(key)), upsert}
	}
	g.sql = append(g.sql, fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, %d) ON CONFLICT (%s) DO UPDATE SET %s = %s + %d",
		d.counter, d.cid, d.n, g.counter, g.delta, d.cid, d.n, d.n, g.delta))
	return g
}

// writeShell lets a sqlite3 shell write until ctx ends.
func (s *shop) writeShell(ctx context.Context, side int, l *ledger) {
	sh := openShell(s.t, s.files[side])
	rng := rand.New(rand.NewPCG(uint64(side), 7))
	for i := 0; ctx.Err() == nil; i++ {
		g := draw(rng, dialects[side], fmt.Sprintf("shell-%d-%d", side, i))
		found := sh.run("BEGIN IMMEDIATE;\n" + strings.Join(g.sql, ";\n") + ";\nCOMMIT;")
		if s.t.Failed() {
			return
		}
		l.note(g.value, found, g.counter, g.delta)
		time.Sleep(time.Millisecond)
	}
}

// writeGo lets a Go program write to both sides in turn until ctx ends.
func (s *shop) writeGo(ctx context.Context, l *ledger) {
	dbs := [2]*sql.DB{s.open(0), s.open(1)}
	defer func() { _, _ = dbs[0].Close(), dbs[1].Close() }()
	rng := rand.New(rand.NewPCG(9, 9))
	for i := 0; ctx.Err() == nil; i++ {
		side := i % 2
		g := draw(rng, dialects[side], fmt.Sprintf("go-%d-%d", side, i))
		found, err := runGroup(dbs[side], g)
		if err != nil {
			s.t.Errorf("write: %v", err)
			return
		}
		l.note(g.value, found, g.counter, g.delta)
		time.Sleep(time.Millisecond)
	}
}

func runGroup(db *sql.DB, g group) (found []string, err error) {
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	for _, q := range g.sql {
		rows, err := db.Query(q)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
		for strings.HasPrefix(q, "SELECT") && rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				return nil, err
			}
			found = append(found, v)
		}
		for rows.Next() {
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	_, err = db.Exec("COMMIT")
	return found, err
}

// rows returns the content of a side's tables, in the words of the right side.
func (s *shop) rows(side int) (items map[int]string, counters map[int]int) {
	s.t.Helper()
	d, db := dialects[side], s.open(side)
	defer func() { _ = db.Close() }()
	items, counters = map[int]string{}, map[int]int{}
	rows, err := db.Query(fmt.Sprintf("SELECT 0, %s, %s FROM %s UNION ALL SELECT 1, %s, %s FROM %s",
		d.id, d.val, d.item, d.cid, d.n, d.counter))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind, id int
		var v string
		if err := rows.Scan(&kind, &id, &v); err != nil {
			s.t.Fatal(err)
		}
		if kind == 0 {
			items[id] = v
		} else {
			counters[id], _ = strconv.Atoi(v)
		}
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return items, counters
}

func kills(t *testing.T) int {
	if v := os.Getenv("CDCSYNC_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_KILLS: %v", err)
		}
		return n
	}
	if testing.Short() {
		return 5
	}
	return 50
}

// TestKill kills the running program again and again while two sqlite3 shells and a Go
// program write to both files. In the end both hold the same, the counters are exact, and
// every value that was committed is there, or was replaced by somebody who saw it, or is in
// a recorded conflict. CDCSYNC_KILLS sets how often it is killed.
func TestKill(t *testing.T) {
	s := newShop(t)
	// Counters count from first contact on: before it there is no base to add to.
	p := start(t, "run", s.config)
	p.await(s.address, "/readyz")
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	p.kill()
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	for _, write := range []func(){
		func() { s.writeShell(ctx, 0, l) }, func() { s.writeShell(ctx, 1, l) }, func() { s.writeGo(ctx, l) },
	} {
		writers.Go(write)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range kills(t) {
		p := start(t, "run", s.config)
		time.Sleep(time.Duration(50+rng.IntN(400)) * time.Millisecond)
		select {
		case err := <-p.done:
			t.Fatalf("cdcsync ended by itself: %v\n%s", err, p.output)
		default:
		}
		p.kill()
		if t.Failed() {
			t.Fatal(p.output)
		}
	}
	cancel()
	writers.Wait()
	p = start(t, "run", s.config)
	p.await(s.address, "/readyz")
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	if writes, conflicts := s.account(l, p); writes < 10*kills(t) || conflicts == 0 {
		t.Errorf("the test did too little: %d writes, %d conflicts", writes, conflicts)
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}

// account compares both sides and looks for every committed write. It returns how many there
// were, and how many conflicts are recorded.
func (s *shop) account(l *ledger, p *process) (writes, conflicts int) {
	t := s.t
	left, leftSums := s.rows(0)
	right, rightSums := s.rows(1)
	differ := 0
	for id, v := range left {
		if right[id] != v {
			differ++
			t.Logf("row %d is %q and %q", id, v, right[id])
		}
	}
	if differ > 0 || len(left) != len(right) {
		t.Errorf("the sides differ: %d and %d rows, %d of them differently\n%s", len(left), len(right), differ, p.output)
	}
	for id, sum := range l.added {
		if leftSums[id] != sum || rightSums[id] != sum {
			t.Errorf("counter %d is %d and %d, committed were %d", id, leftSums[id], rightSums[id], sum)
		}
	}
	var recorded struct {
		Conflicts []struct {
			Left, Right map[string]any
		}
	}
	if status, err := get(s.address, "/v1/links/shop/conflicts?limit=10000", &recorded); err != nil || status != 200 {
		t.Fatalf("conflicts: %d %v", status, err)
	}
	known := map[string]bool{}
	for _, c := range recorded.Conflicts {
		for _, row := range []map[string]any{c.Left, c.Right} {
			if v, ok := row["value"].(string); ok {
				known[v] = true
			}
		}
	}
	present := map[string]bool{}
	for _, v := range left {
		present[v] = true
	}
	var lost []string
	for v := range l.written {
		if !present[v] && !l.replaced[v] && !known[v] {
			lost = append(lost, v)
		}
	}
	slices.Sort(lost)
	if len(lost) > 0 {
		t.Errorf("%d of %d committed writes are not accounted for: %v", len(lost), len(l.written), lost[:min(10, len(lost))])
	}
	t.Logf("%d writes, %d rows, %d conflicts recorded", len(l.written), len(left), len(recorded.Conflicts))
	return len(l.written), len(recorded.Conflicts)
}
