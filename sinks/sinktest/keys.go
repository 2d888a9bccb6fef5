package sinktest

import (
	"maps"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// counted is a row of the table whose keys the store counts up.
func counted(key int64, code string) change.Row {
	return change.Row{num(key), text(code), text("v")}
}

// drawn draws keys for rows with these codes.
func drawn(t *testing.T, s *sourcetest.Store, keys sinks.Keys, codes ...string) []sinks.Draw {
	t.Helper()
	rows := make([]change.Row, len(codes))
	for i, code := range codes {
		rows[i] = counted(0, code)
	}
	draws, err := keys.Draw(within(t), s.Table("counted"), rows)
	if err != nil || len(draws) != len(rows) {
		t.Fatalf("draw: %v, %v", draws, err)
	}
	return draws
}

// recorded compares what is recorded for keys of a pair, both ways.
func recorded(t *testing.T, keys sinks.Keys, pair string, want map[int64]int64, others ...int64) {
	t.Helper()
	ask := append([]int64{-77}, others...)
	back, asked := map[int64]int64{}, []int64{-78}
	for own, form := range want {
		ask, asked = append(ask, own), append(asked, form)
		back[form] = own
	}
	forms, err := keys.Forms(within(t), pair, ask)
	if err != nil || !maps.Equal(forms, want) {
		t.Errorf("the form keys in %s are %v (%v), want %v", pair, forms, err, want)
	}
	owns, err := keys.Owns(within(t), pair, asked)
	if err != nil || !maps.Equal(owns, back) {
		t.Errorf("the keys in %s are %v (%v), want %v", pair, owns, err, back)
	}
}

// testDraw has a key given out once, whoever inserts rows meanwhile, and after they are gone.
func testDraw(t *testing.T, s *sourcetest.Store) {
	insert := func(key int64, code string) sourcetest.Statement {
		return sourcetest.Statement{Table: "counted", Row: counted(key, code)}
	}
	s.Write(t, true, insert(41, "a"))
	keys := s.Keys(t, "a")
	met := map[int64]bool{41: true}
	take := func(draws []sinks.Draw) {
		t.Helper()
		for _, d := range draws {
			if d.Err != nil || met[d.Own] || d.Own < 1 {
				t.Errorf("drew %d again, or not at all (%v)", d.Own, d.Err)
			}
			met[d.Own] = true
		}
	}
	first := drawn(t, s, keys, "b", "c", "d")
	take(first)
	s.Write(t, true, insert(first[2].Own+1, "e"))
	met[first[2].Own+1] = true
	take(drawn(t, s, keys, "b"))
	s.Write(t, true, sourcetest.Statement{Table: "counted", Key: id(first[2].Own + 1)})
	again := s.Keys(t, "b")
	take(drawn(t, s, again, "b"))
	take(drawn(t, s, keys, make700()...))
	if n := len(s.Rows(t, "counted")); n != 1 {
		t.Errorf("the table has %d rows after keys were drawn, want 1", n)
	}
}

// make700 are codes of more rows than go into one statement.
func make700() []string {
	codes := make([]string, 700)
	for i := range codes {
		codes[i] = "m" + num(int64(i)).String()
	}
	return codes
}

// testDrawRefused draws keys for rows of which the store does not take one: that is said now, or
// when the row is written.
func testDrawRefused(t *testing.T, s *sourcetest.Store) {
	s.Write(t, true, sourcetest.Statement{Table: "counted", Row: counted(1, "taken")})
	keys := s.Keys(t, "a")
	w := open(t, s, "a")
	draws := drawn(t, s, keys, "x", "taken", "y")
	var writes []sinks.Write
	var want []sinks.Verdict
	for i, code := range []string{"x", "taken", "y"} {
		if draws[i].Err != nil {
			if code != "taken" {
				t.Errorf("%s is refused: %v", code, draws[i].Err)
			}
			continue
		}
		writes = append(writes, w.write("counted", id(draws[i].Own), absent, counted(draws[i].Own, code)))
		want = append(want, map[bool]sinks.Verdict{true: sinks.Refused}[code == "taken"])
	}
	w.apply(t, want, writes...)
	w.holds(t, "counted", counted(1, "taken"), counted(draws[0].Own, "x"), counted(draws[2].Own, "y"))
}

// testDrawn records drawn keys with the rows that they are for.
func testDrawn(t *testing.T, s *sourcetest.Store) {
	keys, other := s.Keys(t, "a"), s.Keys(t, "b")
	w := open(t, s, "a")
	open(t, s, "b")
	s.Write(t, true, sourcetest.Statement{Table: "counted", Row: counted(1, "taken")})
	const pair, hostile = "pair", `o'ne "two\" {x},☃`
	write := func(key, form int64, code, pair string) sinks.Write {
		out := w.write("counted", id(key), absent, counted(key, code))
		out.Drawn = &sinks.Drawn{Pair: pair, Own: key, Form: form}
		return out
	}
	w.apply(t, []sinks.Verdict{sinks.Differs}, write(1, -1, "z", pair))
	w.apply(t, []sinks.Verdict{sinks.Refused}, write(2, -2, "taken", pair))
	recorded(t, keys, pair, map[int64]int64{}, 1, 2)
	w.apply(t, []sinks.Verdict{sinks.Differs, sinks.Refused, sinks.Done, sinks.Done},
		write(1, -1, "z", pair), write(3, -1<<62, "taken", pair), write(4, 1<<62, "d", pair), write(5, -5, "e", hostile))
	want := map[int64]int64{3: -1 << 62, 4: 1 << 62}
	recorded(t, keys, pair, want, 1, 2, 5)
	recorded(t, keys, hostile, map[int64]int64{5: -5}, 3, 4)
	recorded(t, other, pair, map[int64]int64{}, 3, 4)
	recorded(t, s.Keys(t, "a"), pair, want) // after a restart

	// A key that is recorded twice would be a mistake of the link: nothing of it is written.
	if _, err := w.sink.Apply(within(t), w.batch(write(6, 1<<62, "f", pair))); err == nil {
		t.Error("a form key was recorded twice")
	}
	w.holds(t, "counted", counted(1, "taken"), counted(4, "d"), counted(5, "e"))
}
