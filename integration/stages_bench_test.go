package integration

import (
	"context"
	"crypto/sha256"
	"runtime"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/router"
)

// BenchmarkPace is work that is nothing of ours, to tell machines apart.
func BenchmarkPace(b *testing.B) {
	data := make([]byte, 1<<20)
	for b.Loop() {
		for range 64 {
			sum := sha256.Sum256(data)
			data[0] = sum[0]
		}
	}
}

// BenchmarkStages measures what reading a change from a log, and writing one, takes on each
// engine: time, and what this process allocates.
func BenchmarkStages(b *testing.B) {
	rows := drainRows(b)
	for _, e := range benchEngines(b) {
		b.Run(e.name, func(b *testing.B) {
			d := newDuo(b, [2]site{e.site(b), e.site(b)}, [2]bool{false, true}, router.InitialNone, "acc", "ev")
			e.load(d, 2, rows) // bulk
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			var read []change.Change
			b.Run("read", func(b *testing.B) {
				perChange(b, rows, func() { read = d.readLog(ctx, rows) })
			})
			b.Run("write", func(b *testing.B) {
				perChange(b, rows, func() { d.writePlainly(ctx, read) })
			})
		})
	}
}

// perChange reports what so many changes took, each.
func perChange(b *testing.B, changes int, do func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begin := time.Now()
		do()
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(took.Nanoseconds())/float64(changes), "ns/change")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(changes), "B/change")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(changes), "allocs/change")
	}
}
