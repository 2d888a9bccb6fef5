package sinks

import (
	"errors"
	"testing"
)

func FuzzOutcomes(f *testing.F) {
	f.Add(AppendOutcomes(nil, []Outcome{{}, {Verdict: Differs}, {Verdict: Refused, Err: errors.New("why")}}), 3)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if n < 0 || n > 1000 {
			return
		}
		outcomes, err := DecodeOutcomes(body, n)
		if err != nil {
			return
		}
		again, err := DecodeOutcomes(AppendOutcomes(nil, outcomes), n)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range outcomes {
			same := o.Verdict == again[i].Verdict && (o.Verdict == Done || (o.Err == nil) == (again[i].Err == nil))
			if !same || o.Err != nil && again[i].Err != nil && o.Err.Error() != again[i].Err.Error() {
				t.Fatalf("outcome %d is %v, then %v", i, o, again[i])
			}
		}
	})
}
