package integration

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// TestKillLogPairs has a file whose write-ahead log is read beside a server, in both orders. The
// program is killed, and so are the applications that write the file: in the middle of
// transactions that have spilled into the log, of commits and of checkpoints. With CDCSYNC_KILLS
// there are more pairs, and the servers are killed as well.
func TestKillLogPairs(t *testing.T) {
	t.Parallel()
	versions, mysqls := servers.Versions(), servers.MySQLVersions()
	newest, mysql := versions[len(versions)-1], mysqls[len(mysqls)-1]
	usual := map[string]func() (site, site){
		"log-postgres": func() (site, site) {
			server := pool.Postgres(t, newest)
			return logged(t), site{engine: "postgres", dsn: server.Database(t).DSN, server: server}
		},
		"mysql-log": func() (site, site) {
			server := pool.MySQL(t, mysql)
			return site{engine: "mysql", dsn: server.Database(t).DSN, server: server}, logged(t)
		},
	}
	long := map[string]func() (site, site){
		"log-postgres": func() (site, site) { return logged(t), postgresSite(t, newest) },
		"postgres-log": func() (site, site) { return postgresSite(t, versions[0]), logged(t) },
		"log-mysql":    func() (site, site) { return logged(t), mysqlSite(t) },
		"mysql-log":    func() (site, site) { return mysqlSite(t), logged(t) },
		"mariadb-log":  func() (site, site) { return mariadbSite(t, false), logged(t) },
		"log-log":      func() (site, site) { return logged(t), logged(t) },
	}
	pairs, bounces := usual, false
	if os.Getenv("CDCSYNC_KILLS") != "" {
		pairs, bounces = long, true
	}
	for name, sites := range pairs {
		t.Run(name, func(t *testing.T) {
			left, right := sites()
			s := newShopOn(t, left, right)
			l := newLedger()
			var writers []func(context.Context)
			for side, at := range s.sites {
				if at.engine != "sqlite" {
					writers = append(writers, func(ctx context.Context) { s.writeTo(ctx, "steady", l, side) })
					continue
				}
				for i := range 2 {
					m := newMortal(t, s, side, i)
					writers = append(writers, func(ctx context.Context) { m.write(ctx, l) })
				}
			}
			for side := range s.sites {
				writers = append(writers, func(ctx context.Context) { s.writeInOrder(ctx, side) })
				writers = append(writers, func(ctx context.Context) { s.readInOrder(ctx, side) })
			}
			s.killed(l, kills(t, 6), func(rng *rand.Rand) {
				if rng.IntN(3) == 0 { // long enough to carry something
					time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
				}
				if bounces {
					s.bounce(rng)
				}
			}, writers...)
			s.crossesOnce()
		})
	}
}

// mortal is an application that writes a file through sqlite3 shells, which are killed. What it
// does it writes down in the file, in the same transactions; so what was committed is known,
// also where the answer did not come.
type mortal struct {
	t     *testing.T
	shop  *shop
	side  int
	name  string
	rng   *rand.Rand
	drawn map[string]group
	// answered are the groups of which the shell said that they are committed.
	answered []string
	kills    int
}

func newMortal(t *testing.T, s *shop, side, number int) *mortal {
	db := s.open(side)
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS appfound (id TEXT, val TEXT)"); err != nil {
		t.Fatal(err)
	}
	return &mortal{t: t, shop: s, side: side, name: fmt.Sprintf("mortal-%d-%d", side, number), drawn: map[string]group{},
		rng: rand.New(rand.NewPCG(uint64(side), uint64(number)))}
}

// write writes until ctx ends, in one life after the other, and then tells the ledger.
func (m *mortal) write(ctx context.Context, l *ledger) {
	for ctx.Err() == nil && !m.t.Failed() {
		m.live(ctx, l)
	}
	db := m.shop.open(m.side)
	defer func() { _ = db.Close() }()
	if err := m.tell(db, l); err != nil {
		m.t.Errorf("%s: %v", m.name, err)
	}
}

