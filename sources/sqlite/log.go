package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// limits bound what is read and handed out at once.
type limits struct {
	// whole is the backlog, in entries, up to which transactions are not cut.
	whole int
	// window is how many entries of a larger backlog are read in one snapshot.
	window int
	// piece is how many changes a transaction that is cut has.
	piece int
	// bytes bounds the values read in one snapshot.
	bytes int
}

var usual = limits{whole: 1000, window: 4096, piece: 256, bytes: 16 << 20}

// logReader reads a link's log from one position on, on one connection.
type logReader struct {
	conn   *store.Conn
	link   *store.Link
	limits limits
	at     position
	newest int64 // as of the last drain
	tables []*captured
	byID   map[int64]*layout
	ahead  ahead
	// images: the log has old values.
	images  bool
	entries *store.Stmt
	// schema is the version of the schema that was inspected last, -1 at first.
	schema int64
	// found is what is still to be told of the schema.
	found []change.SchemaChange
}

// captured is a table of the link and what is known of it.
type captured struct {
	number int
	table  *change.Table
	rows   *rowReader
	// seen is the table as it was when the log was opened, or was last reported.
	seen *store.Table
	// broken: the rows of the table cannot be read; its entries are passed over.
	broken   bool
	reported map[string]bool
}

// layout reads the entries of one layout.
type layout struct {
	store.Layout
	table *captured // nil: of no table of the link
	// slots is the place in the log's values of each column of the table; nil if some
	// column was not logged.
	slots []int
}

