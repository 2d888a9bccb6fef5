package router

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// prints is a map, also where many fingerprints belong to the same place, or to the last ones.
func TestPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got, want := newPrints[int](), map[fingerprint]int{}
		few := rapid.SampledFrom([]uint64{2, 60, 1 << 20}).Draw(t, "places")
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			f := fingerprint{-rapid.Uint64Range(0, few).Draw(t, "upper"), rapid.Uint64Range(0, 20).Draw(t, "lower")}
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				_, was := want[f]
				if got.remove(f) != was {
					t.Fatalf("%v was there: %v", f, was)
				}
				delete(want, f)
				continue
			}
			v := rapid.Int().Draw(t, "value")
			got.put(f, v)
			want[f] = v
		}
		if all := maps.Collect(got.all()); got.len() != len(want) || !maps.Equal(all, want) {
			t.Fatalf("there are %v, not %v", all, want)
		}
		for f, v := range want {
			if x, there := got.get(f); !there || x != v {
				t.Fatalf("%v is %d (%v), not %d", f, x, there, v)
			}
			if x, there := got.get(fingerprint{f[0], f[1] + 100}); there {
				t.Fatalf("what was never there is %d", x)
			}
		}
	})
}

// What was large once does not stay so.
func TestPrintsShrink(t *testing.T) {
	m := newPrints[int]()
	for i := range uint64(2 * printsMost) {
		m.put(fingerprint{i * 0x9e3779b97f4a7c15, i}, 1)
	}
	if len(m.marks) <= printsMost {
		t.Fatalf("%d places for %d", len(m.marks), m.len())
	}
	for i := range uint64(2 * printsMost) {
		m.remove(fingerprint{i * 0x9e3779b97f4a7c15, i})
	}
	if m.len() != 0 || len(m.marks) != printsLeast {
		t.Errorf("%d are left in %d places", m.len(), len(m.marks))
	}
}
