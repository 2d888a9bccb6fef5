package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// position is a place in a log, printed as "s1:GENERATION:SEQ" or "s1:GENERATION:SEQ:TOLD".
type position struct {
	generation string
	// seq is the last entry that was read.
	seq int64
	// told is the entry up to which rows that were delivered by then may be known already,
	// if that is further on.
	told int64
}

func (p position) String() string {
	s := "s1:" + p.generation + ":" + strconv.FormatInt(p.seq, 10)
	if p.told > p.seq {
		s += ":" + strconv.FormatInt(p.told, 10)
	}
	return s
}

func (p position) public() change.Position { return change.Position(p.String()) }

func parsePosition(text change.Position) (position, error) {
	parts := strings.Split(string(text), ":")
	if len(parts) < 3 || len(parts) > 4 || parts[0] != "s1" || parts[1] == "" {
		return position{}, fmt.Errorf("%q is no position of a sqlite log", text)
	}
	p := position{generation: parts[1]}
	numbers := []*int64{&p.seq, &p.told}
	for i, part := range parts[2:] {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 {
			return position{}, fmt.Errorf("%q is no position of a sqlite log", text)
		}
		*numbers[i] = n
	}
	if len(parts) == 4 && p.told <= p.seq {
		return position{}, fmt.Errorf("%q is no position of a sqlite log", text)
	}
	return p, nil
}

// Reached tells whether a log read to read holds everything up to want. See
// [sources.Source].
func (s *Source) Reached(read, want change.Position) bool { return reached(read, want) }

func reached(read, want change.Position) bool {
	if want == "" || read == "" {
		return want == ""
	}
	r, err := parsePosition(read)
	if err != nil {
		return false
	}
	w, err := parsePosition(want)
	return err == nil && r.generation == w.generation && r.seq >= w.seq
}
