package binlog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// benchmarkLog returns the log of many rows of a table as shops have them, written by a session
// with some settings, and the table.
func benchmarkLog(b *testing.B, settings ...string) (events [][]byte, table *store.Table, rows, size int) {
	b.Helper()
	version := servers.MySQLVersions()[0]
	s := newSite(b, pool.MySQL(b, version), "mysql-"+version)
	s.do(b, `CREATE TABLE orders (id bigint PRIMARY KEY AUTO_INCREMENT, customer int unsigned, amount decimal(12,2), note varchar(200), email varchar(100),
 state enum('new','paid','sent'), made datetime(6), changed timestamp(3), weight double, flags int)`)
	var values []string
	for i := range 2000 {
		values = append(values, fmt.Sprintf("(%d,%d.%02d,'note of order %d, which has some words','user%d@example.com','paid','2024-05-06 07:08:09.%06d','2024-05-06 07:08:09.5',%d.5,%d)",
			i, i*7, i%100, i, i, i, i, i))
	}
	rows = 100000
	c := s.connect(b, settings...)
	events = s.logged(b, func() {
		for range rows / len(values) {
			do(b, c, "INSERT INTO orders(customer,amount,note,email,state,made,changed,weight,flags) VALUES "+strings.Join(values, ","))
		}
	})
	for _, raw := range events {
		size += len(raw)
	}
	return events, s.tables(b)["orders"], rows, size
}

func benchmark(b *testing.B, row func(e *binlog.Event) error, settings ...string) {
	events, _, rows, size := benchmarkLog(b, settings...)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		d := binlog.NewDecoder()
		seen := 0
		for _, raw := range events {
			err := d.Each(raw, func(e *binlog.Event) error {
				if e.Kind != binlog.RowsEvent {
					return nil
				}
				for {
					more, err := e.Rows.Next()
					if err != nil || !more {
						return err
					}
					if err := row(e); err != nil {
						return err
					}
					seen++
				}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		if seen != rows {
			b.Fatalf("there are %d rows", seen)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkRows finds the values of rows.
func BenchmarkRows(b *testing.B) {
	benchmark(b, func(*binlog.Event) error { return nil })
}

// BenchmarkCompressed finds the values of rows in compressed transactions.
func BenchmarkCompressed(b *testing.B) {
	benchmark(b, func(*binlog.Event) error { return nil }, "binlog_transaction_compression = 1")
}

// BenchmarkValues decodes them.
func BenchmarkValues(b *testing.B) {
	_, table, _, _ := benchmarkLog(b)
	row := make(change.Row, len(table.Columns))
	benchmark(b, func(e *binlog.Event) error {
		for i := range table.Columns {
			at := table.Ordinals[i]
			var err error
			if row[i], err = e.Table.Columns[at].Value(&table.Columns[i].Type, e.Rows.After[at].Data, asIs); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestAllocations reads rows without making garbage.
func TestAllocations(t *testing.T) {
	for _, file := range recorded(t, "*-values-usual.events") {
		d := binlog.NewDecoder()
		for _, raw := range file.events {
			err := d.Each(raw, func(e *binlog.Event) error {
				if e.Kind != binlog.RowsEvent {
					return nil
				}
				again := e.Rows
				if _, err := e.Rows.Next(); err != nil { // makes room for the cells
					return err
				}
				if n := testing.AllocsPerRun(10, func() {
					rows := again
					for {
						if more, err := rows.Next(); err != nil || !more {
							return
						}
					}
				}); n != 0 {
					t.Errorf("%s: rows of %s take %v allocations", file.name, e.Table.Name, n)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
