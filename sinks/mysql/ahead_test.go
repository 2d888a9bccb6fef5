package mysql_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

const aheadTables = `CREATE TABLE o (id bigint PRIMARY KEY, v varchar(20)); CREATE TABLE parents (id bigint PRIMARY KEY, v varchar(20));
CREATE TABLE children (id bigint PRIMARY KEY, parent bigint, FOREIGN KEY (parent) REFERENCES parents (id)); INSERT INTO parents VALUES (1, 'a')`

// newRows are many new rows of o.
func (f *fixture) newRows(from int64) (writes []sinks.Write) {
	for id := range int64(1200) {
		writes = append(writes, f.write("o", absent, otherRow(from+id, "v")))
	}
	return writes
}

// follow is the batch behind another one.
func (f *fixture) follow(b *sinks.Batch, writes ...sinks.Write) *sinks.Batch {
	next := f.batch(writes...)
	next.Prior = b.Marker.Apply
	return next
}

// written tells whether somebody has written a row of a table and not committed it.
func (f *fixture) written(t *testing.T, table string, id int64) bool {
	t.Helper()
	err := f.Do(context.Background(), fmt.Sprintf("SELECT id FROM %s WHERE id = %d FOR UPDATE NOWAIT", table, id))
	if code := store.Code(err); err != nil && code != 1205 && code != 3572 {
		t.Fatal(err)
	}
	return err != nil
}

func (f *fixture) prepare(t *testing.T, b *sinks.Batch, want bool) {
	t.Helper()
	f.sink.Prepare(context.Background(), b)
	w := b.Writes[0]
	if got := f.written(t, w.Table.Name, w.Key[0].Int64()); got != want {
		t.Errorf("the rows of batch %d were written ahead: %t, want %t", b.Marker.Apply, got, want)
	}
}

// TestPrepare has batches prepared behind others: they are seen in their turn, with the marker.
func TestPrepare(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		f.apply(t, nil, f.write("o", absent, otherRow(1, "v")))
		last := f.batch(f.newRows(10_000)...)
		f.prepare(t, last, true)
		for n := int64(2); n < 6; n++ {
			next := f.follow(last, f.newRows(n*10_000)...)
			waits := make(chan struct{})
			go func() { // it waits for the session of the one before
				defer close(waits)
				f.sink.Prepare(t.Context(), next)
			}()
			f.applied(t, last, nil)
			<-waits
			f.holds(t, "SELECT count(*), sum(id >= "+fmt.Sprint(n*10_000)+") FROM o", fmt.Sprintf("%d|0", 1+(n-1)*1200))
			f.holds(t, "SELECT tag, applied FROM cdcsync_link", fmt.Sprintf("%d|%d", last.Marker.Apply, last.Marker.Apply))
			if !f.written(t, "o", n*10_000) {
				t.Errorf("batch %d is not prepared", n)
			}
			last = next
		}
		f.applied(t, last, nil)
		f.holds(t, "SELECT count(*) FROM o", "6001")
		// Its turn has come before it was prepared.
		late := f.follow(last, f.newRows(100_000)...)
		f.applied(t, late, nil)
		f.do(t, "DELETE FROM o")
		f.prepare(t, late, false)
		// Not all of it is new, or it is too small.
		f.prepare(t, f.follow(late, append(f.newRows(1), f.write("o", anything, otherRow(1300, "v")))...), false)
		f.prepare(t, f.follow(late, f.newRows(1)[:10]...), false)
	})
}

// TestPrepareAtOnce has batches prepared and applied at once, whichever comes first.
func TestPrepareAtOnce(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		const batches = 40
		last := f.batch(f.newRows(0)...)
		f.applied(t, last, nil)
		var preparing sync.WaitGroup
		for n := int64(1); n <= batches; n++ {
			next := f.follow(last, f.newRows(n*10_000)...)
			preparing.Go(func() { f.sink.Prepare(t.Context(), next) })
			time.Sleep(time.Duration(n%8) * 20 * time.Microsecond)
			f.applied(t, next, nil)
			last = next
		}
		preparing.Wait()
		f.holds(t, "SELECT count(*) FROM o", fmt.Sprint((batches+1)*1200))
	})
}

