package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// snapshot is which transactions a look shows, as pg_current_snapshot prints it:
// "xmin:xmax:xip,xip,…", in 64 bits. The log carries 32 bits of each number; those that are
// compared here are never further apart than half of that.
type snapshot struct {
	text string
	// xmin: every transaction before it had ended. xmax: none from it on had.
	xmin, xmax uint32
	running    []uint32
}

func parseSnapshot(text string) (*snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q is no snapshot", text)
	}
	s := &snapshot{text: text}
	number := func(digits string) (uint32, error) {
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no snapshot", text)
		}
		return uint32(n), nil
	}
	var err error
	if s.xmin, err = number(parts[0]); err != nil {
		return nil, err
	}
	if s.xmax, err = number(parts[1]); err != nil || parts[2] == "" {
		return s, err
	}
	for digits := range strings.SplitSeq(parts[2], ",") {
		n, err := number(digits)
		if err != nil {
			return nil, err
		}
		s.running = append(s.running, n)
	}
	return s, nil
}

// shows tells whether a transaction that has committed, as far as the log is concerned, is
// visible in s.
func (s *snapshot) shows(xid uint32) bool {
	if before(xid, s.xmin) {
		return true
	}
	if !before(xid, s.xmax) {
		return false
	}
	for _, running := range s.running {
		if running == xid {
			return false
		}
	}
	return true
}

// before compares the numbers of transactions modulo 2^32. See TransactionIdPrecedes.
func before(a, b uint32) bool { return int32(a-b) < 0 }
