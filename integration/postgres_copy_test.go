package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// BenchmarkPostgresInitialCopy measures first contact of a table that only the left server has
// rows in, beside the initial copy of PostgreSQL's own logical replication.
func BenchmarkPostgresInitialCopy(b *testing.B) {
	rows := drainRows(b)
	fill := fmt.Sprintf("INSERT INTO ev SELECT g, g %% 7, 'event ' || g, g / 100.0, now() FROM generate_series(1, %d) g", rows)
	for _, version := range benchVersions() {
		on := [2]*servers.Server{}
		for s := range on {
			on[s] = pool.Private(b, version, servers.Options{Settings: map[string]string{
				"max_wal_size": "8GB", "checkpoint_timeout": "1h", "wal_retrieve_retry_interval": "100ms", "shared_buffers": "512MB",
			}})
		}
		b.Run(version, func(b *testing.B) {
			for b.Loop() {
				n := native{newTwin(b, on, [2]bool{false, true}, benchSchema, "acc", "ev")}
				n.sql(change.Left, fill)
				n.sql(change.Left, "CREATE PUBLICATION native FOR TABLE ev; SELECT pg_create_logical_replication_slot('native', 'pgoutput')")
				begin := time.Now()
				n.sql(change.Right, fmt.Sprintf("CREATE SUBSCRIPTION native CONNECTION '%s' PUBLICATION native WITH (create_slot = false, slot_name = 'native')", n.databases[0].DSN))
				for n.sql(change.Right, "SELECT count(*) FROM ev") != fmt.Sprint(rows) {
					time.Sleep(10 * time.Millisecond)
				}
				theirs := float64(rows) / time.Since(begin).Seconds()
				n.unsubscribe("native")
				b.ReportMetric(theirs, "native-rows/s")
				for i, writes := range [][2]bool{{false, true}, {true, true}} {
					w := unlinkedTwin(b, on, writes, benchSchema)
					w.sql(change.Left, fill)
					w.link("ev")
					w.pairs[0].Initial = router.InitialLeft
					took, peak := w.drain()
					w.same()
					name := []string{"one-way", "two-way"}[i]
					ours := float64(rows) / took.Seconds()
					b.ReportMetric(ours, name+"-rows/s")
					b.ReportMetric(ours/theirs, name+"/native")
					b.ReportMetric(float64(peak)/(1<<20), name+"-MiB")
				}
			}
		})
	}
}

// skipLog makes the log of a store begin where it now ends, so that what was written is found
// by first contact and not read from the log.
func (w *twin) skipLog(s change.Side) {
	conn := w.connect(s)
	defer conn.Close()
	w.must(conn.Do(context.Background(), "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()"))
}
