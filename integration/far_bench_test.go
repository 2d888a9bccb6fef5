package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
)

// BenchmarkFar is a two-way link of a hundred tables without rows between two servers that are 20 ms away,
// there and back: how long it takes to set it up, to start it, and until all tables were compared, and
// for how long an application beside the server waits for a table meanwhile.
func BenchmarkFar(b *testing.B) {
	const tables, oneWay = 100, 10
	options := servers.Options{NoSync: true}
	var schema, names []string
	for i := range tables {
		names = append(names, fmt.Sprintf("t%03d", i))
		schema = append(schema, "CREATE TABLE "+names[i]+" (id int PRIMARY KEY, a int, b varchar(40))")
	}
	newest := func(versions []string) string { return versions[len(versions)-1] }
	for _, engine := range []struct {
		name  string
		start func() *servers.Server
	}{
		{"postgres", func() *servers.Server { return pool.Private(b, newest(servers.Versions()), options) }},
		{"mysql", func() *servers.Server { return pool.PrivateMySQL(b, newest(servers.MySQLVersions()), options) }},
		{"mariadb", func() *servers.Server { return pool.PrivateMariaDB(b, newest(servers.MariaDBVersions()), options) }},
	} {
		b.Run(engine.name, func(b *testing.B) {
			on := [2]*servers.Server{engine.start(), engine.start()}
			for b.Loop() {
				var near, far [2]site
				for s := range on {
					near[s] = benchDatabase(b, on[s], engine.name, schema)
					far[s] = near[s]
					n := behind(b, &far[s])
					for _, direction := range []string{"upstream", "downstream"} {
						n.toxic("latency", direction, map[string]int{"latency": oneWay})
					}
					far[s].dsn = far[s].given()
				}
				waited := longestWait(b, near[0], "UPDATE t000 SET a = 1 WHERE id = 5")
				began := time.Now()
				d := newDuo(b, far, [2]bool{true, true}, router.InitialMerge, names...)
				setUp := time.Since(began)
				locked := waited()

				began = time.Now()
				link, stop := d.run()
				started := time.Duration(0)
				for live := false; !live; time.Sleep(5 * time.Millisecond) {
					s := link.Status()
					if started == 0 && len(s.Tables) == tables && s.State != router.Starting {
						started = time.Since(began)
					}
					live = started > 0 && !slices.ContainsFunc(s.Tables, func(t router.TableStatus) bool { return t.Stage != checkpoint.Live })
				}
				b.ReportMetric(setUp.Seconds(), "setup-s")
				b.ReportMetric(float64(locked.Microseconds())/1000, "locked-ms")
				b.ReportMetric(started.Seconds(), "start-s")
				b.ReportMetric((time.Since(began) - started).Seconds(), "contact-s")
				stop()
			}
		})
	}
}

// longestWait has an application run a statement again and again. What it returns ends that, and says
// how long it waited at most.
func longestWait(b *testing.B, at site, statement string) func() time.Duration {
	b.Helper()
	db, err := at.open()
	if err != nil {
		b.Fatal(err)
	}
	quit, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		most := time.Duration(0)
		for {
			began := time.Now()
			if _, err := db.Exec(statement); err != nil {
				b.Errorf("the application: %v", err)
			}
			most = max(most, time.Since(began))
			select {
			case <-quit:
				longest <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() time.Duration {
		close(quit)
		most := <-longest
		if err := db.Close(); err != nil {
			b.Error(err)
		}
		return most
	}
}
