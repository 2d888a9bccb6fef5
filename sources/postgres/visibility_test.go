package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/postgres"
	"github.com/cdcsync/cdcsync/stores/postgres/postgrestest"
)

// A commit that waits for a standby is in the log and not visible: a look beside it waits, if
// the log was read by then, or says that it does not show it.
func TestLookBeforeVisible(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := private(t, version, map[string]string{"synchronous_commit": "local"})
		f.insert(1)
		f.want(row(1))
		f.exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
		f.exec("SELECT pg_reload_conf()")
		eventually(t, "a standby is waited for", func() bool { return f.query("SHOW synchronous_standby_names") == "nobody" })
		looker := source.NewLooker(f.store, "l", f.window)
		defer looker.Close()
		apart := source.NewLooker(f.store, "l", nil) // reads what another process does
		defer apart.Close()
		look := func(l *source.Looker, d time.Duration, ids ...int64) (sources.Look, error) {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			var keys []change.Row
			for _, id := range ids {
				keys = append(keys, change.Row{change.Int(id)})
			}
			return l.Look(ctx, f.table("t"), keys)
		}

		waiting := make(chan struct{})
		writer := newApplication(f)
		writer.Exec(t, "SET synchronous_commit = on")
		go func() {
			defer close(waiting)
			writer.Exec(t, "INSERT INTO t VALUES (2, 'v')")
		}()
		eventually(t, "the commit waits", func() bool {
			return f.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
		})

		before, err := look(looker, patience, 1, 2) // nothing was given out yet
		if err != nil || before.Rows[0] == nil || before.Rows[1] != nil {
			t.Fatalf("a look shows %v, %v", before.Rows, err)
		}
		f.want(row(2)) // it is in the log
		second := f.at
		if f.source.Reached(before.At, second) {
			t.Errorf("the look at %q says that it shows %q", before.At, second)
		}
		f.insert(3)
		f.want(row(3))
		third := f.at

		if late, err := look(looker, time.Second, 1, 2); err == nil {
			t.Errorf("a look behind %q did not wait, it shows %v", second, late.Rows)
		}
		other, err := look(apart, patience, 1, 2, 3)
		if err != nil || other.Rows[1] != nil || other.Rows[2] == nil {
			t.Fatalf("a look apart shows %v, %v", other.Rows, err)
		}
		if f.source.Reached(other.At, second) || !f.source.Reached(other.At, third) {
			t.Errorf("the look at %q: shows %q is %v, %q is %v", other.At, second, f.source.Reached(other.At, second), third, f.source.Reached(other.At, third))
		}
		if head, err := apart.Head(context.Background()); err != nil || !f.source.Reached(head, second) {
			t.Errorf("the log ends at %q, %v", head, err)
		}

		looked := make(chan sources.Look, 1)
		go func() {
			l, err := look(looker, patience, 1, 2, 3)
			if err != nil {
				t.Error(err)
			}
			looked <- l
		}()
		select {
		case l := <-looked:
			t.Errorf("a look did not wait, it shows %v", l.Rows)
		case <-time.After(pause):
		}
		f.exec("ALTER SYSTEM SET synchronous_standby_names = ''")
		f.exec("SELECT pg_reload_conf()")
		<-waiting
		if l := <-looked; len(l.Rows) != 3 || l.Rows[1] == nil || !f.source.Reached(l.At, second) {
			t.Errorf("a look afterwards shows %v at %q", l.Rows, l.At)
		}
	})
}

// Looks and scans beside four writers are what the log says of the transactions that they show,
// also of those that were read before and after them.
func TestLooksBesideWriters(t *testing.T) {
	const schema = "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL"
	const writers, transactions, ids = 4, 130, 12
	on(t, schema, func(f *fixture) {
		var apps []*postgrestest.Application
		for range writers {
			apps = append(apps, newApplication(f))
		}
		var wait sync.WaitGroup
		for w, app := range apps {
			wait.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 7))
				for n := range transactions {
					write(f.t, app, r, fmt.Sprintf("%d-%d", w, n), ids)
				}
			})
		}
		written := make(chan struct{})
		go func() {
			wait.Wait()
			close(written)
		}()
		looker := source.NewLooker(f.store, "l", f.window)
		defer looker.Close()
		type moment struct {
			look sources.Look
			read int // transactions read before it
		}
		var txs []*change.Tx
		var moments []moment
		reader := make(chan struct{})
		var mu sync.Mutex
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			defer close(reader)
			for {
				tx, err := f.source.Next(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				txs = append(txs, tx)
				mu.Unlock()
			}
		}()
		var keys []change.Row
		for id := range int64(ids) {
			keys = append(keys, change.Row{change.Int(id)})
		}
		for n, writing := 0, true; writing; n++ {
			select {
			case <-written:
				writing = false
			default:
			}
			mu.Lock()
			read := len(txs)
			mu.Unlock()
			var l sources.Look
			var err error
			if n%2 == 0 {
				l, err = looker.Scan(context.Background(), f.table("t"), nil, 1000)
			} else {
				l, err = looker.Look(context.Background(), f.table("t"), keys)
			}
			if err != nil {
				f.t.Fatal(err)
			}
			moments = append(moments, moment{l, read})
		}
		last := moments[len(moments)-1].look.At
		eventually(f.t, "the log is read", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(txs) > 0 && f.source.Reached(txs[len(txs)-1].Position, last)
		})
		cancel()
		<-reader
		hidden := 0
		for _, m := range moments {
			state := map[int64]string{}
			for i, tx := range txs {
				switch {
				case f.source.Reached(m.look.At, tx.Position):
					for _, c := range tx.Changes {
						put(state, c.Key, c.After.Row)
					}
				case i < m.read:
					f.t.Errorf("%q was given out before the look at %q, which does not show it", tx.Position, m.look.At)
				case !f.source.Reached(tx.Position, m.look.At):
					hidden++
				}
			}
			got := map[int64]string{}
			for _, row := range m.look.Rows {
				if row != nil {
					put(got, row[:1], row)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(state) {
				f.t.Fatalf("the look at %q shows %v\nthe log says %v", m.look.At, got, state)
			}
		}
		f.t.Logf("%d transactions, %d looks, %d times one was in the log before it was visible", len(txs), len(moments), hidden)
	})
}

func put(state map[int64]string, key, row change.Row) {
	if row == nil {
		delete(state, key[0].Int64())
		return
	}
	v := row[1].Str()
	state[key[0].Int64()] = fmt.Sprintf("%.12s/%d", v, len(v))
}

// write runs a transaction on a few rows that others write as well.
func write(t testing.TB, app *postgrestest.Application, r *rand.Rand, v string, ids int) {
	sql := "BEGIN;"
	a := r.IntN(ids)
	for i := range 1 + r.IntN(3) {
		id := min(a+i*2, ids-1) // in one order, so that nobody waits in a circle
		switch r.IntN(5) {
		case 0:
			sql += fmt.Sprintf("DELETE FROM t WHERE id = %d;", id)
		case 1:
			sql += fmt.Sprintf("INSERT INTO t VALUES (%d, '%s') ON CONFLICT (id) DO UPDATE SET v = 'u' || t.v;", id, v)
		default:
			sql += fmt.Sprintf("INSERT INTO t VALUES (%d, repeat('%s ', 600)) ON CONFLICT (id) DO UPDATE SET v = excluded.v;", id, v)
		}
	}
	app.Exec(t, sql+"COMMIT")
}
