package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// far is so little at a time that a few entries are far behind.
var far = limits{whole: 3, window: 8, piece: 3, bytes: 16 << 20, stretch: 140, survey: 5, print: 64}

// TestLater compares the index with a search in a random log of few rows, for fingerprints that tell all
// rows apart, and for such that do not.
func TestLater(t *testing.T) {
	for _, print := range []int{64, 3} {
		for seed := range uint64(50) {
			rng := rand.New(rand.NewPCG(seed, 3))
			const from, none = 1000, "0" // what is of no row
			stretch, n := 1+rng.IntN(60), 100
			l := newLater(from, stretch, print)
			rows, tells := make([]string, n), make([]bool, n)
			check := func(read int) {
				for i := range min(read, stretch) {
					if rows[i] == none {
						continue
					}
					want, next := 0, from+i+1
					for j := i + 1; j < read && want == 0; j++ {
						if rows[j] == rows[i] && tells[j] {
							want = from + j + 1
						}
					}
					for next != 0 && l.has(int64(next)) && (next == from+i+1 || rows[next-from-1] != rows[i]) {
						next = int(l.after(int64(next)))
					}
					if next == want {
						continue
					}
					if print < 64 && next != 0 && rows[next-from-1] != rows[i] && (want == 0 || next < want) {
						continue // it is of another row: who asks has to seek further
					}
					t.Fatalf("%d bits, seed %d, %d of %d: behind %d comes %d, the index says %d", print, seed, read, stretch, i+from+1, want, next)
				}
			}
			for i := range n {
				rows[i], tells[i] = fmt.Sprint(rng.IntN(12)), rng.IntN(4) > 0
				if rows[i] == none {
					continue
				}
				if err := l.add(int64(from+i+1), []byte(rows[i]), tells[i]); err != nil {
					t.Fatal(err)
				}
				if rng.IntN(10) == 0 {
					check(i + 1)
				}
			}
			check(n)
		}
	}
	if err := newLater(0, 1, 64).add(1<<32, []byte("x"), true); !errors.Is(err, errFar) {
		t.Errorf("an entry too far: %v", err)
	}
}

// drained reads all that there is, and returns the transactions.
func (h *history) drained() (txs []*change.Tx) {
	h.t.Helper()
	for {
		tx := h.tx()
		if tx == nil {
			return txs
		}
		h.replay(tx)
		txs = append(txs, tx)
	}
}

// reread opens the source again at every position that txs have, the first of which is behind from, and
// expects a chain from there on: before is what the model was at from.
func (h *history) reread(from change.Position, before map[string]change.Image, txs []*change.Tx) {
	h.t.Helper()
	model := maps.Clone(before)
	for _, tx := range txs {
		h.at, h.model = from, maps.Clone(model)
		h.open()
		h.drained()
		h.compare()
		h.at, h.model = from, model
		h.replay(tx)
		from = tx.Position
	}
}

