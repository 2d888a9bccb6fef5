package integration

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// BenchmarkPostgresCost measures where the time of processors goes while a backlog is carried from
// one PostgreSQL to another, one way and both: in this process, and in the sessions of the servers,
// in microseconds for each change. A profile of one of them is had by -cpuprofile.
func BenchmarkPostgresCost(b *testing.B) {
	rows := drainRows(b)
	for _, version := range benchVersions() {
		on := fastServers(b, version)
		for _, load := range backlogs[:3] {
			for name, writes := range map[string][2]bool{"one-way": {false, true}, "two-way": {true, true}} {
				b.Run(version+"/"+load.name+"/"+name, func(b *testing.B) {
					for b.Loop() {
						d := load.duo(b, on, writes)
						changes := load.fill(d, rows)
						took, spent := d.costs()
						d.same()
						b.ReportMetric(float64(changes)/took.Seconds(), name+"-rows/s")
						b.ReportMetric(float64(took.Microseconds())/float64(changes), "took-us")
						for who, time := range spent {
							b.ReportMetric(float64(time.Microseconds())/float64(changes), who+"-cpu-us")
						}
					}
				})
			}
		}
	}
}

// costs runs the link between two PostgreSQL until everything that waits is on the other side, and
// returns how long that took, and the processor time of this process and of the servers' by what
// they do: sending the log, what clients asked for, and the rest.
func (d *duo) costs() (took time.Duration, spent map[string]time.Duration) {
	d.tb.Helper()
	runtime.GC()
	before, own := d.serverTimes(), processorTime(os.Getpid())
	begin := time.Now()
	link, stop := d.run()
	d.must(link.Barrier(context.Background()))
	took = time.Since(begin)
	spent = map[string]time.Duration{"own": processorTime(os.Getpid()) - own}
	for p, used := range d.serverTimes() {
		spent[p.side.String()+"-"+p.does] += used - before[p]
	}
	stop()
	return took, spent
}

// serverProcess is a process of a server.
type serverProcess struct {
	side change.Side
	pid  int
	does string
}

// serverTimes are the processor times of the servers' processes.
func (d *duo) serverTimes() map[serverProcess]time.Duration {
	d.tb.Helper()
	times := map[serverProcess]time.Duration{}
	for side := range d.sites {
		db, err := d.sites[side].open()
		d.must(err)
		rows, err := db.Query("SELECT pid, backend_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		d.must(err)
		for rows.Next() {
			p := serverProcess{side: change.Side(side)}
			d.must(rows.Scan(&p.pid, &p.does))
			switch p.does {
			case "client backend":
				p.does = "sessions"
			case "walsender":
			default:
				p.does = "rest"
			}
			times[p] = processorTime(p.pid)
		}
		d.must(rows.Err())
		d.must(db.Close())
	}
	return times
}
