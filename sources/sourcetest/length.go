package sourcetest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/sources"
)

// behind returns how much of the log was not given out, and where what was ends.
func (r *Reader) behind(t testing.TB) (behind, given uint64) {
	t.Helper()
	found, err := r.Looker.(sources.Gauge).Measure(within(t))
	if err != nil || found.End < found.Given || found.Given < found.Began {
		t.Fatalf("the log is %+v (%v)", found, err)
	}
	return found.End - found.Given, found.Given
}

// catchUp reads what is left until less than that is not given out.
func (r *Reader) catchUp(t testing.TB, most uint64) (given uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		behind, given := r.behind(t)
		if given > 0 && behind < most {
			return given
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes of the log are not given out (behind %d)", behind, given)
		}
		short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if tx, err := r.Source.Next(short); err == nil {
			r.At = tx.Position
		}
		cancel()
	}
}

// testLength asks how long the log is: before, with and after a transaction of a megabyte, from the
// beginning and from behind it.
func testLength(t *testing.T, s *Store) {
	r := s.Open(t, "a", "")
	if !s.Measured {
		if gauge, ok := r.Looker.(sources.Gauge); ok {
			t.Errorf("%T says how long the log is", gauge)
		}
		return
	}
	const rows, size, most = 100, 10_000, 200_000
	r.Drain(t)
	before := r.catchUp(t, most)
	rng := rand.New(rand.NewPCG(1, 2))
	var statements []Statement
	for n := range int64(rows) {
		v := make([]byte, size) // that no store can compress
		for i := range v {
			v[i] = 'A' + byte(rng.IntN(50))
		}
		statements = append(statements, Insert("items", Item(n, string(v))...))
	}
	s.Write(t, true, statements...)
	if behind, given := r.behind(t); behind < rows*size || behind > 3*rows*size || given < before {
		t.Errorf("%d bytes are not given out of a transaction of %d", behind, rows*size)
	}
	last := before
	for _, tx := range r.Drain(t) {
		if tx.Read < last {
			t.Errorf("a transaction ends at %d, behind %d", tx.Read, last)
		}
		last = tx.Read
	}
	if behind, given := r.behind(t); given < last || last < before+rows*size/2 {
		t.Errorf("the transaction ended at %d, behind %d; now %d are given out, and %d not", last, before, given, behind)
	}
	r.catchUp(t, most)
	at := r.At
	r.Close(t)
	s.Open(t, "a", at).catchUp(t, most)
}
