package mem

import (
	"errors"
	"slices"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// errDiffers: a row of a block is there already, or breaks a constraint.
var errDiffers = errors.New("not every row of the block can be inserted")

// takes tells whether the sink takes blocks written so.
func takes(block *sinks.Block) bool {
	return !slices.ContainsFunc(block.Notations, func(n change.Notation) bool { return n != mem.Notation })
}

// without stores the marker, after a block that came to nothing.
func (s *Sink) without(batch *sinks.Batch, outcome sinks.Outcome) ([]sinks.Outcome, error) {
	_, err := s.apply(batch.Without(outcome))
	return []sinks.Outcome{outcome}, err
}

// insertBlock inserts the rows of a block, all or none.
func (s *Sink) insertBlock(tx *mem.Tx, block *sinks.Block) ([]sinks.Outcome, error) {
	v, err := s.view(block.Table)
	if err != nil {
		return nil, err
	}
	for line := range block.Lines() {
		values, err := mem.ParseLine(line, len(block.Columns))
		if err != nil {
			return nil, err
		}
		row := make(change.Row, len(block.Table.Columns))
		for n, c := range block.Columns {
			row[c] = values[n]
		}
		if tx.Insert(block.Table.Name, v.Full(block.Table.KeyOf(row), row)) != nil {
			return nil, errDiffers
		}
	}
	if len(tx.Broken()) > 0 {
		return nil, errDiffers
	}
	return []sinks.Outcome{{Verdict: sinks.Done}}, nil
}
