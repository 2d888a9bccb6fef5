package sinks

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// AllDone tells whether all of a batch was done.
func AllDone(outcomes []Outcome) bool {
	return !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Verdict != Done })
}

// AnyDone tells whether something of a batch was done.
func AnyDone(outcomes []Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Verdict == Done })
}

// AppendOutcomes encodes the outcomes that are not Done as their place, verdict and error, for
// a sink that keeps them with the marker, should the batch come again.
func AppendOutcomes(b []byte, outcomes []Outcome) []byte {
	for i, o := range outcomes {
		if o.Verdict == Done {
			continue
		}
		row := change.Row{change.Int(int64(i)), change.Int(int64(o.Verdict)), change.NullValue()}
		if o.Err != nil {
			row[2] = change.TextValue(o.Err.Error())
		}
		b = change.AppendRow(b, row)
	}
	return b
}

// DecodeOutcomes reads what AppendOutcomes wrote of n outcomes.
func DecodeOutcomes(body []byte, n int) ([]Outcome, error) {
	outcomes := make([]Outcome, n)
	for len(body) > 0 {
		row, rest, err := change.DecodeRow(body)
		if err != nil || len(row) != 3 || row[0].Int64() < 0 || row[0].Int64() >= int64(n) || row[1].Uint64() > uint64(Refused) {
			return nil, fmt.Errorf("read outcomes: %w", errors.Join(change.ErrEncoding, err))
		}
		o := &outcomes[row[0].Int64()]
		o.Verdict = Verdict(row[1].Int64())
		if !row[2].IsNull() {
			o.Err = errors.New(row[2].Str())
		}
		body = rest
	}
	return outcomes, nil
}
