package verify

import "testing"

// FuzzSameJSON compares arbitrary texts as JSON: a text that is JSON is the same as itself, and
// whichever comes first makes no difference.
func FuzzSameJSON(f *testing.F) {
	for _, s := range [][2]string{{`{"a":1.0,"b":[2]}`, `{"b":[2],"a":1}`}, {"1.50", "1.5"}, {"1e2", "100"}, {"0.0", "0"}, {"-0", "0"}, {`"1.0"`, "1"}, {"[", "]"}, {"null null", "null"}, {".5", "0.5"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if sameJSON(a, b) != sameJSON(b, a) {
			t.Fatalf("%q and %q are the same one way round only", a, b)
		}
		if _, ok := parseJSON(a); ok && !sameJSON(a, a) {
			t.Fatalf("%q is not the same as itself", a)
		}
	})
}
