package postgres_test

import (
	"runtime"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// partMost is what the images of a part hold at the most, with the row that fills it.
const partMost = 10 << 20

func sizeOf(tx *change.Tx) int {
	size := 0
	for _, c := range tx.Changes {
		size += c.Before.Row.Size() + c.After.Row.Size()
	}
	return size
}

// A transaction of 200,000 rows comes in parts; from each of them the rest can be read.
func TestLargeTransaction(t *testing.T) {
	const rows = 200_000
	on(t, "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)", func(f *fixture) {
		f.insert(-1)
		f.want(row(-1))
		f.exec("BEGIN; INSERT INTO u VALUES (1, 'u'); INSERT INTO t SELECT g, repeat('v', 400) FROM generate_series(1, %d) g; INSERT INTO u VALUES (2, 'u'); COMMIT", rows)
		f.insert(rows + 1)
		var parts []*change.Tx
		ids, most := []int64{}, uint64(0)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		base := m.HeapAlloc
		for {
			tx := f.next(patience)
			if tx == nil {
				f.t.Fatal("the log ended early")
			}
			if size := sizeOf(tx); len(tx.Changes) > change.PartChanges || size > partMost {
				f.t.Errorf("a part of %d changes and %d bytes", len(tx.Changes), size)
			}
			for _, c := range tx.Changes {
				if c.Table.Name == "t" {
					ids = append(ids, c.Key[0].Int64())
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			tx.Changes = tx.Changes[len(tx.Changes)-1:]
			parts = append(parts, &change.Tx{Position: tx.Position, Partial: tx.Partial, Changes: []change.Change{{Key: tx.Changes[0].Key}}})
			if !tx.Partial {
				break
			}
		}
		grown := max(most, base) - base
		// Not checked: other tests run beside this one.
		f.t.Logf("%d parts; memory grew by %d KiB", len(parts), grown>>10)
		if len(ids) != rows || ids[0] != 1 || ids[rows-1] != rows {
			f.t.Fatalf("%d rows came", len(ids))
		}
		f.want(row(rows + 1))
		f.settle(parts[0].Position) // a part: all of the transaction is kept
		f.confirmed("p1:g:1:" + change.Position(lsnOf(parts[0].Position)))
		for _, i := range []int{0, len(parts) / 2, len(parts) - 2} {
			f.restart(parts[i].Position)
			left := ids[parts[i].Changes[0].Key[0].Int64():]
			n := 0
			for _, tx := range f.drain() {
				for _, c := range tx.Changes {
					if c.Table.Name == "t" && n < len(left) && c.Key[0].Int64() != left[n] {
						f.t.Fatalf("behind part %d: row %v, want %d", i, c.Key, left[n])
					}
					if c.Table.Name == "t" {
						n++
					}
				}
			}
			if n != len(left)+1 { // and that of the next transaction
				f.t.Errorf("behind part %d: %d rows, want %d", i, n, len(left)+1)
			}
		}
		// Without one of the tables, the same rows are left.
		middle := parts[len(parts)/2]
		f.need.Tables = []*change.Table{f.table("t")}
		f.restart(middle.Position)
		if got, want := rowsOf(f.drain()), rows-int(middle.Changes[0].Key[0].Int64())+1; got != want {
			f.t.Errorf("without table u: %d rows, want %d", got, want)
		}
	})
}

// Parts are bounded by their bytes, whatever these are of.
func TestLargeRows(t *testing.T) {
	on(t, "CREATE TABLE t (id int PRIMARY KEY, b bytea)", func(f *fixture) {
		f.exec("INSERT INTO t SELECT g, convert_to(repeat('x', 200000), 'UTF8') FROM generate_series(1, 200) g")
		for n := 0; n < 200; {
			tx := f.next(patience)
			if tx == nil {
				f.t.Fatalf("%d rows came", n)
			}
			n += len(tx.Changes)
			if size := sizeOf(tx); size > partMost {
				f.t.Errorf("a part of %d bytes", size)
			}
		}
	})
}
