package mapping

import "testing"

// What SQLite takes for a number, and for an integer.
func TestLiteral(t *testing.T) {
	for text, want := range map[string][2]bool{
		"": {}, "+": {}, ".": {}, "-.": {}, "e5": {}, "1e": {}, "1e+": {}, "1e5x": {}, "1.2.3": {}, "1e5.0": {}, "0x1f": {}, "Inf": {}, "NaN": {}, "1_000": {},
		"2026-11-30": {}, "+-1": {}, "１": {},
		"0": {true, true}, "-12": {true, true}, "+12": {true, true}, "00": {true, true}, "9223372036854775808": {true, true},
		"1.": {true, false}, ".5": {true, false}, "-1.50": {true, false}, "1e5": {true, false}, "1.E-7": {true, false}, "+.5e+7": {true, false},
	} {
		if number, integer := literal(text); number != want[0] || integer != want[1] {
			t.Errorf("%q: a number %v, an integer %v", text, number, integer)
		}
	}
}