// TestChangedAgainFarBehind has a row changed again and again, further on in the log than what is read of it
// at once. Wherever the reader is opened, each change has the image before it that the one before has after it.
func TestChangedAgainFarBehind(t *testing.T) {
	h := newHistory(t, 1, store.Rows)
	h.limits = far
	for i := range 30 {
		h.exec(fmt.Sprintf("INSERT INTO n VALUES('r%d', 0)", i))
	}
	h.exec("INSERT INTO n VALUES('counter', 0)")
	h.open()
	h.drained()
	from, before := h.at, maps.Clone(h.model)
	for range 5 {
		h.exec("UPDATE n SET v=v+1 WHERE k='counter'")
		h.exec("UPDATE n SET v=v+1 WHERE k LIKE 'r%'")
	}
	txs := h.drained()
	h.compare()
	var told []string
	for _, tx := range txs {
		for _, c := range tx.Changes {
			if c.Key[0].Str() == "counter" {
				told = append(told, fmt.Sprint(c.Before, c.After))
			}
		}
	}
	want := "(counter, 0) (counter, 1); (counter, 1) (counter, 2); (counter, 2) (counter, 3); (counter, 3) (counter, 4); (counter, 4) (counter, 5)"
	if got := strings.Join(told, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h.reread(from, before, txs)
	h.close()
}

// TestOwnWriteFarBehind has the link write a row between two changes of it. What it wrote is not in the log; the
// state from before the second change is, and so the first is told to lead there: nobody but the link's own
// write can be between them, and that is not told to anybody as a change.
func TestOwnWriteFarBehind(t *testing.T) {
	h := newHistory(t, 1, store.Rows)
	h.limits = far
	h.exec("DROP TRIGGER app4") // with triggers on the table, what the link writes is logged row by row
	h.exec("INSERT INTO n VALUES('x', 1), ('y', 1)")
	h.open()
	h.drained()
	fill := func() {
		for i := range 20 {
			h.exec(fmt.Sprintf("INSERT INTO n VALUES('%d', 0) ON CONFLICT DO UPDATE SET v=v+1", i))
		}
	}
	h.exec("UPDATE n SET v=2 WHERE k='x'; UPDATE n SET v=2 WHERE k='y'")
	fill()
	s := sink.New(h.store, "l")
	defer s.Close()
	if _, err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := &sinks.Batch{Marker: checkpoint.Marker{Apply: 7}}
	for _, table := range h.tables {
		if table.Name == "n" {
			for _, k := range []string{"x", "y"} {
				row := func(v int64) change.Row { return change.Row{change.TextValue(k), change.Int(v)} }
				batch.Writes = append(batch.Writes, sinks.Write{Table: table, Key: row(0)[:1], Expect: change.Is(row(2)), New: row(10)})
			}
		}
	}
	if result, err := s.Apply(t.Context(), batch); err != nil || result.Outcomes[0].Verdict != sinks.Done {
		t.Fatalf("%v, %v", result, err)
	}
	fill()
	h.exec("UPDATE n SET v=11 WHERE k='x'")
	fill()
	h.exec("UPDATE n SET v=12 WHERE k='x'")
	told := map[string]string{}
	for tx := h.tx(); tx != nil; tx = h.tx() {
		h.at = tx.Position
		for _, c := range tx.Changes {
			line := fmt.Sprintf("%v->%v ", c.Before, c.After)
			if tx.Tag.Apply == 7 {
				line = "own "
			}
			told[c.Key[0].Str()] += line
		}
	}
	if got, want := told["x"], "(x, 1)->(x, 10) own (x, 10)->(x, 11) (x, 11)->(x, 12) "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := told["y"], "(y, 1)->(y, 10) own "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h.close()
}

// TestReplacedFarBehind replaces a row again and again, beside others, so that batches end everywhere around
// that. It is never told to be gone.
func TestReplacedFarBehind(t *testing.T) {
	h := newHistory(t, 1, store.Rows)
	h.limits = far
	h.exec("INSERT INTO t(id, u, v) VALUES(1, 'x', 1)")
	h.open()
	h.drained()
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 200 {
		for j := range rng.IntN(4) {
			h.exec(fmt.Sprintf("INSERT OR REPLACE INTO n VALUES('%d', %d)", 4*i+j, i))
		}
		h.exec(fmt.Sprintf("INSERT OR REPLACE INTO t(id, u, v) VALUES(1, 'x', %d); UPDATE OR REPLACE n SET k=k+1 WHERE k=%d", i, 4*i))
	}
	for _, tx := range h.drained() {
		for _, c := range tx.Changes {
			if c.Table.Name == "t" && c.After.Row == nil {
				t.Fatalf("row %v is told to be gone", c.Key)
			}
		}
	}
	h.compare()
	h.close()
}

// TestPositionOfBefore starts at a position of an earlier version, which told rows ahead of their place. What it
// may have told comes without a before-image, and never with a state from before it was told.
func TestPositionOfBefore(t *testing.T) {
	h := newHistory(t, 1, store.Rows)
	h.limits = far
	h.exec("INSERT INTO n VALUES('x', 0)")
	h.open()
	h.drained()
	update := func(n int) {
		for range n {
			h.exec("UPDATE n SET v=v+1 WHERE k='x'")
			for i := range 10 {
				h.exec(fmt.Sprintf("INSERT INTO n VALUES('%d', 0) ON CONFLICT DO UPDATE SET v=v+1", i))
			}
		}
	}
	update(4)
	p, err := parsePosition(h.at)
	if err != nil {
		t.Fatal(err)
	}
	if p.told, err = h.source.log.head(t.Context()); err != nil {
		t.Fatal(err)
	}
	update(3)
	h.at = p.public()
	h.open()
	told := ""
	for tx := h.tx(); tx != nil; tx = h.tx() {
		h.at = tx.Position
		for _, c := range tx.Changes {
			if c.Key[0].Str() == "x" {
				told += fmt.Sprintf("%v->%v ", c.Before, c.After)
			}
		}
	}
	want := strings.Repeat("unknown->(x, 4) ", 4) + "(x, 4)->(x, 5) (x, 5)->(x, 6) (x, 6)->(x, 7) "
	if told != want {
		t.Errorf("got  %s\nwant %s", told, want)
	}
	if p, err := parsePosition(h.at); err != nil || p.told != 0 {
		t.Errorf("the position behind it is %s", h.at)
	}
	h.close()
}
