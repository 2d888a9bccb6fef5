package wal

import (
	"bytes"
	"testing"
)

// FuzzJournal feeds arbitrary bytes to what reads the link's own files beside a database: the state
// of the copy, and the entries of the journal. What is accepted is what was written.
func FuzzJournal(f *testing.F) {
	f.Add(state{commit: 7, counted: 1, size: 3, salt: Salt{4, 5}, frame: 6}.append(nil))
	f.Add(entryOf(Place{3, Whole}, []byte("entry")))
	f.Add(append(entryOf(Place{1, 1}, nil), entryOf(Place{1, 2}, bytes.Repeat([]byte("x"), 300))[:200]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseState(b); err == nil {
			if again, err := parseState(s.append(nil)); err != nil || again != s {
				t.Fatalf("%x is %+v, then %+v, %v", b, s, again, err)
			}
		}
		r := bytes.NewReader(b)
		for {
			left := r.Len()
			p, body, ok := readEntry(r)
			if !ok {
				return
			}
			if again := entryOf(p, body); !bytes.Equal(again, b[len(b)-left:][:len(again)]) {
				t.Fatalf("%v with %d bytes is another entry than was read", p, len(body))
			}
		}
	})
}
