package mysql_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
)

const plainTables = "CREATE TABLE t (id bigint PRIMARY KEY, u bigint UNIQUE, v varchar(20)); CREATE TABLE o (id bigint PRIMARY KEY, v varchar(20))"

func uniqueRow(id, u int64, v string) change.Row { return change.Row{num(id), num(u), text(v)} }
func otherRow(id int64, v string) change.Row     { return change.Row{num(id), text(v)} }

// apply applies a batch in the background.
func (f *fixture) background(b *sinks.Batch) <-chan error {
	done := make(chan error, 1)
	go func() {
		r, err := f.sink.Apply(context.Background(), b)
		if err == nil {
			for _, o := range r.Outcomes {
				if o.Verdict != sinks.Done {
					err = errors.Join(err, errors.New(o.Verdict.String()), o.Err)
				}
			}
		}
		done <- err
	}()
	return done
}

// waits waits until some transaction of the server waits for a lock.
func (f *fixture) waits(t *testing.T) {
	t.Helper()
	other := newApplication(t, f.dsn)
	// The server shows what it had when it was asked last, if that is less than 100 ms ago.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(150 * time.Millisecond) {
		n, err := other.Int(context.Background(), "SELECT count(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'")
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nobody waits for a lock")
}

// TestDeadlock has an application lock rows in another order: whoever is chosen, nothing is
// half written, and the batch goes through when it comes again.
func TestDeadlock(t *testing.T) {
	each(t, plainTables+"; INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'a'); INSERT INTO o SELECT seq.id, 'a' FROM (WITH RECURSIVE s (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM s WHERE id < 500) SELECT id FROM s) seq",
		func(t *testing.T, f *fixture) {
			b := f.batch(f.write("o", absent, otherRow(1000, "new")),
				f.write("t", change.Is(uniqueRow(1, 1, "a")), uniqueRow(1, 1, "b")), f.write("t", change.Is(uniqueRow(2, 2, "a")), uniqueRow(2, 2, "b")))
			app := newApplication(t, f.dsn)
			app.do(t, "START TRANSACTION; UPDATE o SET v = 'heavy'; UPDATE t SET v = v WHERE id = 2; SELECT * FROM t WHERE id = 2 FOR UPDATE")
			result := f.background(b)
			f.waits(t)
			appErr := app.Do(context.Background(), "UPDATE t SET v = 'x' WHERE id = 1")
			var sinkErr error
			if appErr == nil { // the sink was chosen, being lighter
				sinkErr = <-result
				if change.ClassOf(sinkErr) != change.Transient {
					t.Fatalf("got %v, want a transient error", sinkErr)
				}
				app.do(t, "ROLLBACK")
				f.holds(t, "SELECT count(*) FROM o WHERE id = 1000 UNION ALL SELECT applied FROM cdcsync_link", "0", "0")
				f.holds(t, "SELECT v FROM t ORDER BY id", "a", "a")
				result = f.background(b)
			}
			if err := <-result; err != nil {
				t.Fatal(err)
			}
			f.holds(t, "SELECT id, v FROM t ORDER BY id", "1|b", "2|b")
			f.holds(t, "SELECT v FROM o WHERE id = 1000", "new")
		})
}

// TestLockTimeout has an application hold a unique value for longer than the sink waits: what
// was written before the statement that fails goes with it.
func TestLockTimeout(t *testing.T) {
	each(t, plainTables, func(t *testing.T, f *fixture) {
		app := newApplication(t, f.dsn)
		app.do(t, "START TRANSACTION; INSERT INTO t VALUES (9, 7, 'app')")
		f.marker.Upto = "read"
		b := f.batch(f.write("o", absent, otherRow(1, "new")), f.write("t", absent, uniqueRow(1, 7, "sink")))
		if err := <-f.background(b); change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "1205") {
			t.Fatalf("got %v", err)
		}
		f.holds(t, "SELECT count(*) FROM o UNION ALL SELECT tag FROM cdcsync_link UNION ALL SELECT applied FROM cdcsync_link", "0", "0", "0")
		app.do(t, "ROLLBACK")
		if err := <-f.background(b); err != nil {
			t.Fatal(err)
		}
		f.holds(t, "SELECT * FROM t", "1|7|sink")
	})
}

