package mysql_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// A transaction of any size takes as much memory as a small one.
func TestLargeTransaction(t *testing.T) {
	onPrivate(t, nil, "CREATE TABLE items (id int PRIMARY KEY, v varchar(200)) ENGINE = InnoDB", testLarge)
	onMySQL(t, map[string]string{"binlog_transaction_compression": "ON"}, "CREATE TABLE items (id int PRIMARY KEY, v varchar(200)) ENGINE = InnoDB", testLarge)
}

func testLarge(f *fixture) {
	const rows = 300_000
	f.exec("CREATE TABLE other (n int PRIMARY KEY)")
	var digits []string
	for i := range 1000 {
		digits = append(digits, fmt.Sprintf("(%d)", i))
	}
	f.exec("INSERT INTO other VALUES " + strings.Join(digits, ","))
	f.exec(fmt.Sprintf("INSERT INTO items SELECT a.n * 1000 + b.n, RPAD(SHA2(a.n * 1000 + b.n, 512), 150, 'x') FROM other a JOIN other b WHERE a.n < %d", rows/1000))
	head, changes, parts := f.head(), 0, 0
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	for !f.source.Reached(f.at, head) {
		tx, err := f.source.Next(f.within())
		if err != nil {
			f.t.Fatal(err)
		}
		if f.at = tx.Position; len(tx.Changes) > 0 {
			changes, parts = changes+len(tx.Changes), parts+1
			if parts == 3 {
				f.restart() // while it comes
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
	}
	if changes != rows || parts < rows/change.PartChanges {
		f.t.Errorf("%d changes in %d parts", changes, parts)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 24<<20 {
		f.t.Errorf("%d MiB of memory were needed", grown>>20)
	} else {
		f.t.Logf("%d MiB of memory were needed", grown>>20)
	}
}