// TestPrepareBehindSpoilt has a batch prepared behind one of which not all is done.
func TestPrepareBehindSpoilt(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		first := f.batch(f.write("o", change.Is(otherRow(1, "not there")), otherRow(1, "w")), f.write("o", absent, otherRow(2, "v")))
		void := f.follow(first, f.newRows(10_000)...)
		f.prepare(t, void, true)
		f.applied(t, first, verdicts(differs, done))
		if f.written(t, "o", 10_000) {
			t.Error("what is void is still written")
		}
		f.prepare(t, void, false) // too late
		again := f.batch(f.newRows(10_000)...)
		f.applied(t, again, nil)
		f.holds(t, "SELECT count(*) FROM o", "1201")
		for range 4 { // then it is tried again
			f.prepare(t, f.follow(again, f.newRows(20_000)...), false)
		}
		next := f.follow(again, f.newRows(20_000)...)
		f.prepare(t, next, true)
		f.applied(t, next, nil)
		f.holds(t, "SELECT count(*) FROM o", "2401")
	})
}

// TestPrepareInTheWay has a batch wait for a row that the next one has locked: it goes first all the same.
func TestPrepareInTheWay(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		first := f.batch(f.write("parents", change.Is(change.Row{num(1), text("a")}), change.Row{num(1), text("b")}))
		var children []sinks.Write
		for id := range int64(1200) {
			children = append(children, f.write("children", absent, change.Row{num(id), num(1)}))
		}
		next := f.follow(first, children...)
		f.prepare(t, next, true)
		_, err := f.sink.Apply(context.Background(), first)
		if change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "1205") {
			t.Fatalf("got %v, want a lock that lasts", err)
		}
		f.applied(t, first, nil)
		f.applied(t, next, nil)
		f.holds(t, "SELECT v, count(*) FROM parents JOIN children ON parent = parents.id GROUP BY v", "b|1200")
	})
}

// TestPrepareThere has a batch prepared whose rows are there.
func TestPrepareThere(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		f.apply(t, nil, f.write("o", absent, otherRow(1, "v")))
		f.do(t, "INSERT INTO o VALUES (10001, 'app')")
		b := f.batch(f.newRows(10_000)...)
		f.prepare(t, b, false)
		want := make([]sinks.Verdict, len(b.Writes))
		want[1] = differs
		f.applied(t, b, want)
		f.holds(t, "SELECT count(*), sum(v = 'app') FROM o", "1201|1")
	})
}

// TestPrepareLost has the session of what is prepared end, or the link be taken over, or the sink closed.
func TestPrepareLost(t *testing.T) {
	each(t, aheadTables, func(t *testing.T, f *fixture) {
		sessions := "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() ORDER BY id DESC LIMIT 1"
		f.apply(t, nil, f.write("o", absent, otherRow(1, "v")))
		first := f.batch(f.newRows(10_000)...)
		f.prepare(t, first, true)
		f.do(t, "KILL "+f.lines(t, sessions)[0])
		f.applied(t, first, nil)
		f.holds(t, "SELECT count(*) FROM o", "1201")
		f.holds(t, "SELECT tag, applied FROM cdcsync_link", "2|2")

		// The other session, which has nothing to do now, ends: the server does not wait for it for ever.
		f.do(t, "KILL "+f.lines(t, strings.Replace(sessions, "DESC", "ASC", 1))[0])
		next := f.follow(first, f.newRows(20_000)...)
		f.prepare(t, next, true)
		second := sink.New(f.store, "l")
		defer second.Close()
		if _, err := second.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.sink.Apply(context.Background(), next); change.ClassOf(err) != change.Fenced {
			t.Errorf("got %v", err)
		}
		if f.written(t, "o", 20_000) {
			t.Error("who was taken over has written something")
		}
		f.open(t)
		next = f.batch(f.newRows(30_000)...)
		f.prepare(t, next, true)
		if err := f.sink.Close(); err != nil {
			t.Fatal(err)
		}
		f.holds(t, "SELECT count(*) FROM o WHERE id BETWEEN 30000 AND 40000 FOR UPDATE", "0")
	})
}