// TestCommitLost loses the COMMIT, and the answer to it: the batch is written once.
func TestCommitLost(t *testing.T) {
	each(t, plainTables+"; CREATE TABLE log (id bigint AUTO_INCREMENT PRIMARY KEY); CREATE TRIGGER count_them AFTER INSERT ON o FOR EACH ROW INSERT INTO log VALUES ()",
		func(t *testing.T, f *fixture) {
			p, dsn := newProxy(t, f.dsn)
			f.sink = sink.New(openStore(t, dsn), "l")
			defer f.sink.Close()
			f.open(t)
			number := int64(0)
			for _, lose := range []int32{loseNothing, loseCommit, loseAnswer, loseNothing} {
				p.lose.Store(lose)
				number++
				b := f.batch(f.write("o", absent, otherRow(number, "v")), f.write("o", absent, otherRow(1000, "v")), f.write("t", change.Is(uniqueRow(1, 1, "")), nil))
				b.Writes[0].Conflict = &checkpoint.Conflict{Pair: "o", Key: b.Writes[0].Key, Winner: "left"}
				r, err := f.sink.Apply(context.Background(), b)
				if err != nil {
					if change.ClassOf(err) != change.Transient {
						t.Fatal(err)
					}
					if r, err = f.sink.Apply(context.Background(), b); err != nil {
						t.Fatal(err)
					}
				}
				f.marker = b.Settled(r.Outcomes)
				f.compare(t, verdicts(done, [...]sinks.Verdict{done, differs}[min(number-1, 1)], differs), r.Outcomes)
			}
			f.holds(t, "SELECT count(*) FROM log", "5")
			f.holds(t, "SELECT count(*) FROM cdcsync_conflict", "4")
			f.open(t)
			if f.marker.Apply != uint64(number) {
				t.Errorf("the marker has the number %d, want %d", f.marker.Apply, number)
			}
		})
}

// TestServerRestarts restarts the server between batches, and kills it in the middle of one.
func TestServerRestarts(t *testing.T) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			server := s.private(t, nil)
			f := newFixture(t, server.Database(t).DSN, plainTables)
			f.apply(t, nil, f.write("o", absent, otherRow(1, "v")))
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
			b := f.batch(f.write("o", absent, otherRow(2, "v")))
			if _, err := f.sink.Apply(context.Background(), b); change.ClassOf(err) != change.Transient {
				t.Fatalf("got %v, want a transient error", err)
			}
			if err := server.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := <-f.background(b); err != nil {
				t.Fatal(err)
			}
			f.marker = b.Marker
			app := newApplication(t, f.dsn)
			app.do(t, "START TRANSACTION; INSERT INTO t VALUES (9, 7, 'app')")
			b = f.batch(f.write("o", absent, otherRow(3, "v")), f.write("t", absent, uniqueRow(1, 7, "sink")))
			result := f.background(b)
			f.waits(t)
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := <-result; change.ClassOf(err) != change.Transient {
				t.Fatalf("got %v, want a transient error", err)
			}
			if err := server.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
			f.application = newApplication(t, f.dsn)
			f.holds(t, "SELECT id FROM o ORDER BY id", "1", "2")
			if err := <-f.background(b); err != nil {
				t.Fatal(err)
			}
			f.holds(t, "SELECT id FROM o ORDER BY id", "1", "2", "3")
			f.holds(t, "SELECT * FROM t", "1|7|sink")
		})
	}
}

// TestTakeOver opens a second instance while the first is in a transaction: it waits for that,
// and then the first writes nothing more.
func TestTakeOver(t *testing.T) {
	each(t, plainTables, func(t *testing.T, f *fixture) {
		app := newApplication(t, f.dsn)
		app.do(t, "START TRANSACTION; INSERT INTO t VALUES (9, 7, 'app')")
		result := f.background(f.batch(f.write("o", absent, otherRow(1, "v")), f.write("t", absent, uniqueRow(1, 7, "sink"))))
		f.waits(t)
		second := sink.New(f.store, "l")
		defer second.Close()
		opened := make(chan checkpoint.Marker, 1)
		go func() {
			m, err := second.Open(context.Background())
			if err != nil {
				t.Error(err)
			}
			opened <- m
		}()
		app.do(t, "ROLLBACK")
		if err := <-result; err != nil && change.ClassOf(err) != change.Fenced {
			t.Fatal(err)
		}
		if m := <-opened; m.Epoch <= f.marker.Epoch {
			t.Errorf("epoch %d after %d", m.Epoch, f.marker.Epoch)
		}
		if _, err := f.sink.Apply(context.Background(), f.batch(f.write("o", absent, otherRow(2, "v")))); change.ClassOf(err) != change.Fenced {
			t.Errorf("got %v", err)
		}
		f.holds(t, "SELECT count(*) FROM o WHERE id = 2", "0")
	})
}

