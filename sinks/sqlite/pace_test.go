package sqlite

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The room follows what a row and a commit cost, within its bounds.
func TestRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPace()
		if rapid.Bool().Draw(t, "company") {
			p.others = time.Now()
		}
		row := time.Duration(rapid.Int64Range(0, int64(10*time.Millisecond)).Draw(t, "row"))
		commit := time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "commit"))
		for range 40 {
			n := p.room()
			if n < roomMin || n > roomMax {
				t.Fatalf("room %d", n)
			}
			p.held(n, time.Duration(n)*row, commit)
		}
		hold := freeHold
		if p.polite() {
			hold = politeHold
		}
		if n := p.room(); n > roomMin && time.Duration(n)*row > hold+hold/10 {
			t.Fatalf("%d rows of %v are %v, more than %v", n, row, time.Duration(n)*row, hold)
		}
	})
}

// The pause is a part of what was held, and several times that beside another writer.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		waited := func() time.Duration {
			began := time.Now()
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		time.Sleep(time.Hour)
		if d := waited(); d != 0 {
			t.Errorf("waited %v before the first", d)
		}
		p.held(10, 3*time.Millisecond, time.Millisecond)
		if d := waited(); d != 4*time.Millisecond/freePause {
			t.Errorf("alone: waited %v", d)
		}
		p.held(10, 3*time.Millisecond, time.Millisecond)
		p.others = time.Now()
		time.Sleep(2 * time.Millisecond) // counts
		if d := waited(); d != 10*time.Millisecond {
			t.Errorf("in company: waited %v", d)
		}
		p.held(10, time.Minute, 0)
		if d := waited(); d != pauseMax {
			t.Errorf("after a long hold: waited %v", d)
		}
		p.held(10, time.Minute, 0)
		p.others = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