// newLogReader opens the log behind from.
func newLogReader(ctx context.Context, conn *store.Conn, name string, tables []*change.Table, from change.Position, l limits) (*logReader, error) {
	r := &logReader{conn: conn, limits: l, schema: -1, byID: map[int64]*layout{}}
	err := conn.Snapshot(ctx, func() error {
		if err := r.open(ctx, name, from); err != nil {
			return err
		}
		catalogue, err := conn.Catalogue(ctx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if r.link.Layout(t.Name) == nil {
				return notSetUp(name, "table "+t.Name+" is not captured")
			}
			seen := catalogue[t.Name]
			if seen == nil {
				seen = &store.Table{Table: t}
			}
			r.tables = append(r.tables, &captured{number: len(r.tables), table: t, seen: seen, reported: map[string]bool{}})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, l := range r.link.Layouts {
		r.addLayout(l)
	}
	query := "SELECT seq,tbl,op,apply,at"
	for i := range r.link.Width {
		query += ",c" + strconv.Itoa(i)
	}
	r.entries, err = conn.Prepare(query + " FROM " + store.Quote(store.LogTable(name)) + " WHERE seq>? ORDER BY seq LIMIT ?")
	return r, err
}

func notSetUp(link, what string) error {
	return &change.Error{Op: "read log", Err: errors.New(what), Hint: "run setup for link " + link}
}

// open finds the log and the place in it.
func (r *logReader) open(ctx context.Context, name string, from change.Position) error {
	link, err := r.conn.Link(ctx, name)
	if err != nil {
		return err
	}
	if link == nil || link.Generation == "" {
		if from != "" {
			return lost(from, "the log is gone")
		}
		return notSetUp(name, "the database has no log of this link")
	}
	r.link = link
	if r.newest, err = r.head(ctx); err != nil {
		return err
	}
	r.at = position{generation: link.Generation}
	if from == "" {
		return nil
	}
	p, err := parsePosition(from)
	if err != nil {
		return lost(from, err.Error())
	}
	switch {
	case p.generation != link.Generation:
		return lost(from, "the log was made anew since")
	case p.seq > r.newest:
		return lost(from, fmt.Sprintf("the log ends at %d: the database is older than the position", r.newest))
	}
	r.at = p
	r.ahead.all(p.told)
	return nil
}

func lost(at change.Position, why string) error {
	return change.Lost("read log", at, errors.New(why), "what changed since is not known: run setup if the link is not set up, then resync")
}

func (r *logReader) head(ctx context.Context) (int64, error) {
	return r.conn.Int(ctx, "SELECT max(seq) FROM "+store.Quote(store.LogTable(r.link.Name)))
}

func (r *logReader) addLayout(l store.Layout) {
	one := &layout{Layout: l}
	r.byID[l.ID] = one
	r.images = r.images || l.Mode == store.Rows
	i := slices.IndexFunc(r.tables, func(t *captured) bool { return t.table.Name == l.Table })
	if i < 0 {
		return
	}
	one.table = r.tables[i]
	if l.Mode != store.Rows {
		return
	}
	names := slices.Concat(l.Key, l.Old)
	slots := make([]int, len(one.table.table.Columns))
	for i, c := range one.table.table.Columns {
		if slots[i] = slices.Index(names, c.Name); slots[i] < 0 {
			return
		}
	}
	one.slots = slots
}

// drain returns what the log holds behind the position, in one snapshot: nothing if there
// is nothing, and not everything if it is much.
func (r *logReader) drain(ctx context.Context) ([]*change.Tx, error) {
	for range 3 {
		w, err := r.look(ctx)
		if err != nil {
			return nil, err
		}
		if w == nil { // then look again: what renewing them noticed is in the log
			if err := r.renew(ctx); err != nil {
				return nil, err
			}
			continue
		}
		var txs []*change.Tx
		if found := append(r.found, w.schema...); len(found) > 0 {
			r.found = nil
			txs = append(txs, &change.Tx{Position: r.at.public(), Schema: found, Behind: r.newest - r.at.seq})
		}
		return append(txs, r.cut(w)...), nil
	}
	return nil, &change.Error{Op: "renew triggers", Err: errors.New("they are not as they were made"),
		Hint: "is another version of cdcsync running on this link? run setup for link " + r.link.Name}
}

// look reads the next batch in one snapshot; nil if triggers have to be made anew first.
func (r *logReader) look(ctx context.Context) (w *batch, err error) {
	err = r.conn.Snapshot(ctx, func() error {
		version, err := r.conn.Int(ctx, "PRAGMA schema_version")
		if err != nil {
			return err
		}
		if version != r.schema {
			found, stale, err := r.inspect(ctx)
			if err != nil {
				return err
			}
			r.found = append(r.found, found...)
			if stale {
				return nil
			}
			r.schema = version
		}
		w, err = r.window(ctx)
		return err
	})
	return w, err
}

// renew makes triggers fit the tables as they are.
func (r *logReader) renew(ctx context.Context) error {
	var tables []*change.Table
	for _, t := range r.tables {
		tables = append(tables, t.table)
	}
	return r.conn.Renew(ctx, r.link, tables)
}

// close releases the statements of the reader.
func (r *logReader) close() {
	for _, t := range r.tables {
		t.close()
	}
	if r.entries != nil {
		_ = r.entries.Close() // repeats the error of the last execution
	}
}

// window reads the next entries and the rows they are about.
func (r *logReader) window(ctx context.Context) (*batch, error) {
	newest, err := r.head(ctx)
	if err != nil {
		return nil, err
	}
	if newest < r.at.seq {
		return nil, lost(r.at.public(), fmt.Sprintf("the log ends at %d", newest))
	}
	r.newest = newest
	w := newBatch()
	w.end = r.at.seq
	if newest == r.at.seq {
		return w, nil
	}
	w.whole = newest-r.at.seq <= int64(r.limits.whole)
	r.ahead.passed(r.at.seq)
	if err := r.entries.Set(0, change.Int(r.at.seq)); err != nil {
		return nil, err
	}
	if err := r.entries.Set(1, change.Int(int64(r.limits.window)+1)); err != nil {
		return nil, err
	}
	n := 0
	err = r.entries.Query(func(raw []driver.Value) error {
		n++
		if full := n+w.listed > r.limits.window || w.bytes > r.limits.bytes; full {
			w.peek(raw)
			return errFull
		}
		return r.add(w, raw)
	})
	if err != nil && err != errFull {
		return nil, err
	}
	w.chain(newest)
	return w, r.readNow(w)
}

var errFull = errors.New("window is full")

// add takes one entry into w.
func (r *logReader) add(w *batch, raw []driver.Value) error {
	seq, id, op := raw[0].(int64), integer(raw[1]), store.Op(integer(raw[2]))
	apply := uint64(integer(raw[3]))
	w.begin(seq, apply, op)
	l := r.byID[id]
	if l == nil {
		return lost(r.at.public(), fmt.Sprintf("entry %d has a layout that is not known", seq))
	}
	if l.table == nil || l.table.broken {
		return nil
	}
	values := raw[5:]
	if op == store.Echoes {
		return w.echoes(l.table, seq, raw[4], values[0])
	}
	if op == store.Gap {
		w.schema = append(w.schema, change.SchemaChange{Table: l.table.table, Reason: store.Decode(values[0]).Str()})
		return nil
	}
	key := make(change.Row, len(l.Key))
	for i := range key {
		key[i] = store.Decode(values[i])
		if key[i].IsNull() {
			w.unkeyed(l.table)
			return nil
		}
	}
	row, isNew := w.row(l.table, key)
	row.last, row.at = seq, raw[4]
	if !isNew {
		row.next(op)
		return nil
	}
	row.candidate = op == store.Candidate
	row.first = seq
	row.updated = op == store.Updated
	switch {
	case r.ahead.covers(seq, row.id):
	case op == store.Inserted && l.Mode == store.Rows:
		row.before = change.Is(nil)
	case op != store.Inserted && l.slots != nil:
		row.before = change.Is(oldRow(values, l.slots))
		w.bytes += row.before.Row.Size()
	}
	w.bytes += 200 + len(row.id)
	return nil
}

func oldRow(values []driver.Value, slots []int) change.Row {
	row := make(change.Row, len(slots))
	for i, slot := range slots {
		row[i] = store.Decode(values[slot])
	}
	return row
}

func integer(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// commitTime returns the time of an entry, which is a Julian day.
func commitTime(v driver.Value) time.Time {
	day, ok := v.(float64)
	if !ok {
		return time.Time{}
	}
	const unixEpoch = 2440587.5
	return time.UnixMilli(int64(math.Round((day - unixEpoch) * 86400e3))).UTC()
}

// readNow reads the rows whose state no later entry tells, as they are now. If that is too
// much for the memory, the batch ends before the first row that was not read.
func (r *logReader) readNow(w *batch) error {
	for i, run := range w.runs {
		for start := 0; start < len(run.rows); start += r.limits.piece {
			some := run.rows[start:min(start+r.limits.piece, len(run.rows))]
			if w.bytes > r.limits.bytes && i+start > 0 {
				w.truncate(i, start)
				return nil
			}
			if err := r.readRows(w, some); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *logReader) readRows(w *batch, rows []*rowChange) error {
	for _, t := range r.tables {
		var keys []change.Row
		var want []*rowChange
		for _, row := range rows {
			if row.table == t && !row.after.Known && (!row.echo || row.candidate) {
				keys, want = append(keys, row.key), append(want, row)
			}
		}
		if keys == nil {
			continue
		}
		got, err := t.rows.read(keys)
		if err != nil {
			return err
		}
		for i, row := range want {
			row.after = change.Is(got[i])
			w.bytes += got[i].Size()
		}
	}
	return nil
}

// cut makes transactions of w and moves the position behind it.
func (r *logReader) cut(w *batch) []*change.Tx {
	var txs []*change.Tx
	for i, run := range w.runs {
		size := r.limits.piece
		if w.whole {
			size = max(1, len(run.rows))
		}
		for start := 0; start == 0 || start < len(run.rows); start += size {
			end := min(start+size, len(run.rows))
			tx := &change.Tx{Tag: change.Tag{Apply: run.apply}}
			for _, row := range run.rows[start:end] {
				if c, ok := row.change(run.apply != 0); ok {
					tx.Changes = append(tx.Changes, c)
				}
			}
			r.at.seq = run.last
			if end < len(run.rows) {
				r.at.seq, tx.Partial = run.rows[end].first-1, true
			} else if i == len(w.runs)-1 {
				tx.Partial = w.goesOn
			}
			if len(tx.Changes) == 0 && (end < len(run.rows) || run.apply != 0 && !run.wrote) {
				if i < len(w.runs)-1 || end < len(run.rows) {
					continue // there is nothing to say; a later position is behind it
				}
				tx.Tag = change.Tag{}
			}
			if r.images && !w.whole {
				r.at.told = max(r.at.told, r.newest)
			}
			tx.Position, tx.Behind = r.at.public(), r.newest-r.at.seq
			txs = append(txs, tx)
		}
	}
	if r.images && r.at.seq < r.newest {
		r.ahead.add(w, r.newest)
	}
	if r.at.told <= r.at.seq {
		r.at.told = 0
	}
	return txs
}
