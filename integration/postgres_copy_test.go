package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/router"
)

// BenchmarkPostgresInitialCopy measures first contact of a table that only the left server has
// rows in, beside the initial copy of PostgreSQL's own logical replication.
func BenchmarkPostgresInitialCopy(b *testing.B) {
	rows := drainRows(b)
	fill := fmt.Sprintf("INSERT INTO ev SELECT g, g %% 7, 'event ' || g, g / 100.0, now() FROM generate_series(1, %d) g", rows)
	for _, version := range benchVersions() {
		on := fastServers(b, version)
		b.Run(version, func(b *testing.B) {
			for b.Loop() {
				n := native{postgresDuo(b, on, [2]bool{false, true}, router.InitialNone, "acc", "ev")}
				n.sql(change.Left, fill)
				n.sql(change.Left, "CREATE PUBLICATION native FOR TABLE ev; SELECT pg_create_logical_replication_slot('native', 'pgoutput')")
				begin := time.Now()
				n.sql(change.Right, fmt.Sprintf("CREATE SUBSCRIPTION native CONNECTION '%s' PUBLICATION native WITH (create_slot = false, slot_name = 'native')", n.sites[0].dsn))
				n.copied()
				theirs := float64(rows) / time.Since(begin).Seconds()
				n.unsubscribe("native")
				b.ReportMetric(theirs, "native-rows/s")
				for i, writes := range [][2]bool{{false, true}, {true, true}} {
					// The link is set up when the rows are there.
					d := newDuo(b, [2]site{
						benchDatabase(b, on[0], "postgres", []string{benchSchema, fill}), benchDatabase(b, on[1], "postgres", []string{benchSchema}),
					}, writes, router.InitialLeft, "ev")
					p := d.drain()
					d.same()
					name := []string{"one-way", "two-way"}[i]
					b.ReportMetric(p.report(b, name, rows)/theirs, name+"/native")
				}
			}
		})
	}
}

// copied waits until the subscriptions of the right side have copied what was there.
func (n native) copied() {
	n.tb.Helper()
	conn := n.connect(change.Right)
	defer conn.Close()
	for {
		left, err := conn.Int(context.Background(), "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate IN ('i', 'd')")
		n.must(err)
		if left == 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
