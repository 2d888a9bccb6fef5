package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// echoesMax is how many keys one entry of the log lists.
const echoesMax = 1000

// writeEchoes logs the rows that the batch wrote and that no trigger has logged: those of
// quiet tables, and those that were as they should be already. Every row that is Done has its
// echo, because the router waits for it.
func (s *Sink) writeEchoes(ctx context.Context, batch *sinks.Batch, w *writer) error {
	if s.logged != nil && s.logged.FromLog {
		return s.markEchoes(batch, w)
	}
	if s.logged == nil || s.logged.Generation == "" {
		return nil
	}
	listed := 0
	for i := range batch.Writes {
		if w.logged[i] || w.outcomes[i].Verdict != sinks.Done {
			continue
		}
		t, err := s.target(batch.Writes[i].Table)
		if err != nil {
			return err
		}
		if t.layout == nil {
			continue // what is not captured has no echo
		}
		t.echoes = store.AppendKeys(t.echoes, batch.Writes[i].Key)
		if listed++; listed%echoesMax == 0 {
			if err := s.flushEchoes(ctx, batch); err != nil {
				return err
			}
		}
	}
	return s.flushEchoes(ctx, batch)
}

// flushEchoes writes what the targets have gathered.
func (s *Sink) flushEchoes(ctx context.Context, batch *sinks.Batch) error {
	for _, t := range s.targets {
		if len(t.echoes) == 0 {
			continue
		}
		_, err := s.conn.Exec(ctx, "INSERT INTO "+store.Quote(store.LogTable(s.link))+"(tbl, op, apply, c0) VALUES(?, ?, ?, ?)",
			change.Int(t.layout.ID), change.Int(int64(store.Echoes)), change.Int(int64(batch.Marker.Apply)), change.BytesValue(t.echoes))
		if err != nil {
			return fmt.Errorf("log echoes: %w", err)
		}
		t.echoes = t.echoes[:0]
	}
	return nil
}

// markEchoes writes the rows that were done into the marker. The source sees in the pages what
// the transaction changed, but not what was as it should be already.
func (s *Sink) markEchoes(batch *sinks.Batch, w *writer) error {
	if len(batch.Writes) == 0 {
		return nil
	}
	body := store.AppendEchoes(nil, batch.Marker.Apply)
	for i := range batch.Writes {
		if w.outcomes[i].Verdict == sinks.Done {
			body = store.AppendEcho(body, batch.Writes[i].Table.Name, batch.Writes[i].Key)
		}
	}
	return s.marker.part(partEchoes, body)
}

// noteOwn notes what the transaction has written, before it is committed, where the link reads the
// write-ahead log.
func (s *Sink) noteOwn(batch *sinks.Batch, outcomes []sinks.Outcome) error {
	if s.logged == nil || !s.logged.FromLog {
		return nil
	}
	t := store.OwnTransaction{Apply: batch.Marker.Apply, Prior: s.applied}
	for i := range batch.Writes {
		if w := &batch.Writes[i]; outcomes[i].Verdict == sinks.Done {
			t.Writes = append(t.Writes, store.OwnWrite{Table: w.Table, Key: w.Key, Expect: w.Expect, New: w.New})
		}
	}
	return s.own.Append(&t)
}

// readerWait is how long Apply waits for a reader of the log that is far behind.
const readerWait = 10 * time.Second

// awaitReader waits until the reader of the log has not too much of what the link wrote before it,
// but not for one that does not read.
func (s *Sink) awaitReader(ctx context.Context) error {
	for began := time.Now(); s.own.Full() && time.Since(began) < readerWait; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