// live is one life of a shell. It ends with a kill, mostly, at a moment of chance.
func (m *mortal) live(ctx context.Context, l *ledger) {
	cmd := exec.Command("sqlite3", "-batch", "-bail", m.shop.sites[m.side].dsn)
	in, err := cmd.StdinPipe()
	if err != nil {
		m.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Error(err)
		return
	}
	var errs lockedBuffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		m.t.Errorf("this test needs the sqlite3 shell: %v", err)
		return
	}
	killed := m.rng.IntN(5) > 0
	if killed {
		m.kills++
		end := time.AfterFunc(time.Duration(m.rng.IntN(120))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		defer end.Stop()
	}
	answers := bufio.NewScanner(out)
	_, _ = fmt.Fprintf(in, ".timeout 20000\nPRAGMA synchronous=OFF; PRAGMA cache_size=5; PRAGMA wal_autocheckpoint=%d;\n", 5+m.rng.IntN(100))
	for i := 0; (killed || i < 10) && ctx.Err() == nil; i++ {
		id, statements := m.group()
		// That the shell is gone is seen by its answers.
		_, _ = io.WriteString(in, statements+"\n.print "+id+"\n")
		said := false
		for !said && answers.Scan() {
			said = answers.Text() == id
		}
		if !said {
			break
		}
		m.answered = append(m.answered, id)
		l.answered()
	}
	if ctx.Err() != nil {
		killed = true
		_ = cmd.Process.Kill()
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil && !killed || errs.String() != "" {
		m.t.Errorf("%s: %v: %s", m.name, err, errs.String())
	}
}

// group draws a transaction, and writes into it what it does.
func (m *mortal) group() (id, statements string) {
	d := dialects[m.side]
	id = fmt.Sprintf("%s-%d", m.name, len(m.drawn))
	g := draw(m.rng, m.shop.sites[m.side], d, id)
	m.drawn[id] = g
	run := []string{"BEGIN IMMEDIATE", fmt.Sprintf("INSERT INTO applog VALUES('%s')", id)}
	if m.rng.IntN(4) == 0 { // so much that it goes to the log before it is committed; nobody may see it
		run = append(run, fmt.Sprintf("INSERT INTO %s (%s, %s) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 100)"+
			" SELECT -i-%d, 'phantom' || hex(zeroblob(400)) FROM c", d.item, d.id, d.val, m.side))
		run = append(run, fmt.Sprintf("DELETE FROM %s WHERE %s < 0", d.item, d.id))
	}
	for _, q := range g.sql {
		if strings.HasPrefix(q, "SELECT ") {
			q = fmt.Sprintf("INSERT INTO appfound SELECT '%s', %s", id, strings.TrimPrefix(q, "SELECT "))
		}
		run = append(run, q)
	}
	if statements = strings.Join(append(run, "COMMIT"), ";\n") + ";"; m.rng.IntN(15) == 0 {
		statements += "\nPRAGMA wal_checkpoint(" + []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[m.rng.IntN(4)] + ");"
	}
	return id, statements
}

// tell notes in the ledger what was committed, by what is in the file.
func (m *mortal) tell(db *sql.DB, l *ledger) error {
	committed, found := map[string]bool{}, map[string][]string{}
	for id := range m.drawn {
		committed[id] = false
	}
	rows, err := db.Query("SELECT l.id, coalesce(f.val, '') FROM applog l LEFT JOIN appfound f ON f.id = l.id")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, v string
		if err := rows.Scan(&id, &v); err != nil {
			return err
		}
		if _, mine := m.drawn[id]; !mine {
			continue
		}
		if committed[id] = true; v != "" {
			found[id] = append(found[id], v)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range m.answered {
		if !committed[id] {
			return fmt.Errorf("%s was answered, and is not there", id)
		}
	}
	silent := 0
	for id, ok := range committed {
		if g := m.drawn[id]; ok {
			l.note(g.value, found[id], g.counter, g.delta)
		} else {
			silent++
		}
	}
	m.t.Logf("%s was killed %d times: %d transactions answered, %d never committed, of %d", m.name, m.kills, len(m.answered), silent, len(m.drawn))
	if m.kills == 0 {
		return fmt.Errorf("it was never killed")
	}
	return nil
}

// ordered is the key of the row that only one application of a side writes, with numbers that grow.
func ordered(side int) int { return 500 + side }

var orderedValue = regexp.MustCompile(`^order-(\d+)$`)

// writeInOrder writes that row until ctx ends.
func (s *shop) writeInOrder(ctx context.Context, side int) {
	db, d, at := s.open(side), dialects[side], s.sites[side]
	defer func() { _ = db.Close() }()
	for i := 0; ctx.Err() == nil; i++ {
		_, err := db.Exec(fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, 'order-%d')%s", d.item, d.id, d.val, ordered(side), i, at.onConflict(d.id, d.val, "{new}")))
		if err != nil && !at.passes(err) {
			s.t.Errorf("write in order: %v", err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// readInOrder reads on one side, until ctx ends, what the other side's application writes in order:
// it never goes back. Nor is there anything that was not committed.
func (s *shop) readInOrder(ctx context.Context, side int) {
	db, d, last := s.open(side), dialects[side], -1
	defer func() { _ = db.Close() }()
	for ctx.Err() == nil {
		var phantoms, is int
		var v string
		err := db.QueryRow(fmt.Sprintf("SELECT count(*) FROM %s WHERE %s < 0", d.item, d.id)).Scan(&phantoms)
		if err == nil {
			err = db.QueryRow(fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d", d.val, d.item, d.id, ordered(1-side))).Scan(&v)
		}
		switch m := orderedValue.FindStringSubmatch(v); {
		case err == sql.ErrNoRows, err != nil && s.sites[side].passes(err):
		case err != nil:
			s.t.Errorf("read in order: %v", err)
			return
		case m == nil:
			s.t.Errorf("the row written in order is %q", v)
			return
		default:
			if is, _ = strconv.Atoi(m[1]); is < last {
				s.t.Errorf("the row written in order was at %d, and went back to %d", last, is)
				return
			}
			last = is
		}
		if phantoms > 0 {
			s.t.Errorf("there are %d rows that were never committed", phantoms)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Logf("on side %d the row written in order came up to %d while everything was killed", side, last)
}

// crossesOnce writes some rows while nothing else is in flight: each crosses the link once, and
// nothing comes back.
func (s *shop) crossesOnce() {
	t := s.t
	p := start(t, "run", s.config)
	s.settle(p)
	before := scrape(t, s.address)
	const rows = 20
	for side, d := range dialects {
		db := s.open(side)
		for i := range rows {
			if _, err := db.Exec(fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES (%d, 'once')", d.item, d.id, d.val, 2_000_000_000+side*rows+i)); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	for range 3 { // what would come back, comes with the next one at the latest
		s.settle(p)
	}
	after := scrape(t, s.address)
	for _, side := range []string{"left", "right"} {
		for _, name := range []string{"cdcsync_changes_total", "cdcsync_applied_rows_total"} {
			if n := value(after, name, "side="+side) - value(before, name, "side="+side); n != rows {
				t.Errorf("%s of %s grew by %v for %d rows on each side", name, side, n, rows)
			}
		}
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
