package router

import (
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
)

// flight is a batch that the sink has.
type flight struct {
	batch *sinks.Batch
	rows  []*row
	apply uint64
	// emptied is the reconciler's when it was formed.
	emptied int
	// chunk is that of a block; nil: it has none. prints are the rows of the block that wait for
	// their echo.
	chunk  *chunk
	prints []fingerprint
	// repairs are asked for while the block is under way.
	repairs []repair
	// space is what the rows are kept in; nil: that of a block.
	space *space
	// unmarked is that of the log across when it was formed.
	unmarked int
}

// waits is how many rows wait for the sink, which has a batch.
func (e *end) waits() int {
	n := len(e.out)
	if e.queued != nil {
		n += len(e.queued.rows)
	}
	return n
}

// repair is a row that is to be compared, and by what rule.
type repair struct {
	key change.Row
	by  checkpoint.By
}

// space is what a flight is kept in, and one after it: large ones would leave much to collect.
type space struct {
	writes []sinks.Write
	rows   []*row
	debts  []checkpoint.Debt // of the writes
	sents  []sent            // of the rows
}

// fit empties the space, and makes it as large as n rows need, and not much larger.
func (p *space) fit(n int) {
	p.writes, p.rows = fit(p.writes, n), fit(p.rows, n)
	p.debts, p.sents = fit(p.debts, n), fit(p.sents, n)
}

func fit[T any](s []T, n int) []T {
	if cap(s) < n || cap(s) > 4*n {
		return make([]T, 0, n)
	}
	return s[:0]
}

// clear drops what the last flight held. held says that some row still needs what it was sent.
func (p *space) clear(held bool) {
	if held {
		p.sents = nil
	}
	p.writes, p.rows = emptied(p.writes), emptied(p.rows)
	p.debts, p.sents = emptied(p.debts), emptied(p.sents)
}

func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}
