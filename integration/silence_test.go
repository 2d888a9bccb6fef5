package integration

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/liveness"
)

// forgetfully puts a wire before the server of a site. What it returns makes it forget the
// connections that are open: what is sent on them is taken, and goes nowhere. New ones it carries.
func forgetfully(t *testing.T, s *site) (forget func()) {
	w := wired(t, s)
	return func() {
		forgotten := w.made.Load()
		w.asks(func(c *wireConn, _ bool, _ []byte) (int, func()) {
			if c.number <= forgotten {
				return lost, nil
			}
			return whole, nil
		})
	}
}

// silenced is the store of one engine, and what the program has open there.
type silenced struct {
	t     *testing.T
	site  site
	end   end
	table *change.Table
	router.Store
	marker checkpoint.Marker
}

// shortly are limits for tests.
var shortly = liveness.Limits{Silence: 5 * time.Second, Ask: 3 * time.Second, Again: time.Second}

// silence sets a link up at a site with a way to it that dies, and opens it.
func silence(t *testing.T, at site) *silenced {
	t.Helper()
	through := at
	through.dsn = at.given()
	s := &silenced{t: t, site: at, end: openEnd(t, through)}
	switch e := s.end.(type) {
	case postgresEnd:
		e.Limit(shortly)
	case mysqlEnd:
		e.Limit(shortly)
	}
	s.exec("CREATE TABLE item (id bigint PRIMARY KEY, v varchar(100))")
	tables, err := s.end.tables()
	s.must(err)
	for name, table := range tables {
		if name == "item" || name == "public.item" {
			s.table = table
		}
	}
	s.must(s.end.setup([]*change.Table{s.table}, true, true))
	s.Store = s.end.open([]*change.Table{s.table}, true, true)
	t.Cleanup(func() {
		for _, c := range []io.Closer{s.Source, s.Looker, s.Sink} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	s.marker, err = s.Sink.Open(t.Context())
	s.must(err)
	s.must(s.Source.Start(t.Context(), ""))
	return s
}

func (s *silenced) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *silenced) exec(statement string) {
	s.t.Helper()
	db, err := s.site.open()
	s.must(err)
	_, err = db.Exec(statement)
	s.must(err)
	s.must(db.Close())
}

func (s *silenced) row(id int64) change.Row { return change.Row{change.Int(id), change.TextValue("x")} }

// batch inserts a row.
func (s *silenced) batch(id int64) *sinks.Batch {
	marker := s.marker
	marker.Apply++
	return &sinks.Batch{Marker: marker, Prior: s.marker.Apply, Writes: []sinks.Write{{
		Table: s.table, Key: s.table.KeyOf(s.row(id)), Expect: change.Is(nil), New: s.row(id),
	}}}
}

// apply writes a row.
func (s *silenced) apply(ctx context.Context, id int64) error {
	b := s.batch(id)
	result, err := s.Sink.Apply(ctx, b)
	if err == nil {
		if v := result.Outcomes[0].Verdict; v != sinks.Done {
			s.t.Errorf("row %d: %s", id, v)
		}
		s.marker = b.Settled(result.Outcomes)
	}
	return err
}

func (s *silenced) look(ctx context.Context) error {
	_, err := s.Looker.Look(ctx, s.table, []change.Row{s.table.KeyOf(s.row(1))})
	return err
}

// read reads the log until it tells of row id, and returns behind what to go on after an error.
func (s *silenced) read(ctx context.Context, id int64, from change.Position) (change.Position, error) {
	for {
		tx, err := s.Source.Next(ctx)
		if err != nil {
			return from, err
		}
		from = tx.Position
		if slices.ContainsFunc(tx.Changes, func(c change.Change) bool { return c.Key[0].Kind() == change.Int64 && c.Key[0].Int64() == id }) {
			return from, nil
		}
	}
}

// silentSites are one server of each engine; with CDCSYNC_FAULTS one of each version.
func silentSites(t *testing.T) map[string]site {
	sites := map[string]site{}
	add := func(engine string, versions []string, server func(testing.TB, string) *servers.Server) {
		if os.Getenv("CDCSYNC_FAULTS") == "" {
			versions = versions[len(versions)-1:]
		}
		for _, v := range versions {
			sites[engine+" "+v] = site{engine: engine, server: server(t, v)}
		}
	}
	add("postgres", servers.Versions(), pool.Postgres)
	add("mysql", servers.MySQLVersions(), pool.MySQL)
	add("mariadb", servers.MariaDBVersions(), pool.MariaDB)
	return sites
}

// TestDeadWithoutASign has connections die without a sign, everyone's and those that are open: whoever
// reads the log, writes, or looks finds out, and goes on once there is a way again.
func TestDeadWithoutASign(t *testing.T) {
	t.Parallel()
	dies := map[string]func(t *testing.T, s *site) (die, heal func()){
		"what is sent": func(t *testing.T, s *site) (die, heal func()) {
			n := behind(t, s)
			return func() { n.toxic("timeout", "upstream", map[string]int{"timeout": 0}) }, n.heal
		},
		"what is answered": func(t *testing.T, s *site) (die, heal func()) {
			n := behind(t, s)
			return func() { n.toxic("timeout", "downstream", map[string]int{"timeout": 0}) }, n.heal
		},
		"forgotten": func(t *testing.T, s *site) (die, heal func()) {
			return forgetfully(t, s), func() {}
		},
	}
	for name, at := range silentSites(t) {
		for way, prepare := range dies {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				at := at
				at.dsn = at.server.Database(t).DSN // each its own
				die, heal := prepare(t, &at)
				s := silence(t, at)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				s.must(s.apply(ctx, 1))
				s.must(s.look(ctx))
				s.exec("INSERT INTO item VALUES (2, 'local')")
				from, err := s.read(ctx, 2, "")
				s.must(err)

				die()
				s.exec("INSERT INTO item VALUES (4, 'local')")
				written, looked, read := make(chan error, 1), make(chan error, 1), make(chan error, 1)
				go func() { written <- s.apply(ctx, 3) }()
				go func() { looked <- s.look(ctx) }()
				go func() {
					var err error
					from, err = s.read(ctx, 4, from)
					read <- err
				}()
				// What is done may have been done over a new connection. What is read need not be
				// asked for, so where only that is lost it comes through.
				done, seen := found(t, <-written), found(t, <-looked)
				told := found(t, <-read)
				if way != "forgotten" && (done || seen) || way != "what is sent" && told {
					t.Errorf("written %t, looked %t, read %t", done, seen, told)
				}
				heal()

				if !told {
					s.must(s.Source.Start(ctx, from))
					_, err = s.read(ctx, 4, from)
					s.must(err)
				}
				if !done {
					s.must(eventually(ctx, func() error { return s.apply(ctx, 3) }))
				}
				s.must(eventually(ctx, func() error { return s.look(ctx) }))
				s.complete()
			})
		}
	}
}

