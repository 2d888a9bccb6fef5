package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// testRestart stops at every position and goes on from there with a new source.
func testRestart(t *testing.T, s *Store) {
	r, h, w := s.Open(t, "a", ""), NewHistory(s, 2), s.OpenSink(t, "a")
	state := State{}
	positions := []change.Position{""}
	states := []State{state.Clone()}
	var all []*change.Tx
	for i := range 30 {
		h.Step(t)
		if i%10 == 5 {
			done(t, w.Apply(t, w.Put("codes", ID(int64(i)), change.Row{num(int64(i)), null, text("link")})))
		}
		if h.rand.IntN(2) == 0 && i < 29 {
			continue
		}
		for _, tx := range r.Drain(t) {
			s.replay(t, state, tx)
			all = append(all, tx)
			positions = append(positions, tx.Position)
			states = append(states, state.Clone())
		}
	}
	r.Close(t)
	for i, from := range positions {
		r := s.Open(t, "a", from)
		rest := r.Drain(t)
		if s.Transactions {
			sameTxs(t, rest, all[i:])
		}
		for _, tx := range rest {
			s.replay(t, states[i], tx)
		}
		states[i].Diff(t, s.Content(t))
		r.Close(t)
	}
}

// testStartAgain calls Start on a source that has read on, or ahead.
func testStartAgain(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	for id := range int64(6) {
		s.Write(t, true, Insert("items", Item(id, "v")...))
	}
	first := r.Next(t)
	rest := r.Drain(t)
	for range 2 {
		if err := r.Source.Start(within(t), first.Position); err != nil {
			t.Fatal(err)
		}
		r.At = first.Position
		again := r.Drain(t)
		if s.Transactions {
			sameTxs(t, again, rest)
		}
		state := State{}
		s.replay(t, state, first)
		for _, tx := range again {
			s.replay(t, state, tx)
		}
		state.Diff(t, s.Content(t))
	}
}

// testSettle lets go of what was read and goes on, also with a new source, and from the
// zero position. The other link still finds everything.
func testSettle(t *testing.T, s *Store) {
	other := s.Open(t, "b", "")
	other.Close(t)
	r, h := s.Open(t, "a", ""), NewHistory(s, 3)
	state := State{}
	for round := range 4 {
		for range 5 {
			h.Step(t)
		}
		txs := r.Drain(t)
		for _, tx := range txs {
			s.replay(t, state, tx)
		}
		settled := r.At
		if round%2 == 0 { // a source that was settled and a new one go on alike
			settle(t, r, settled)
			h.Step(t)
			r.Close(t)
			r = s.Open(t, "a", settled)
		} else {
			h.Step(t)
			settle(t, r, settled)
		}
		settle(t, r, "") // older calls change nothing
		for _, tx := range r.Drain(t) {
			s.replay(t, state, tx)
		}
		state.Diff(t, h.State)
	}
	settle(t, r, r.At)
	s.Write(t, true, Insert("codes", num(1), null, text("after")))
	for _, tx := range r.Drain(t) {
		s.replay(t, state, tx)
	}
	state.Diff(t, s.Content(t))
	r.Close(t)

	whole := State{}
	for _, tx := range s.Open(t, "b", "").Drain(t) {
		s.replay(t, whole, tx)
	}
	whole.Diff(t, s.Content(t))
}

func settle(t *testing.T, r *Reader, upto change.Position) {
	t.Helper()
	if err := r.Source.Settle(within(t), upto); err != nil {
		t.Fatalf("settle %q: %v", upto, err)
	}
}

// testLost starts behind what the log does not hold any more.
func testLost(t *testing.T, s *Store) {
	if s.Lose == nil {
		t.Skip("this engine's log cannot be lost")
	}
	r := s.Open(t, "a", "")
	s.Write(t, true, Insert("items", Item(1, "read")...))
	r.Drain(t)
	at := r.At
	s.Write(t, true, Insert("items", Item(2, "lost")...))
	r.Close(t)
	s.Lose(t)
	s.Write(t, true, Insert("items", Item(3, "after")...))

	source := s.Source(t, "a")
	defer source.Close()
	err := source.Start(within(t), at)
	if err == nil {
		_, err = source.Next(within(t))
	}
	if change.ClassOf(err) != change.PositionLost {
		t.Errorf("behind %q: got %v, want an error of class position lost", at, err)
	}
	r = s.Open(t, "a", "") // what is left can be read
	var last change.Change
	for _, tx := range r.Drain(t) {
		last = tx.Changes[len(tx.Changes)-1]
	}
	if !last.Key.Equal(ID(3)) {
		t.Errorf("the last change behind the gap is %v", last)
	}
}

