package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// After a power cut the shadow may be anything, and is not used.
func TestShadowOfAnotherBoot(t *testing.T) {
	_, l, _, dir := prepared(t)
	l.kill(t)
	if err := os.WriteFile(filepath.Join(dir, "boot"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenShadow(dir, 4096); !errors.Is(err, ErrShadow) {
		t.Errorf("got %v", err)
	}
	l.shadow, l.track, l.conn, l.file, l.index, l.db = nil, nil, nil, nil, nil, nil
}

// Whatever of the last record is missing or wrong, the shadow is that of the commit before.
func TestShadowCut(t *testing.T) {
	dir := t.TempDir()
	s, err := CreateShadow(dir, 512)
	if err != nil {
		t.Fatal(err)
	}
	page := func(fill string) images {
		return images{{7: []byte(strings.Repeat(fill, 512)), 9: []byte(strings.Repeat(fill, 512))}}
	}
	if err := s.Write([]uint32{7, 9}, page("a"), []byte("first")); err != nil {
		t.Fatal(err)
	}
	whole := s.end
	if err := s.Write([]uint32{7}, page("b"), []byte("second")); err != nil {
		t.Fatal(err)
	}
	redo, err := os.ReadFile(filepath.Join(dir, "redo"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	check := func(redo []byte, state, fill string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "redo"), redo, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenShadow(dir, 512)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		b, err := s.Page(7)
		if err != nil || string(s.State()) != state || string(b) != strings.Repeat(fill, 512) {
			t.Errorf("state %q, page %.5q, %v; want %q and %q", s.State(), b, err, state, fill)
		}
	}
	check(redo, "second", "b")
	for cut := int(whole); cut < len(redo); cut += 13 {
		check(redo[:cut], "first", "a")
	}
	for i := int(whole); i < len(redo); i += 11 {
		if i >= int(whole)+13 && i < int(whole)+16 || i >= int(whole)+20 && i < int(whole)+24 {
			continue // not used
		}
		spoiled := append([]byte{}, redo...)
		spoiled[i] ^= 4
		check(spoiled, "first", "a")
	}
	s, err = OpenShadow(dir, 512)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.fold(func() {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenShadow(dir, 512); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, number := range []uint32{7, 9} {
		if b, err := s.Page(number); err != nil || b[0] != 'a' && b[0] != 'b' || s.end > 100 {
			t.Errorf("after folding, page %d is %.5q, %v", number, b, err)
		}
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	j, err := OpenJournal(dir, Place{1, Whole})
	if err != nil {
		t.Fatal(err)
	}
	places := []Place{{2, Whole}, {3, 1}, {3, 2}, {3, Whole}, {5, Whole}}
	reader := j.Read(Place{1, Whole})
	defer reader.Close()
	for i, p := range places {
		if _, _, ok, err := reader.Next(9); ok || err != nil {
			t.Fatalf("there is an entry at the end: %v", err)
		}
		if err := j.Append(p, []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if got, body, ok, err := reader.Next(9); got != p || string(body) != fmt.Sprint(i) || !ok || err != nil {
			t.Fatalf("got %v %q %v %v, want %v", got, body, ok, err, p)
		}
	}
	if err := j.Append(Place{5, Whole}, nil); err == nil {
		t.Error("a place was written twice")
	}
	// A large one begins a new file with the next.
	if err := errors.Join(j.Append(Place{6, Whole}, make([]byte, segmentBytes+1)), j.Append(Place{7, Whole}, []byte("behind"))); err != nil {
		t.Fatal(err)
	}
	if got, _, _, err := reader.Next(9); got != (Place{6, Whole}) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if got, body, _, err := reader.Next(9); got != (Place{7, Whole}) || string(body) != "behind" || err != nil {
		t.Errorf("got %v %q, %v", got, body, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for i, from := range places { // from every place, in a new one
		j, err := OpenJournal(dir, Place{7, Whole})
		if err != nil {
			t.Fatal(err)
		}
		r := j.Read(from)
		n := 0
		for {
			_, _, ok, err := r.Next(9)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			n++
		}
		if want := len(places) - 1 - i + 2; n != want {
			t.Errorf("behind %v are %d entries, want %d", from, n, want)
		}
		if err := errors.Join(r.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	j, err = OpenJournal(dir, Place{5, Whole}) // what is behind the shadow was never told
	if err != nil || j.End() != (Place{5, Whole}) {
		t.Fatalf("it ends at %v: %v", j.End(), err)
	}
	if err := errors.Join(j.Append(Place{6, Whole}, make([]byte, segmentBytes+1)), j.Append(Place{7, Whole}, nil), j.Settle(Place{5, Whole})); err != nil {
		t.Fatal(err)
	}
	if got := j.Begins(); got != (Place{1, Whole}) {
		t.Errorf("settled to 5, it begins behind %v", got)
	}
	if err := j.Settle(Place{6, Whole}); err != nil || j.Begins() != (Place{6, Whole}) {
		t.Errorf("settled to 6, it begins behind %v: %v", j.Begins(), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// The mark of the shadow is never without its content: it is written over, at its full length.
func TestShadowMark(t *testing.T) {
	dir := t.TempDir()
	s, err := CreateShadow(dir, 512)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write([]uint32{1}, images{{1: make([]byte, 512)}}, []byte("state")); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, "boot"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stop, torn := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(torn)
		b := make([]byte, 100)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n, _ := file.ReadAt(b, 0); strings.TrimRight(string(b[:n]), " ") != clean && strings.TrimRight(string(b[:n]), " ") != boot() {
				torn <- string(b[:n])
				return
			}
		}
	}()
	for i := range 200 {
		if err := s.mark([]string{clean, boot()}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if text, ok := <-torn; ok {
		t.Errorf("the mark was %q for a moment", text)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenShadow(dir, 512); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
