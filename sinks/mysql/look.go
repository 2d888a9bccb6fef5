package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// What is known of a row of the batch.
const (
	unseen byte = iota
	gone        // there is none
	differing
	matching // it is as expected
)

// look is rows of one table that are read and locked.
type look struct {
	*target
	rows []int // in the order of their keys
	// columns are those that are compared in some row.
	columns []int
}

const (
	// lookRows and lookBytes bound the keys of one statement.
	lookRows, lookBytes = 1000, 128 << 10
)

// looks returns what has to be read of the rows.
func (w *writer) looks(rows []int) []*look {
	var all []*look
	of := map[*target]*look{}
	compared := map[*target][]bool{}
	for _, i := range rows {
		t := w.targets[i]
		if !w.needsLook(i) {
			continue
		}
		l := of[t]
		if l == nil {
			l = &look{target: t}
			of[t], compared[t] = l, make([]bool, len(t.types))
			all = append(all, l)
		}
		w.seen[i] = gone
		l.rows = append(l.rows, i)
		for c, v := range w.batch.Writes[i].Expect.Row {
			if !v.IsUnset() && t.types[c] != nil && !t.isKey[c] && !compared[t][c] {
				compared[t][c] = true
				l.columns = append(l.columns, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *look) int { return a.rank - b.rank })
	var parts []*look
	for _, l := range all {
		sortKeys(w.batch, l.rows)
		parts = append(parts, l.split(w.batch)...)
	}
	return parts
}

// needsLook tells whether a row has to be read before it is written.
func (w *writer) needsLook(i int) bool {
	write, t := &w.batch.Writes[i], w.targets[i]
	switch {
	case w.mode == trusting && write.Expect.Known && write.Expect.Row == nil && write.New != nil:
		return false
	case w.mode == careful, write.Expect.Known, t.inexact:
		return true
	case write.New == nil:
		return false
	}
	return len(t.have.Unique) > 0 || !t.form(verbPut, t.changes(write)).whole
}

func (l *look) split(batch *sinks.Batch) []*look {
	var parts []*look
	start, size := 0, 0
	for n, i := range l.rows {
		s := 30
		for _, v := range batch.Writes[i].Key {
			s += 30 + 2*len(v.Str())
		}
		if n > start && (size+s > lookBytes || n-start == lookRows) {
			parts = append(parts, &look{target: l.target, rows: l.rows[start:n], columns: l.columns})
			start, size = n, 0
		}
		size += s
	}
	return append(parts, &look{target: l.target, rows: l.rows[start:], columns: l.columns})
}

// appendSQL appends the statement, whose rows begin with a number.
func (l *look) appendSQL(b []byte, number int, batch *sinks.Batch) []byte {
	var columns []string
	for _, c := range slices.Concat(l.table.Key, l.columns) {
		columns = append(columns, l.types[c].Selected(l.names[c]))
	}
	b = strconv.AppendInt(append(b, "SELECT "...), int64(number), 10)
	if len(l.columns) == 0 && l.beside != "" {
		columns = append(columns, l.beside)
	}
	b = append(b, ", "+strings.Join(columns, ", ")+" FROM "+l.name+usingKey+"WHERE "+l.keys()+" IN ("...)
	for n, i := range l.rows {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = store.AppendKey(b, l.keyTypes, batch.Writes[i].Key)
	}
	return append(b, ") FOR UPDATE"...)
}

// reader takes the rows of a look, which mostly come in the order of the keys.
type reader struct {
	*look
	batch *sinks.Batch
	next  int
	byKey map[string]int // made when it is needed
	key   change.Row
}

// read takes a row and notes what is known of it then. One that was not asked for has a key
// that only is the same to the server.
func (r *reader) read(values []driver.Value, seen []byte) error {
	n := len(r.table.Key)
	if len(values) < n+len(r.columns) {
		return errors.New("the answer has other columns")
	}
	r.key = r.key[:0]
	for k, c := range r.table.Key {
		v, err := r.types[c].Scan(values[k])
		if err != nil {
			return fmt.Errorf("column %s: %w", r.table.Columns[c].Name, err)
		}
		r.key = append(r.key, v)
	}
	for at := r.find(); at >= 0 && at < len(r.rows) && r.at(at).Key.Equal(r.key); at++ {
		r.next = at + 1
		same, err := r.compare(values[n:], r.at(at).Expect.Row)
		if err != nil {
			return err
		}
		if seen[r.rows[at]] = differing; same {
			seen[r.rows[at]] = matching
		}
	}
	return nil
}

func (r *reader) at(place int) *sinks.Write { return &r.batch.Writes[r.rows[place]] }

// compare tells whether the columns that were read are as expected.
func (r *reader) compare(values []driver.Value, expect change.Row) (bool, error) {
	if expect == nil {
		return true, nil
	}
	for m, c := range r.columns {
		if expect[c].IsUnset() {
			continue
		}
		same, err := isSame(r.types[c], values[m], expect[c])
		if err != nil {
			return false, fmt.Errorf("column %s: %w", r.table.Columns[c].Name, err)
		}
		if !same {
			return false, nil
		}
	}
	return true, nil
}

// find returns the first place of the key that was read, -1 if there is none.
func (r *reader) find() int {
	if r.next < len(r.rows) && r.at(r.next).Key.Equal(r.key) {
		return r.next
	}
	if r.byKey == nil {
		r.byKey = make(map[string]int, len(r.rows))
		for at := range slices.Backward(r.rows) {
			r.byKey[string(change.AppendRow(nil, r.at(at).Key))] = at
		}
	}
	if at, ok := r.byKey[string(change.AppendRow(nil, r.key))]; ok {
		return at
	}
	return -1
}

// isSame tells whether a column that was read is the value. What is as the value has it needs
// no decoding.
func isSame(t *store.Type, v driver.Value, want change.Value) (bool, error) {
	if b, ok := v.([]byte); ok && want.Kind() == t.Kind() && want.Kind() >= change.Decimal && string(b) == want.Str() {
		return true, nil
	}
	got, err := t.Scan(v)
	return got == want, err
}

// appendClaim appends the statements that lock the link's row, tag the transaction and read what tells
// whose it is.
func (s *Sink) appendClaim(b []byte, apply uint64) []byte {
	return fmt.Appendf(b, "UPDATE %s SET tag = %d WHERE link = %s AND epoch = %d; SELECT -1, epoch, applied FROM %s WHERE link = %s",
		store.LinkTable, apply, store.Literal(s.link), s.epoch, store.LinkTable, store.Literal(s.link))
}

// claimed judges what was read by the claim.
func (w *writer) claimed(v []driver.Value) error {
	w.claimedRow = true
	if err := w.sink.compareEpoch(store.String(v[1])); err != nil {
		return err
	}
	applied, err := strconv.ParseUint(store.String(v[2]), 10, 64)
	if err != nil {
		return fmt.Errorf("check epoch: %w", err)
	}
	if applied >= w.batch.Marker.Apply {
		return errAgain
	}
	return w.batch.Behind(applied)
}

// begin begins the transaction, claims it and reads the rows of looks.
func (w *writer) begin(ctx context.Context, looks []*look) error {
	return w.claim(ctx, []byte("START TRANSACTION; "), looks)
}

// beginUnasked begins the transaction, claims it and writes the marker as it is if all goes well, before
// anything is sent: the rows can go along, and the COMMIT. If the claim fails, the server stops at a number
// that is too large for it, and [writer.begin] finds out why.
func (w *writer) beginUnasked() {
	m := w.sink.markerAfter(w.batch, w.outcomes)
	b := append(w.packet.b, "START TRANSACTION;\n"...)
	b = w.sink.marker.appendUpdate(b, fmt.Sprintf("tag = %d, ", m.Apply), m, w.outcomes)
	w.packet.b = fmt.Appendf(b, " AND applied >= %d AND applied < %d;\nSET @cdcsync_claim = exp(999 * (row_count() <> 1))", w.batch.Prior, m.Apply)
	w.settled = true
}

// claim claims the transaction, behind the statements in b, and reads the rows of looks.
func (w *writer) claim(ctx context.Context, b []byte, looks []*look) error {
	b = w.sink.appendClaim(b, w.batch.Marker.Apply)
	first := true
	for len(looks) > 0 || first {
		some := 0
		for some < len(looks) && len(b) < w.limits.packet/2 {
			b = looks[some].appendSQL(append(b, ";\n"...), some, w.batch)
			some++
		}
		if err := w.look(ctx, string(b), looks[:some]); err != nil {
			return err
		}
		if first && !w.claimedRow {
			return w.sink.gone()
		}
		looks, b, first = looks[some:], b[:0], false
	}
	return nil
}

// look runs statements whose rows are numbered by looks.
func (w *writer) look(ctx context.Context, sql string, looks []*look) error {
	readers := make([]reader, len(looks))
	for n, l := range looks {
		readers[n] = reader{look: l, batch: w.batch}
	}
	err := w.session.conn.Query(ctx, sql, func(v []driver.Value) error {
		number := store.Number(v[0])
		if number < 0 {
			return w.claimed(v)
		}
		if err := readers[number].read(v[1:], w.seen); err != nil {
			return fmt.Errorf("read rows of table %s: %w", readers[number].table.Name, err)
		}
		return nil
	})
	if store.Code(err) == store.NoSuchTable && strings.Contains(err.Error(), store.LinkTable) {
		return w.sink.gone()
	}
	if err != nil {
		return fmt.Errorf("claim and read rows: %w", err)
	}
	return nil
}
