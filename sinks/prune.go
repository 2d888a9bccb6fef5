package sinks

import (
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
)

// ConflictsKept is how many conflicts of a link stay on record in one store at the most.
const ConflictsKept = 10_000

// PrunePage is how many records a journal reads, and removes in one transaction.
const PrunePage = 100

// Prune does what [Journal.Prune] promises: it walks the records of a link, oldest first, and removes
// those up to the number floor and those decided before that time. It goes on as long as it finds
// some, so that one whose clock was wrong does not keep those behind it. Page returns up to
// [PrunePage] records behind a number, in their order, and remove removes records in one transaction.
func Prune(before time.Time, floor int64, page func(after int64) ([]checkpoint.Conflict, error), remove func(ids []int64) error) (removed int, err error) {
	for after := int64(0); ; {
		found, err := page(after)
		if err != nil {
			return removed, err
		}
		var ids []int64
		for i := range found {
			if after = found[i].ID; after <= floor || found[i].Decided.Before(before) {
				ids = append(ids, after)
			}
		}
		if len(ids) == 0 {
			return removed, nil
		}
		if err := remove(ids); err != nil {
			return removed, err
		}
		if removed += len(ids); len(found) < PrunePage {
			return removed, nil
		}
	}
}