// found tells whether something was done all the same; otherwise it has to have been given up.
func found(t *testing.T, err error) (done bool) {
	t.Helper()
	if err != nil {
		t.Log(err)
		if change.ClassOf(err) != change.Transient {
			t.Errorf("it ended with %v", err)
		}
	}
	return err == nil
}

// eventually does something until it succeeds, or fails for good.
func eventually(ctx context.Context, do func() error) error {
	for {
		err := do()
		if change.ClassOf(err) != change.Transient || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// complete checks that rows 1 to 4 are there.
func (s *silenced) complete() {
	s.t.Helper()
	db, err := s.site.open()
	s.must(err)
	var rows int
	s.must(db.QueryRow("SELECT count(*) FROM item WHERE id BETWEEN 1 AND 4").Scan(&rows))
	if rows != 4 {
		s.t.Errorf("%d rows", rows)
	}
	s.must(db.Close())
}

// TestSilentAtWork has a server be silent for several times the limit because it is at work, or
// waits for a lock, or because nothing happens: nobody gives it up.
func TestSilentAtWork(t *testing.T) {
	t.Parallel()
	for name, at := range silentSites(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at.dsn = at.server.Database(t).DSN
			s := silence(t, at)
			const long = "13"
			quiet := make(chan error, 1)
			go func() {
				_, err := s.read(t.Context(), 2, "")
				quiet <- err
			}()
			switch e := s.end.(type) {
			case postgresEnd:
				conn, err := e.Connect(t.Context(), nil)
				s.must(err)
				s.must(conn.Do(t.Context(), "SELECT pg_sleep("+long+")"))
				s.must(conn.Close())
			case mysqlEnd:
				conn, err := e.Connect(t.Context())
				s.must(err)
				s.must(conn.Do(t.Context(), "SELECT SLEEP("+long+")"))
				s.must(conn.Close())
			}
			select {
			case err := <-quiet:
				t.Fatalf("reading a log in which nothing happens ended with %v", err)
			default:
			}
			s.exec("INSERT INTO item VALUES (2, 'local')")
			s.must(<-quiet)
			s.must(s.apply(t.Context(), 1))
		})
	}
}
