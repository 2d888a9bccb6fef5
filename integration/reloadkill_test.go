package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

// extraTable is a table that comes into the link of a shop, and goes, with a reload.
const extraTable = `  table "extra" {}
`

// TestReloadKilled kills the program inside of a reload that takes a table in, or takes it out: before
// each message that it sends to a server for it, and with files at moments that are spread over it. Started
// again, the link is whole: it has the table or not, both sides hold the same, counters are exact, and
// every committed write is accounted for. CDCSYNC_RELOADS sets how many kills there are for each of ten
// pairs of engines; else there are few, for one.
func TestReloadKilled(t *testing.T) {
	t.Parallel()
	times, sites := 2, crashSites()
	pairs := [][2]string{{"postgres", "mysql"}}
	if v := os.Getenv("CDCSYNC_RELOADS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("CDCSYNC_RELOADS: %v", err)
		}
		times, pairs = n, append(pairs, [][2]string{
			{"mysql", "mariadb"}, {"mariadb", "postgres"}, {"postgres", "postgres"}, {"sqlite", "postgres"},
			{"mysql", "sqlite"}, {"sqlite", "wal"}, {"wal", "mariadb"}, {"postgres", "wal"}, {"sqlite", "sqlite"},
		}...)
	}
	for _, p := range pairs {
		t.Run(p[0]+"-"+p[1], func(t *testing.T) {
			newReloadWorld(t, sites[p[0]](t), sites[p[1]](t)).run(times)
		})
	}
}

// reloadWorld is a shop in use that is told to read its config again.
type reloadWorld struct {
	*shop
	p     *process
	wires []*wire
	in    bool // the extra table is in the config
	rng   *rand.Rand

	mu    sync.Mutex
	extra map[int]bool // the rows that were committed
	next  atomic.Int64
}

func newReloadWorld(t *testing.T, left, right site) *reloadWorld {
	t.Helper()
	w := &reloadWorld{rng: rand.New(rand.NewPCG(5, 5)), extra: map[int]bool{}}
	for _, at := range []*site{&left, &right} {
		if at.server != nil {
			w.wires = append(w.wires, wired(t, at))
		}
	}
	w.shop = newShopOn(t, left, right)
	for side := range w.sites {
		db := w.open(side)
		if _, err := db.Exec("CREATE TABLE extra (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)"); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
	}
	return w
}

// turn changes the config: the extra table comes, or goes.
func (w *reloadWorld) turn() {
	w.t.Helper()
	w.in = !w.in
	config := shopConfig
	if w.in {
		config = strings.Replace(config, "  table \"counters\"", extraTable+"  table \"counters\"", 1)
	}
	w.writeConfig(config)
}

// reload tells the program to read its config again, in one of two ways. It may be gone by the answer.
func (w *reloadWorld) reload() {
	if w.rng.IntN(2) == 0 {
		_ = w.p.cmd.Process.Signal(syscall.SIGHUP)
		return
	}
	answer, err := http.Post("http://"+w.address+"/v1/reload", "application/json", nil)
	if err != nil {
		return
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.t.Errorf("reload: %s", answer.Status)
	}
}

// taken waits until the link has the extra table, and has compared it, or has it no more.
func (w *reloadWorld) taken() {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		var extra admin.Table
		status, err := get(w.address, "/v1/links/shop/tables/extra", &extra)
		if err == nil && (w.in && status == http.StatusOK && extra.Stage == "live" || !w.in && status == http.StatusNotFound) {
			break
		}
		if err == nil && w.in && extra.Stage == "paused" { // a SQLite file whose triggers were gone meanwhile
			if !strings.Contains(extra.Reason, "resync the table") {
				w.t.Fatalf("the table is paused: %s", extra.Reason)
			}
			if out, err := command("table", "resync", "extra", w.config); err != nil {
				w.t.Fatalf("resync: %v\n%s", err, out)
			}
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the config is not taken in: %d %v %+v\n%s", status, err, extra, w.p.output)
		}
	}
	w.settle(w.p)
}