// TestTagFirst reads in the log that the row of the link is the first that a transaction with
// rows changes, and that a marker alone does not look like it.
func TestTagFirst(t *testing.T) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t, s.private(t, nil).Database(t).DSN, plainTables)
			f.apply(t, nil, f.write("o", absent, otherRow(1, "v")))
			f.do(t, "FLUSH BINARY LOGS")
			logs := f.lines(t, "SHOW BINARY LOGS")
			file, _, _ := strings.Cut(logs[len(logs)-1], "|")
			f.apply(t, nil, f.write("o", change.Is(otherRow(1, "v")), otherRow(1, "w")), f.write("t", absent, uniqueRow(1, 1, "v")))
			f.apply(t, nil, f.write("o", change.Is(otherRow(1, "w")), otherRow(1, "w"))) // nothing changes
			// The marker is as it was, so that nothing is written.
			f.apply(t, verdicts(differs, refused), f.write("o", absent, otherRow(1, "w")), f.write("t", anything, uniqueRow(2, 1, "w")))
			f.marker.Upto = "on"
			f.apply(t, nil)
			var got []string
			for _, line := range f.lines(t, "SHOW BINLOG EVENTS IN '"+file+"'") {
				part := strings.Split(line, "|")
				kind, info := strings.ToLower(part[2]), part[5]
				switch {
				case strings.Contains(kind, "gtid"):
					got = append(got, "|")
				case kind == "table_map":
					got = append(got, info[strings.LastIndex(info, ".")+1:strings.LastIndex(info, ")")])
				}
			}
			got = slices.Compact(got)
			want := "| cdcsync_link o t cdcsync_link | cdcsync_link | cdcsync_link"
			if text := strings.Join(got, " "); text != want {
				t.Errorf("the log has %s\nwant        %s", text, want)
			}
			f.holds(t, "SELECT tag, applied FROM cdcsync_link", "3|3")
		})
	}
}

// TestLocksNoOthers writes most rows of a small table while an application has locked another
// one of them.
func TestLocksNoOthers(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, u bigint UNIQUE, v varchar(20)); CREATE TABLE p (a bigint, b varchar(9) COLLATE utf8mb4_bin, v varchar(20), PRIMARY KEY (b, a))", func(t *testing.T, f *fixture) {
		const rows = 60
		pair := func(i int64, v string) change.Row { return change.Row{num(i), text("b"), text(v)} }
		var inserts, updates, puts, deletes []sinks.Write
		for i := range int64(rows) {
			inserts = append(inserts, f.write("t", absent, uniqueRow(i, i, "a")), f.write("p", absent, pair(i, "a")))
			if i == 30 {
				continue
			}
			updates = append(updates, f.write("t", change.Is(uniqueRow(i, i, "a")), uniqueRow(i, i, "b")), f.write("p", anything, pair(i, "b")))
			puts = append(puts, f.write("t", anything, uniqueRow(i, i, "c")), f.write("p", change.Is(pair(i, "b")), pair(i, "b")))
			deletes = append(deletes, f.write("t", change.Is(uniqueRow(i, i, "c")), nil), sinks.Write{Table: f.have["p"], Key: change.Row{text("b"), num(i)}})
		}
		f.apply(t, nil, inserts...)
		app := newApplication(t, f.dsn)
		app.do(t, "START TRANSACTION; UPDATE t SET v = 'app' WHERE id = 30; UPDATE p SET v = 'app' WHERE a = 30 AND b = 'b'")
		f.apply(t, nil, updates...)
		f.apply(t, nil, puts...)
		f.apply(t, nil, deletes...)
		app.do(t, "COMMIT")
		f.holds(t, "SELECT id, v FROM t", "30|app")
		f.holds(t, "SELECT a, v FROM p", "30|app")
	})
}
