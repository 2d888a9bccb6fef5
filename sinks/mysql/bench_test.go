package mysql_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

const benchColumns = "(id bigint PRIMARY KEY, account integer, amount decimal(12,2), name varchar(100), at datetime(6), payload text)"

func benchRow(i, round int) change.Row {
	return change.Row{num(int64(i)), num(int64((i + round) % 1000)), change.Str(change.Decimal, fmt.Sprintf("%d.%02d", i, round%100)),
		text(fmt.Sprintf("customer number %d", i)), change.Str(change.Timestamp, fmt.Sprintf("2024-02-%02d 12:%02d:00.%05d1", i%28+1, round%60, i%100000)),
		text(fmt.Sprintf(`{"a": %d, "b": "text", "c": [1, 2, 3], "g": %d}`, i, round))}
}

// plain writes rows as a program does that knows what it is doing: upserts of many rows at
// once.
func plain(b *testing.B, a *application, types []store.Column, rows []change.Row) {
	const most = 1000
	a.do(b, "START TRANSACTION")
	for len(rows) > 0 {
		part := rows[:min(most, len(rows))]
		rows = rows[len(part):]
		sql := []byte("INSERT INTO plain VALUES ")
		for i, row := range part {
			for c, v := range row {
				sep := ", "
				if c == 0 {
					if sep = ", ("; i == 0 {
						sep = "("
					}
				}
				sql = types[c].AppendLiteral(append(sql, sep...), v)
			}
			sql = append(sql, ')')
		}
		sql = append(sql, " ON DUPLICATE KEY UPDATE account = VALUES(account), amount = VALUES(amount), name = VALUES(name), at = VALUES(at), payload = VALUES(payload)"...)
		a.do(b, string(sql))
	}
	a.do(b, "COMMIT")
}

// BenchmarkApply writes rows in batches of several sizes: new ones, changed ones on condition,
// any on none, and deletes on condition. The ratio is to the plain upsert of the same rows.
func BenchmarkApply(b *testing.B) {
	for _, s := range matrix() {
		for _, size := range []int{1, 4, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
				settings := map[string]string{"innodb_buffer_pool_size": "256M"}
				benchApply(b, s.private(b, settings).Database(b).DSN, size)
			})
		}
	}
}

func benchApply(b *testing.B, dsn string, size int) {
	f := newFixture(b, dsn, "CREATE TABLE t "+benchColumns+"; CREATE TABLE plain "+benchColumns)
	other := newApplication(b, dsn)
	have, err := other.Catalogue(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	total := min(40_000, 500*size)
	took := map[string]time.Duration{}
	round := 0
	for range b.N {
		f.do(b, "TRUNCATE t; TRUNCATE plain")
		var before []change.Row
		for _, phase := range []string{"insert", "update", "put", "delete"} {
			round++
			now := make([]change.Row, total)
			for i := range now {
				now[i] = benchRow(i, round)
			}
			for start := 0; start < total; start += size {
				var writes []sinks.Write
				for i := start; i < min(start+size, total); i++ {
					w := sinks.Write{Table: f.have["t"], Key: now[i][:1], Expect: absent, New: now[i]}
					switch phase {
					case "update":
						w.Expect = change.Is(before[i])
					case "put":
						w.Expect = anything
					case "delete":
						w.Expect, w.New = change.Is(before[i]), nil
					}
					writes = append(writes, w)
				}
				began := time.Now()
				f.apply(b, nil, writes...)
				took[phase] += time.Since(began)
				if phase != "delete" {
					began = time.Now()
					plain(b, other, have["plain"].Columns, now[start:min(start+size, total)])
					took["plain "+phase] += time.Since(began)
				}
			}
			before = now
		}
	}
	n := float64(total * b.N)
	for _, phase := range []string{"insert", "update", "put", "delete"} {
		b.ReportMetric(n/took[phase].Seconds(), phase+"/s")
		if plain := took["plain "+phase]; plain > 0 {
			b.ReportMetric(plain.Seconds()/took[phase].Seconds(), phase+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op")
}