// insert has an application insert rows into the extra table of a side until ctx ends.
func (w *reloadWorld) insert(ctx context.Context, side int) {
	db := w.open(side)
	defer func() { _ = db.Close() }()
	for ctx.Err() == nil {
		id := int(w.next.Add(1))
		if _, err := db.Exec(fmt.Sprintf("INSERT INTO extra (id, v) VALUES (%d, %d)", id, side)); err != nil {
			w.t.Errorf("insert: %v", err)
			return
		}
		w.mu.Lock()
		w.extra[id] = true
		w.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

// ids are the rows of the extra table of a side.
func (w *reloadWorld) ids(side int) (ids []int) {
	w.t.Helper()
	db := w.open(side)
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT id FROM extra ORDER BY id")
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

var sqlText = regexp.MustCompile(`[ -~\n]{8,}`)

// messages has the messages that the program sends to the servers counted from now on. Before the one
// of the number kill, if that is not 0, the program is killed, and said has what it was.
func (w *reloadWorld) messages(kill int64) (count *atomic.Int64, said *atomic.Value) {
	count, said = &atomic.Int64{}, &atomic.Value{}
	var dead atomic.Bool
	p := w.p
	for _, wire := range w.wires {
		wire.asks(func(_ *wireConn, up bool, b []byte) (int, func()) {
			switch {
			case len(b) == 0 || !up && !dead.Load(): // the end of a connection is told in any case
				return whole, nil
			case dead.Load():
				return lost, nil
			case count.Add(1) == kill:
				dead.Store(true)
				said.Store(string(sqlText.Find(b)))
				return lost, p.kill
			}
			return whole, nil
		})
	}
	return count, said
}

// run reads the config again so many times, and kills the program in each.
func (w *reloadWorld) run(times int) {
	t := w.t
	w.p = start(t, "run", w.config)
	w.settle(w.p) // counters count from first contact on
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var used sync.WaitGroup
	for side, name := range []string{"left", "right"} {
		used.Go(func() { w.insert(ctx, side) })
		used.Go(func() { w.writeTo(ctx, name, l, side) })
	}
	// What a reload takes, in messages and in time, when a table comes and when it goes.
	var messages [2]int64
	var takes [2]time.Duration
	for i := range messages {
		w.turn()
		count, _ := w.messages(0)
		began := time.Now()
		w.reload()
		w.taken()
		messages[i], takes[i] = count.Load(), time.Since(began)
	}
	t.Logf("a table comes with %d messages in %v, and goes with %d in %v", messages[0], takes[0], messages[1], takes[1])
	var points []string
	for i := range times {
		w.turn()
		way := 1
		if w.in {
			way = 0
		}
		// The moments are spread over all of it.
		part := (float64(i/2) + w.rng.Float64()) / float64((times+1)/2)
		switch {
		case len(w.wires) == 2 || len(w.wires) == 1 && w.rng.IntN(2) == 0:
			number := 1 + int64(part*float64(messages[way]))
			_, said := w.messages(number)
			w.reload()
			_ = w.p.wait(time.Minute)
			points = append(points, fmt.Sprintf("%d: %.70q", number, said.Load()))
		default:
			after := time.Duration(part * float64(takes[way]))
			w.messages(0)
			timer := time.AfterFunc(after, w.p.kill)
			w.reload()
			_ = w.p.wait(time.Minute)
			timer.Stop()
			points = append(points, after.String())
		}
		w.messages(0)
		w.p = start(t, "run", w.config)
		w.settle(w.p)
		w.taken()
		if !w.in {
			w.apart()
		}
		if t.Failed() {
			t.Fatalf("killed at %s\n%s", points[len(points)-1], w.p.output)
		}
	}
	t.Logf("killed at %d points: %s", len(points), strings.Join(points, "; "))
	if !w.in {
		w.turn()
		w.reload()
		w.taken()
	}
	l.awaits(10 * times)
	cancel()
	used.Wait()
	w.settle(w.p)
	if writes, _ := w.account(l, w.p); writes < 10*times {
		t.Errorf("the test did too little: %d writes", writes)
	}
	left, right := w.ids(0), w.ids(1)
	if !slices.Equal(left, right) || len(left) != len(w.extra) {
		t.Errorf("the table that came and went has %d and %d rows, committed were %d", len(left), len(right), len(w.extra))
	}
	if err := w.p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, w.p.output)
	}
}

// apart sees that rows of a table that is not of the link any more stay where they are.
func (w *reloadWorld) apart() {
	w.t.Helper()
	first := w.next.Add(1)
	for deadline := time.Now().Add(time.Minute); w.next.Load() < first+4; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("nothing is inserted")
		}
	}
	w.settle(w.p)
	left, right := w.ids(0), w.ids(1)
	for _, id := range left {
		if _, both := slices.BinarySearch(right, id); both && id > int(first) {
			w.t.Errorf("row %d of a table that was taken out was carried over", id)
		}
	}
}
