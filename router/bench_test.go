package router

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
	memsource "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// bench is two stores in memory and what a link on them is made of.
type bench struct {
	t      *testing.T
	stores [2]*mem.Store
	pair   Pair
	writes [2]bool
	hook   mem.Hook
	shadow [2]bool
	limits Limits
	feed   *Feed
	// wrap makes an engine a broken one.
	wrap func(Store) Store
}

func newBench(t *testing.T) *bench {
	t.Helper()
	tables := [2]*change.Table{newTable("l"), newTable("r")}
	b := &bench{t: t, writes: [2]bool{true, true}}
	compiled, problems := mapping.Compile(mapping.Spec{Name: "t", Tables: tables, Writes: b.writes})
	if problems != nil {
		t.Fatal(problems)
	}
	b.pair = Pair{Pair: compiled}
	for s := range b.stores {
		b.stores[s] = mem.New(tables[s])
		b.stores[s].BareEchoes = true
	}
	return b
}

// link returns a new instance of the link.
func (b *bench) link() *Link {
	b.t.Helper()
	cfg := Config{Name: "link", Pairs: []Pair{b.pair}, Shadow: b.shadow, Limits: b.limits, Feed: b.feed, Log: hclog.NewNullLogger()}
	for s := range cfg.Stores {
		store := &cfg.Stores[s]
		looker := memsource.NewLooker(b.stores[s])
		looker.Hook = b.hook
		store.Looker = looker
		if b.writes[s] {
			sink := memsink.New(b.stores[s], "link")
			sink.Hook = b.hook
			store.Sink = sink
		}
		if b.writes[1-s] {
			source, err := memsource.New(b.stores[s], "link", b.pair.Tables[s])
			if err != nil {
				b.t.Fatal(err)
			}
			source.Hook = b.hook
			store.Source = source
		}
		if b.wrap != nil {
			*store = b.wrap(*store)
		}
	}
	return NewLink(cfg)
}

// run runs l until the test ends or stop is called; stop returns what Run returned.
func (b *bench) run(l *Link) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	b.t.Cleanup(func() { _ = stop() })
	return stop
}

// put writes a row as an application does.
func (b *bench) put(s change.Side, id, a, c int64) {
	b.t.Helper()
	row := change.Row{change.Int(id), change.Int(a), change.Int(c)}
	if err := b.stores[s].Write(func(tx *mem.Tx) error { return tx.Upsert(b.pair.Tables[s].Name, row) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) delete(s change.Side, id int64) {
	b.t.Helper()
	if err := b.stores[s].Write(func(tx *mem.Tx) error {
		return tx.Delete(b.pair.Tables[s].Name, change.Row{change.Int(id)})
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) get(s change.Side, id int64) string {
	return b.stores[s].Get(b.pair.Tables[s].Name, change.Row{change.Int(id)}).String()
}

func (b *bench) barrier(l *Link) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := l.Barrier(ctx); err != nil {
		b.t.Fatalf("barrier: %v; status %+v", err, l.Status())
	}
}

// until waits until the link says so.
func (b *bench) until(l *Link, what string, ok func(Status) bool) {
	b.t.Helper()
	for range 12000 {
		if ok(l.Status()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("never %s: %+v", what, l.Status())
}

// equal checks that both stores hold the same rows.
func (b *bench) equal() {
	b.t.Helper()
	left, right := b.stores[0].Rows(b.pair.Tables[0].Name), b.stores[1].Rows(b.pair.Tables[1].Name)
	if fmt.Sprint(left) != fmt.Sprint(right) {
		b.t.Fatalf("left and right differ:\n%v\n%v", left, right)
	}
}

// truncate empties a table, and inserts rows behind that in the same transaction.
func (b *bench) truncate(s change.Side, behind ...change.Row) {
	b.t.Helper()
	table := b.pair.Tables[s].Name
	if err := b.stores[s].Write(func(tx *mem.Tx) error {
		tx.Truncate(table)
		for _, row := range behind {
			if err := tx.Insert(table, row); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
}

// count returns how many rows a store has.
func (b *bench) count(s change.Side) int { return len(b.stores[s].Rows(b.pair.Tables[s].Name)) }
