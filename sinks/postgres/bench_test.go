package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

const benchColumns = "(id bigint PRIMARY KEY, account integer, amount numeric(12,2), name text, at timestamptz, payload jsonb)"

func benchRow(i, round int) change.Row {
	return change.Row{num(int64(i)), num(int64((i + round) % 1000)), change.Str(change.Decimal, fmt.Sprintf("%d.%02d", i, round%100)),
		text(fmt.Sprintf("customer number %d", i)), change.Str(change.TimestampUTC, fmt.Sprintf("2024-02-%02d 12:%02d:00.%06dZ", i%28+1, round%60, i%1000000)),
		change.Str(change.JSON, fmt.Sprintf(`{"a": %d, "b": "text", "c": [1, 2, 3], "g": %d}`, i, round))}
}

// plain writes rows as a program does that knows what it is doing: prepared upserts of many
// rows at once.
func plain(b *testing.B, conn *store.Conn, rows []change.Row) {
	const most = 500
	ctx := context.Background()
	if err := conn.Do(ctx, "BEGIN"); err != nil {
		b.Fatal(err)
	}
	for len(rows) > 0 {
		part := rows[:min(most, len(rows))]
		rows = rows[len(part):]
		var sql strings.Builder
		sql.WriteString("INSERT INTO plain VALUES ")
		var values [][]byte
		for i, row := range part {
			for c, v := range row {
				sep := []string{", ", ", (", "("}
				at := 0
				if c == 0 {
					if at = 1; i == 0 {
						at = 2
					}
				}
				values = append(values, store.AppendText(nil, v))
				fmt.Fprintf(&sql, "%s$%d", sep[at], len(values))
			}
			sql.WriteByte(')')
		}
		sql.WriteString(" ON CONFLICT (id) DO UPDATE SET account = excluded.account, amount = excluded.amount, name = excluded.name, at = excluded.at, payload = excluded.payload")
		d, err := conn.Prepared(ctx, sql.String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.ExecPrepared(ctx, d.Name, values, nil, nil).Close(); err != nil {
			b.Fatal(err)
		}
	}
	if err := conn.Do(ctx, "COMMIT"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSink writes rows in batches of several sizes: new ones, changed ones on condition,
// any on none, and deletes on condition. The ratio is to the plain upsert of the same rows.
func BenchmarkSink(b *testing.B) {
	for _, version := range servers.Versions() {
		for _, size := range []int{1, 10, 100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", version, size), func(b *testing.B) { benchSink(b, version, size) })
		}
	}
}

func benchSink(b *testing.B, version string, size int) {
	dsn := pool.Postgres(b, version).Database(b).DSN
	cleanUp(b, openStore(b, dsn), "l")
	f := newFixture(b, dsn, "CREATE TABLE t "+benchColumns+"; CREATE TABLE plain "+benchColumns)
	other := newApplication(b, dsn)
	total := min(20_000, 300*size)
	took := map[string]time.Duration{}
	rows := 0
	for range b.N {
		f.do(b, "TRUNCATE t, plain")
		var before []change.Row
		for _, phase := range []string{"insert", "update", "put", "delete"} {
			f.do(b, "VACUUM t")
			f.do(b, "VACUUM plain")
			rows++
			now := make([]change.Row, total)
			for i := range now {
				now[i] = benchRow(i, rows)
			}
			for start := 0; start < total; start += size {
				var writes []sinks.Write
				for i := start; i < min(start+size, total); i++ {
					w := sinks.Write{Table: f.have["t"], Key: now[i][:1], Expect: absent, New: now[i]}
					switch phase {
					case "update":
						w.Expect = change.Is(before[i])
					case "put":
						w.Expect = change.Image{}
					case "delete":
						w.Expect, w.New = change.Is(before[i]), nil
					}
					writes = append(writes, w)
				}
				began := time.Now()
				f.apply(b, nil, writes...)
				took[phase] += time.Since(began)
				if phase == "insert" || phase == "put" {
					began = time.Now()
					plain(b, other.Conn, now[start:min(start+size, total)])
					took["plain "+phase] += time.Since(began)
				}
			}
			before = now
		}
	}
	n := float64(total * b.N)
	for _, phase := range []string{"insert", "update", "put", "delete"} {
		b.ReportMetric(n/took[phase].Seconds(), phase+"/s")
	}
	b.ReportMetric(took["plain insert"].Seconds()/took["insert"].Seconds(), "insert-ratio")
	b.ReportMetric(took["plain put"].Seconds()/took["put"].Seconds(), "put-ratio")
	b.ReportMetric(0, "ns/op")
}
