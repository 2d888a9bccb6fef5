package integration

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// latencies writes rows on the left, 500 transactions a second, watches the right, with a pause
// between two looks, and returns how long after its commit each was seen there, shortest first.
func (w *twin) latencies(first, rows int, pause time.Duration) []time.Duration {
	w.tb.Helper()
	ctx := context.Background()
	var mu sync.Mutex
	committed := make([]time.Time, rows)
	seen := make([]time.Time, rows)
	var watching sync.WaitGroup
	watching.Go(func() {
		conn := w.connect(change.Right)
		defer conn.Close()
		for last := first - 1; last < first+rows-1; {
			n, err := conn.Int(ctx, "SELECT coalesce(max(id), 0) FROM public.ev")
			now := time.Now()
			if err != nil {
				w.tb.Errorf("watch: %v", err)
				return
			}
			mu.Lock()
			for ; last < int(n); last++ {
				if i := last + 1 - first; i >= 0 && i < rows {
					seen[i] = now
				}
			}
			mu.Unlock()
			time.Sleep(pause)
		}
	})
	conn := w.connect(change.Left)
	defer conn.Close()
	begin := time.Now()
	for i := range rows {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * 2 * time.Millisecond)))
		_, err := conn.Exec(ctx, "INSERT INTO public.ev VALUES ($1, 1, 'latency', 1.5, now())", strconv.Itoa(first+i))
		w.must(err)
		mu.Lock()
		committed[i] = time.Now()
		mu.Unlock()
	}
	watching.Wait()
	found := make([]time.Duration, rows)
	for i := range found {
		found[i] = max(0, seen[i].Sub(committed[i]))
	}
	slices.Sort(found)
	return found
}

// BenchmarkPostgresLatency measures from commit on one PostgreSQL server to visible on the
// other at 500 transactions a second, beside PostgreSQL's own logical replication between the
// same two servers. What we write is on the disk before it is visible; the native apply, as
// CREATE SUBSCRIPTION sets it up, does not wait for that. So it is measured three times: by
// somebody who looks all the time, by somebody who looks every 2.5 ms, and on servers that
// wait for no disk at all.
func BenchmarkPostgresLatency(b *testing.B) {
	for _, version := range benchVersions() {
		for _, way := range []struct {
			name   string
			pause  time.Duration
			noSync bool
		}{{"watched", 50 * time.Microsecond, false}, {"polled", 2500 * time.Microsecond, false}, {"no-disk", 50 * time.Microsecond, true}} {
			on := [2]*servers.Server{}
			for s := range on {
				on[s] = pool.Private(b, version, servers.Options{NoSync: way.noSync, Settings: map[string]string{"wal_retrieve_retry_interval": "100ms"}})
			}
			b.Run(version+"/"+way.name, func(b *testing.B) { benchLatency(b, on, way.pause) })
		}
	}
}

func benchLatency(b *testing.B, on [2]*servers.Server, pause time.Duration) {
	const rows = 3000
	for b.Loop() {
		n := native{newTwin(b, on, [2]bool{false, true}, benchSchema, "acc", "ev")}
		n.subscribe("native", "")
		n.sql(change.Left, "INSERT INTO ev VALUES (1, 1, 'first', 1, now())")
		n.drain("native", 1)
		theirs := n.latencies(2, rows, pause)
		n.unsubscribe("native")
		for i, writes := range [][2]bool{{false, true}, {true, true}} {
			w := newTwin(b, on, writes, benchSchema, "acc", "ev")
			link, closeAll := w.open()
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- link.Run(ctx) }()
			w.must(link.Barrier(ctx))
			ours := w.latencies(1, rows, pause)
			cancel()
			w.must(<-done)
			closeAll()
			name := []string{"one-way", "two-way"}[i]
			for _, p := range []int{50, 99} {
				mine, other := ours[rows*p/100], theirs[rows*p/100]
				b.ReportMetric(float64(mine)/1e6, name+"-p"+strconv.Itoa(p)+"-ms")
				b.ReportMetric(float64(other)/1e6, "native-p"+strconv.Itoa(p)+"-ms")
				b.ReportMetric(float64(mine)/float64(other), name+"/native-p"+strconv.Itoa(p))
			}
		}
	}
}
