package integration

import (
	"context"
	"database/sql"
	"errors"
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

// shop is two databases with different schemas, both in use, and a config for them.
type shop struct {
	t       *testing.T
	sites   [2]site
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

// storesConfig are the stores of a shop, for the sites in their order.
const storesConfig = `
store "old" {
  engine = %q
  dsn    = %q
  %s
}

store "new" {
  engine = %q
  dsn    = %q
  %s
}
`

const shopConfig = `
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

// newShop returns a shop of two SQLite files.
func newShop(t *testing.T) *shop {
	t.Helper()
	return newShopOn(t, file(t), file(t))
}

func newShopOn(t *testing.T, left, right site) *shop {
	t.Helper()
	s := &shop{t: t, config: filepath.Join(t.TempDir(), "shop.hcl"), address: freeAddress(t), sites: [2]site{left, right}}
	for i, at := range s.sites {
		prepare := []string{dialects[i].schema, "CREATE TABLE applog (id VARCHAR(64) PRIMARY KEY)"}
		if at.engine == "sqlite" {
			prepare = append(prepare, "PRAGMA journal_mode = WAL")
		}
		db := s.open(i)
		for _, q := range prepare {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	s.write()
	return s
}

// write writes the config of a shop.
func (s *shop) write() {
	s.t.Helper()
	s.writeConfig(shopConfig)
}

// writeConfig writes a config with the stores of s and a link, which has a place for the address
// of the admin API.
func (s *shop) writeConfig(link string) {
	s.t.Helper()
	var args []any
	for _, at := range s.sites {
		args = append(args, at.engine, at.given(), at.settings())
	}
	text := fmt.Sprintf(storesConfig+link, append(args, s.address)...)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) open(side int) *sql.DB {
	s.t.Helper()
	db, err := s.sites[side].open()
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// ledger is what the writers were told is committed.
type ledger struct {
	mu sync.Mutex
	// written are the values that were written, replaced those that a later write or delete of
	// the same side found and did away with.
	written, replaced map[string]bool
	added             map[int]int
	// answers is how many transactions were answered.
	answers int
}

func newLedger() *ledger {
	return &ledger{written: map[string]bool{}, replaced: map[string]bool{}, added: map[int]int{}}
}

// note takes the answer of the database to one statement group of write: the value that
// was there before.
func (l *ledger) note(value string, found []string, counter, delta int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	if value != "" {
		l.written[value] = true
	}
	for _, v := range found {
		l.replaced[v] = true
	}
	l.added[counter] += delta
}

func (l *ledger) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
}

// awaits waits, on a machine that is busy, until enough was written that the test shows something. That it
// was is checked in the end.
func (l *ledger) awaits(writes int) {
	enough := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.answers > 2*writes // some write no value
	}
	for deadline := time.Now().Add(2 * time.Minute); !enough() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
}

// group is one transaction of an application.
type group struct {
	sql            []string // run in one transaction; the first ones that are SELECTs print what is replaced
	value          string
	counter, delta int
}

// draw makes a transaction for one side: upserts and deletes of hot rows, inserts of new ones,
// REPLACE, key changes, several rows at once, and a counter.
func draw(rng *rand.Rand, at site, d dialect, value string) group {
	key := rng.IntN(20)
	g := group{value: value, counter: rng.IntN(3), delta: 1 + rng.IntN(5)}
	found := func(where string) string {
		return fmt.Sprintf("SELECT %s FROM %s WHERE %s%s", d.val, d.item, where, at.reading())
	}
	is := func(k int) string { return fmt.Sprintf("%s = %d", d.id, k) }
	upsert := fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s')%s", d.item, d.id, d.val, key, value, at.onConflict(d.id, d.val, "{new}"))
	switch rng.IntN(10) {
	case 0: // delete
		g.value = ""
		g.sql = []string{found(is(key)), fmt.Sprintf("DELETE FROM %s WHERE %s", d.item, is(key))}
	case 1: // a row of its own
		key = 1000 + rng.IntN(1_000_000_000)
		g.sql = []string{fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s')", d.item, d.id, d.val, key, value)}
	case 2: // REPLACE, which PostgreSQL does not have
		g.sql = []string{found(is(key)), fmt.Sprintf("DELETE FROM %s WHERE %s", d.item, is(key)),
			fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, '%s')", d.item, d.id, d.val, key, value)}
		if at.engine != "postgres" {
			g.sql = []string{found(is(key)), fmt.Sprintf("REPLACE INTO %s (%s, %s) VALUES (%d, '%s')", d.item, d.id, d.val, key, value)}
		}
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
	g.sql = append(g.sql, fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, %d)%s", d.counter, d.cid, d.n, g.counter, g.delta,
		at.onConflict(d.cid, d.n, d.counter+"."+d.n+" + {new}")))
	return g
}

// writeShell lets a sqlite3 shell write until ctx ends.
func (s *shop) writeShell(ctx context.Context, side int, l *ledger) {
	sh := openShell(s.t, s.sites[side].dsn)
	rng := rand.New(rand.NewPCG(uint64(side), 7))
	for i := 0; ctx.Err() == nil; i++ {
		g := draw(rng, s.sites[side], dialects[side], fmt.Sprintf("shell-%d-%d", side, i))
		found := sh.run("BEGIN IMMEDIATE;\n" + strings.Join(g.sql, ";\n") + ";\nCOMMIT;")
		if s.t.Failed() {
			return
		}
		l.note(g.value, found, g.counter, g.delta)
		time.Sleep(time.Millisecond)
	}
}

// writeGo lets a Go program write to both sides in turn until ctx ends.
func (s *shop) writeGo(ctx context.Context, l *ledger) { s.writeTo(ctx, "go", l, 0, 1) }

// writeTo lets a Go program called name write to sides in turn until ctx ends. It goes on when
// a server goes away and comes back.
func (s *shop) writeTo(ctx context.Context, name string, l *ledger, sides ...int) {
	dbs := [2]*sql.DB{s.open(0), s.open(1)}
	defer func() { _, _ = dbs[0].Close(), dbs[1].Close() }()
	rng := rand.New(rand.NewPCG(9, uint64(len(name)+10*sides[0])))
	for i := 0; ctx.Err() == nil; i++ {
		side := sides[i%len(sides)]
		id := fmt.Sprintf("%s-%d-%d", name, side, i)
		g := draw(rng, s.sites[side], dialects[side], id)
		found, err := s.runGroup(dbs[side], side, id, g)
		if err != nil {
			s.t.Errorf("write: %v", err)
			return
		}
		l.note(g.value, found, g.counter, g.delta)
		time.Sleep(time.Millisecond)
	}
}

// runGroup runs a group until it is committed, and returns the values that it replaced.
func (s *shop) runGroup(db *sql.DB, side int, id string, g group) ([]string, error) {
	at, d := s.sites[side], dialects[side]
	// What a group finds has to be what it replaces.
	begin := at.begin(d.item, d.counter)
	deadline := time.Now().Add(time.Minute)
	for {
		found, err := tryGroup(db, begin, id, g)
		if err == nil || !at.passes(err) {
			return found, err
		}
		// A deadlock, or the server has gone: if COMMIT was on its way, the log tells.
		for {
			var n int
			e := db.QueryRow("SELECT count(*) FROM applog WHERE id = '" + id + "'").Scan(&n)
			if e == nil && n > 0 {
				return found, nil
			}
			if e == nil {
				break
			}
			if time.Now().After(deadline) {
				return nil, errors.Join(err, e)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// tryGroup runs a group once. What it found is right if it was committed.
func tryGroup(db *sql.DB, begin []string, id string, g group) (found []string, err error) {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	for _, q := range append(begin, "INSERT INTO applog VALUES ('"+id+"')") {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK")
			return nil, err
		}
	}
	for _, q := range g.sql {
		values, err := run(ctx, conn, q)
		if err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK")
			return nil, fmt.Errorf("%s: %w", q, err)
		}
		found = append(found, values...)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return found, err
}

// run runs a statement and returns what a SELECT finds.
func run(ctx context.Context, conn *sql.Conn, q string) (found []string, err error) {
	if !strings.HasPrefix(q, "SELECT") {
		_, err := conn.ExecContext(ctx, q)
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, q)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, errors.Join(rows.Err(), rows.Close())
}

// rows returns the content of a side's tables, in the words of the right side.
func (s *shop) rows(side int) (items map[int]string, counters map[int]int) {
	s.t.Helper()
	d, db := dialects[side], s.open(side)
	defer func() { _ = db.Close() }()
	items, counters = map[int]string{}, map[int]int{}
	text := "TEXT"
	if s.sites[side].isMySQL() {
		text = "CHAR"
	}
	rows, err := db.Query(fmt.Sprintf("SELECT 0, %s, CAST(%s AS "+text+") FROM %s UNION ALL SELECT 1, %s, CAST(%s AS "+text+") FROM %s",
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

// account compares both sides and looks for every committed write. It returns how many there
// were, and how many conflicts are recorded.
func (s *shop) account(l *ledger, p *process) (writes, conflicts int) {
	t := s.t
	left, leftSums := s.rows(0)
	right, rightSums := s.rows(1)
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
	for _, fault := range l.faults([2]map[int]string{left, right}, [2]map[int]int{leftSums, rightSums}, known) {
		t.Errorf("%s\n%s", fault, p.output)
	}
	t.Logf("%d writes, %d rows, %d conflicts recorded", len(l.written), len(left), len(recorded.Conflicts))
	return len(l.written), len(recorded.Conflicts)
}

// faults compares both sides with each other and with what was committed; known are the values in
// conflicts that are recorded.
func (l *ledger) faults(items [2]map[int]string, sums [2]map[int]int, known map[string]bool) (faults []string) {
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var differ []string
	for id, v := range items[0] {
		if w, there := items[1][id]; !there || w != v {
			differ = append(differ, fmt.Sprintf("row %d is %q and %q", id, v, w))
		}
	}
	slices.Sort(differ)
	if len(differ) > 0 || len(items[0]) != len(items[1]) {
		add("the sides differ: %d and %d rows, %d of them differently: %v", len(items[0]), len(items[1]), len(differ), differ[:min(10, len(differ))])
	}
	for id, sum := range l.added {
		if sums[0][id] != sum || sums[1][id] != sum {
			add("counter %d is %d and %d, committed were %d", id, sums[0][id], sums[1][id], sum)
		}
	}
	present := map[string]bool{}
	for _, v := range items[0] {
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
		add("%d of %d committed writes are not accounted for: %v", len(lost), len(l.written), lost[:min(10, len(lost))])
	}
	return faults
}

// TestLedgerNotices tries the check of the kills and the bad networks with what a broken link leaves.
func TestLedgerNotices(t *testing.T) {
	t.Parallel()
	type end struct {
		items [2]map[int]string
		sums  [2]map[int]int
		known map[string]bool
	}
	for name, test := range map[string]struct {
		broken func(e *end)
		says   string // "": nothing
	}{
		"nothing":                            {func(*end) {}, ""},
		"a change that did not cross":        {func(e *end) { e.items[1][1] = "b" }, "differ"},
		"a row that did not cross":           {func(e *end) { delete(e.items[1], 2) }, "differ"},
		"a row that came from nowhere":       {func(e *end) { e.items[1][9] = "x" }, "differ"},
		"a row that is empty on one side":    {func(e *end) { e.items[0][1] = ""; delete(e.items[1], 1); e.items[1][9] = "x" }, "differ"},
		"an acknowledged write that is lost": {func(e *end) { delete(e.items[0], 2); delete(e.items[1], 2) }, "not accounted for: [c]"},
		"a conflict that is not listed":      {func(e *end) { clear(e.known) }, "not accounted for: [d]"},
		"an effect twice":                    {func(e *end) { e.sums[0][1]++; e.sums[1][1]++ }, "counter 1 is 8 and 8, committed were 7"},
		"an effect lost on one side":         {func(e *end) { e.sums[1][1]-- }, "counter 1 is 7 and 6"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			l.note("a", nil, 1, 3)
			l.note("b", []string{"a"}, 1, 4)
			l.note("c", nil, 2, 1)
			l.note("d", nil, 2, 0)
			l.note("e", []string{"b"}, 2, 0)
			e := end{
				[2]map[int]string{{1: "e", 2: "c"}, {1: "e", 2: "c"}}, [2]map[int]int{{1: 7, 2: 1}, {1: 7, 2: 1}}, map[string]bool{"d": true},
			}
			test.broken(&e)
			found := strings.Join(l.faults(e.items, e.sums, e.known), "; ")
			if test.says == "" && found != "" || !strings.Contains(found, test.says) {
				t.Errorf("it says %q, want %q", found, test.says)
			}
		})
	}
}

// equalItems fails the test unless both sides have the same items, and returns how many.
func (s *shop) equalItems() int {
	s.t.Helper()
	left, _ := s.rows(0)
	right, _ := s.rows(1)
	for id, v := range left {
		if right[id] != v {
			s.t.Errorf("row %d is %q and %q", id, v, right[id])
		}
	}
	if len(left) != len(right) {
		s.t.Errorf("%d and %d rows", len(left), len(right))
	}
	return len(left)
}

// settle waits until everything that is committed is on the other side.
func (s *shop) settle(p *process) {
	s.t.Helper()
	p.await(s.address, "/readyz")
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
}
