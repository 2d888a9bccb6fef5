package router

import (
	"math/rand/v2"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// What the log has in one transaction is written in one, up to what a source gives out at once: no reader
// of the other side sees a part of it, and no marker has to remember the rest.
func TestTransactionsStayWhole(t *testing.T) {
	for name, writes := range map[string][2]bool{"one-way": {false, true}, "two-way": {true, true}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.writes = writes
			b.wrap = func(store Store) Store {
				if store.Sink != nil {
					store.Sink.(*memsink.Sink).Room = 5000
				}
				return store
			}
			first := b.link()
			stop := b.run(first)
			b.barrier(first)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			ends, rows := map[int]bool{}, 0
			for range 12 {
				size := 1 + rand.IntN(change.PartChanges)
				err := b.stores[change.Left].Write(func(tx *mem.Tx) error {
					for range size {
						rows++
						row := change.Row{change.Int(int64(rows)), change.Int(1), change.Int(1)}
						if err := tx.Upsert(b.pair.Tables[change.Left].Name, row); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				ends[rows] = true
			}
			from := b.stores[change.Right].Log()
			if _, err := b.stores[change.Right].Begin("reader", mem.Place{Txs: from}); err != nil { // it keeps the log
				t.Fatal(err)
			}
			l := b.link()
			b.run(l)
			b.barrier(l)
			written := 0
			for n := from; n < b.stores[change.Right].Log(); n++ {
				e, _, _, err := b.stores[change.Right].Read(n)
				if err != nil {
					t.Fatal(err)
				}
				if written += len(e.Changes); !ends[written] && len(e.Changes) > 0 {
					t.Errorf("a transaction on the right ends behind row %d, where none ends on the left", written)
				}
			}
			if written != rows {
				t.Errorf("%d rows were written, of %d", written, rows)
			}
			b.equal()
		})
	}
}