// testReached checks that positions are in one order, that of the log.
func testReached(t *testing.T, s *Store) {
	r, h := s.Open(t, "a", ""), NewHistory(s, 4)
	positions := []change.Position{""}
	for range 12 {
		h.Step(t)
		for _, tx := range r.Drain(t) {
			positions = append(positions, tx.Position)
		}
	}
	for i, read := range positions {
		for j, want := range positions {
			if got := r.Source.Reached(read, want); got != (i >= j) {
				t.Errorf("Reached(%q, %q) is %v", read, want, got)
			}
		}
	}
	if len(positions) < 4 {
		t.Errorf("only %d positions", len(positions))
	}
}

// pauses are how long a test waits for Next to be blocking: not at all, so that it may come
// first or second, and long enough for it to come first almost always. No outcome
// depends on it.
var pauses = []time.Duration{0, 20 * time.Millisecond}

// await returns what comes from the channel.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// testNextWaits lets Next wait for what is written later.
func testNextWaits(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	for id, pause := range append(pauses, pauses...) {
		got := make(chan *change.Tx, 1)
		go func() {
			for {
				tx, err := r.Source.Next(within(t))
				if err != nil {
					t.Errorf("next: %v", err)
				}
				if err != nil || len(tx.Changes) > 0 {
					got <- tx
					return
				}
			}
		}()
		time.Sleep(pause)
		s.Write(t, true, Insert("items", Item(int64(id), "v")...))
		if tx := await(t, got); tx != nil && !tx.Changes[0].Key.Equal(ID(int64(id))) {
			t.Errorf("got %v, want row %d", tx.Changes[0], id)
		}
	}
}

func testNextCancelled(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	r.Drain(t)
	for _, pause := range pauses {
		ctx, cancel := context.WithCancel(context.Background())
		ended := untilError(ctx, r)
		time.Sleep(pause)
		cancel()
		if err := await(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	s.Write(t, true, Insert("items", Item(1, "v")...)) // nothing was lost by that
	only(t, r, State{}, 1)
}

func testClose(t *testing.T, s *Store) {
	for _, pause := range pauses {
		r := s.Open(t, "a", "")
		r.Drain(t)
		ended := untilError(context.Background(), r)
		time.Sleep(pause)
		r.Close(t)
		if err := await(t, ended); errors.Is(err, errUnwritten) {
			t.Error(err)
		}
	}
}

// errUnwritten is that of a transaction that nobody wrote.
var errUnwritten = errors.New("a transaction that nobody wrote")

// untilError reads until Next fails, and tells with what. A log moves by itself, too, so that
// there may be transactions without a change before.
func untilError(ctx context.Context, r *Reader) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			tx, err := r.Source.Next(ctx)
			if err == nil && len(tx.Changes) > 0 {
				err = fmt.Errorf("%w: %v", errUnwritten, tx.Changes)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// testSettleBesideNext settles from another goroutine while Next waits.
func testSettleBesideNext(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	for id := range int64(8) {
		got := make(chan error, 1)
		go func() {
			_, err := r.Source.Next(within(t))
			got <- err
		}()
		if id > 0 {
			settle(t, r, r.At)
		}
		s.Write(t, true, Insert("items", Item(id, "v")...))
		if err := await(t, got); err != nil {
			t.Fatal(err)
		}
		r.At = r.Head(t)
		if err := r.Source.Start(within(t), r.At); err != nil {
			t.Fatal(err)
		}
	}
}

// testSettleKeeps settles in both links, in one of them less than was written: what is
// behind that is still there, for a new source too.
func testSettleKeeps(t *testing.T, s *Store) {
	a, b := s.Open(t, "a", ""), s.Open(t, "b", "")
	state := State{}
	s.Write(t, true, Insert("items", Item(1, "settled")...))
	only(t, a, state, 1)
	at := a.At
	s.Write(t, true, Insert("items", Item(2, "read")...))
	only(t, a, state.Clone(), 1)
	s.Write(t, true, Insert("items", Item(3, "not read")...))
	b.Drain(t)
	settle(t, b, b.At)
	settle(t, a, at)
	a.Close(t)
	only(t, s.Open(t, "a", at), state, 2)
}
