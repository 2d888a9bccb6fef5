// Package mem writes to a store in memory.
package mem

import (
	"context"
	"errors"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var (
	_ sinks.Sink    = (*Sink)(nil)
	_ sinks.Journal = (*Journal)(nil)
)

// Sink writes to a store for one link. The exported fields are set before the first use.
type Sink struct {
	// Hook is called around open, apply and check.
	Hook mem.Hook
	// Room is what every Result says; 0 is 1,000 rows.
	Room int

	store *mem.Store
	link  string
	views map[*change.Table]*mem.View

	epoch uint64 // of this instance; 0 before Open
	// last is the batch that was committed last by this instance.
	last struct {
		apply    uint64
		outcomes []sinks.Outcome
	}
}

// New returns a sink of the link on the store. It is not open.
func New(store *mem.Store, link string) *Sink {
	return &Sink{store: store, link: link, views: map[*change.Table]*mem.View{}}
}

// Open implements [sinks.Sink].
func (s *Sink) Open(ctx context.Context) (checkpoint.Marker, error) {
	var marker checkpoint.Marker
	err := s.Hook.Around(ctx, "open", func() error {
		return s.store.Apply(s.link, func(tx *mem.Tx) (err error) {
			if marker, err = stored(tx); err != nil {
				return err
			}
			marker.Epoch++
			s.epoch = marker.Epoch
			tx.SetMarker(checkpoint.AppendMarker(nil, marker))
			return nil
		})
	})
	return marker, err
}

// Apply implements [sinks.Sink].
func (s *Sink) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	var result sinks.Result
	err := s.Hook.Around(ctx, "apply", func() error {
		outcomes, err := s.apply(batch)
		result = sinks.Result{Outcomes: outcomes, Room: s.room()}
		return err
	})
	if err != nil {
		return sinks.Result{}, err
	}
	return result, nil
}

// Check implements [sinks.Sink].
func (s *Sink) Check(ctx context.Context) error {
	return s.Hook.Around(ctx, "check", func() error {
		marker, err := read(s.store.Marker(s.link))
		if err != nil {
			return err
		}
		return s.fenced(marker)
	})
}

// Close implements [sinks.Sink].
func (s *Sink) Close() error { return nil }

func (s *Sink) room() int {
	if s.Room == 0 {
		return 1000
	}
	return s.Room
}

// apply runs the batch as one transaction.
func (s *Sink) apply(batch *sinks.Batch) ([]sinks.Outcome, error) {
	apply := batch.Marker.Apply
	if batch.Size() == 0 {
		apply = 0
	}
	if batch.Block != nil && !takes(batch.Block) {
		return s.without(batch, batch.Block.Refusal())
	}
	var outcomes []sinks.Outcome
	err := s.store.Apply(s.link, func(tx *mem.Tx) error {
		marker, err := stored(tx)
		if err != nil {
			return err
		}
		if err := s.fenced(marker); err != nil {
			return err
		}
		if apply != 0 && apply <= marker.Apply {
			return errWritten
		}
		if err := batch.Behind(marker.Apply); err != nil {
			return err
		}
		if batch.Block != nil {
			outcomes, err = s.insertBlock(tx, batch.Block)
		} else {
			outcomes, err = s.write(tx, batch.Writes)
		}
		if err != nil {
			return err
		}
		return s.record(tx, batch, outcomes)
	})
	if errors.Is(err, errDiffers) {
		return s.without(batch, sinks.Outcome{Verdict: sinks.Differs})
	}
	if errors.Is(err, errWritten) && apply == s.last.apply {
		return s.last.outcomes, nil
	}
	if err != nil {
		return nil, err
	}
	if apply != 0 {
		s.last.apply, s.last.outcomes = apply, outcomes
	}
	return outcomes, nil
}

// record writes the conflicts of what was done, drawn keys, and the marker.
func (s *Sink) record(tx *mem.Tx, batch *sinks.Batch, outcomes []sinks.Outcome) error {
	for i, w := range batch.Writes {
		if outcomes[i].Verdict == sinks.Done && w.Conflict != nil {
			c := *w.Conflict
			c.ID = tx.NextID()
			tx.AddConflict(checkpoint.AppendConflict(nil, c))
		}
	}
	for _, d := range batch.Recorded(outcomes) {
		if err := tx.AddKey(d.Pair, d.Own, d.Form); err != nil {
			return &change.Error{Op: "record drawn keys", Err: err}
		}
	}
	if sinks.AnyDone(outcomes) {
		tx.Number(batch.Marker.Apply)
	}
	marker := batch.Settled(outcomes)
	marker.Epoch = s.epoch
	tx.SetMarker(checkpoint.AppendMarker(nil, marker))
	return nil
}

// fenced returns an error unless the marker is of this instance.
func (s *Sink) fenced(marker checkpoint.Marker) error {
	switch {
	case s.epoch == 0:
		return &change.Error{Op: "check epoch", Err: errors.New("the sink was not opened")}
	default:
		return sinks.Fence(s.link, marker.Epoch, s.epoch)
	}
}

// errWritten is a batch that is in the store already.
var errWritten = &change.Error{Op: "apply batch", Err: errors.New("a batch of this number was written before, by another instance")}

func stored(tx *mem.Tx) (checkpoint.Marker, error) { return read(tx.Marker()) }

// read decodes a marker; none is the zero marker.
func read(b []byte) (checkpoint.Marker, error) {
	if b == nil {
		return checkpoint.Marker{}, nil
	}
	return checkpoint.DecodeMarker(b)
}
