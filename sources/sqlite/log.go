package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	// stretch is how many entries have a place in the index of what comes later, more than most
	// of a window, survey how many it reads in one snapshot, and print how many bits its fingerprints have, up to 64.
	stretch, survey, print int
}

var usual = limits{whole: 1000, window: 4096, piece: 256, bytes: 16 << 20, stretch: 1 << 20, survey: 1 << 14, print: 64}

// logReader reads a link's log from one position on, on one connection.
type logReader struct {
	conn   *store.Conn
	link   *store.Link
	limits limits
	at     position
	newest int64 // as of the last drain
	tables []*captured
	byID   map[int64]*layout
	// images: the log has old values.
	images bool
	// cutTo: up to this entry the log is read in pieces, however few are left.
	cutTo int64
	// unended is the link's own transaction that the position is inside of, if what was read of it
	// wrote.
	unended uint64
	entries *store.Stmt
	// later tells of the entries that come next, and their rows, which comes next; nil: it is not
	// needed. surveys and others read what goes into it, and what it leads to.
	later           *later
	surveys, others *store.Stmt
	// schema is the version of the schema that was inspected last, -1 at first.
	schema int64
	// found is what is still to be told of the schema.
	found []change.SchemaChange
	id    []byte // scratch
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
	if err := r.prepare(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// prepare compiles the statements that read the log.
func (r *logReader) prepare() (err error) {
	from := " FROM " + store.Quote(store.LogTable(r.link.Name))
	all := "SELECT seq,tbl,op,apply,at" + columns(r.link.Width)
	if r.entries, err = r.conn.Prepare(all + from + " WHERE seq>? ORDER BY seq LIMIT ?"); err != nil || !r.images {
		return err
	}
	keys := 0
	for _, l := range r.byID {
		keys = max(keys, len(l.Key))
	}
	ofRows := fmt.Sprintf(" AND op NOT IN (%d,%d)", store.Gap, store.Echoes)
	if r.surveys, err = r.conn.Prepare("SELECT seq,tbl,op" + columns(keys) + from + " WHERE seq>? AND seq<=?" + ofRows + " ORDER BY seq"); err != nil {
		return err
	}
	r.others, err = r.conn.Prepare(all + from + " WHERE seq IN (?" + strings.Repeat(",?", many-1) + ")")
	return err
}

// columns lists the first n columns of the log that hold values.
func columns(n int) string {
	list := ""
	for i := range n {
		list += ",c" + strconv.Itoa(i)
	}
	return list
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

// look reads the next batch in one snapshot; nil if triggers have to be made anew first. What is
// needed to know of the rest of the log is read before, in short snapshots: in journal modes other than
// WAL the application cannot commit beside one.
func (r *logReader) look(ctx context.Context) (w *batch, err error) {
	for again := true; again; {
		again = false
		err = r.conn.Snapshot(ctx, func() error {
			stale, err := r.reinspect(ctx)
			if err != nil || stale {
				return err
			}
			w, again, err = r.next(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// reinspect compares the schema of the snapshot with what is known, if it has changed, and tells
// whether triggers have to be made anew.
func (r *logReader) reinspect(ctx context.Context) (stale bool, err error) {
	version, err := r.conn.Int(ctx, "PRAGMA schema_version")
	if err != nil || version == r.schema {
		return false, err
	}
	found, stale, err := r.inspect(ctx)
	if err != nil {
		return false, err
	}
	r.found = append(r.found, found...)
	if !stale {
		r.schema = version
	}
	return stale, nil
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
	for _, s := range []*store.Stmt{r.entries, r.surveys, r.others} {
		if s != nil {
			_ = s.Close() // repeats the error of the last execution
		}
	}
}

// next reads the next entries and the rows they are about. again: it has to be called once more, in another
// snapshot.
func (r *logReader) next(ctx context.Context) (w *batch, again bool, err error) {
	newest, err := r.head(ctx)
	if err != nil {
		return nil, false, err
	}
	if newest < r.at.seq {
		return nil, false, lost(r.at.public(), fmt.Sprintf("the log ends at %d", newest))
	}
	r.newest = newest
	whole := newest-r.at.seq <= int64(r.limits.whole) && r.at.seq >= r.cutTo
	if whole || !r.images {
		r.later = nil
	} else if done, err := r.survey(); err != nil || !done {
		return nil, true, err
	}
	w = newBatch(r.limits, whole, !r.images, r.unended)
	w.later, w.reach = r.later, r.at.seq+int64(r.limits.window)
	if newest == r.at.seq {
		return w, false, nil
	}
	switch err := r.window(w); {
	case errors.Is(err, errTooLarge):
		r.cutTo = newest
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	return w, false, nil
}

// errTooLarge: what was to be read as a whole is more than the limits.
var errTooLarge = errors.New("the log holds too much to be read as a whole")

var errFull = errors.New("window is full")

// window reads entries into w, and the rows they are about.
func (r *logReader) window(w *batch) error {
	if err := r.entries.Set(0, change.Int(r.at.seq)); err != nil {
		return err
	}
	if err := r.entries.Set(1, change.Int(int64(most(r.limits.window))+1)); err != nil {
		return err
	}
	err := r.entries.Query(func(raw []driver.Value) error {
		var e logEntry
		if err := r.decode(&e, raw); err != nil {
			return err
		}
		switch {
		case w.fits(&e):
			return r.add(w, &e)
		case w.whole:
			return errTooLarge
		}
		w.peek(&e)
		return errFull
	})
	if err != nil && err != errFull {
		return err
	}
	w.chain()
	return r.readAfter(w)
}

// add takes one entry into w.
func (r *logReader) add(w *batch, e *logEntry) error {
	w.begin(e)
	t := e.layout.table
	switch {
	case t == nil || t.broken:
	case e.op == store.Echoes:
		return w.echoes(e)
	case e.op == store.Gap:
		w.schema = append(w.schema, change.SchemaChange{Table: t.table, Reason: store.Decode(e.values[0]).Str()})
	case e.key == nil:
		w.unkeyed(t)
	default:
		w.add(e, r.before(e))
	}
	return nil
}

// readAfter reads the state of rows after their runs that no entry of the batch tells. If that is too
// much for the memory, the batch ends before the first run that was not read.
func (r *logReader) readAfter(w *batch) error {
	for i, run := range w.runs {
		for start := 0; start < len(run.rows); start += r.limits.piece {
			if w.bytes > r.limits.bytes && i+start > 0 {
				if w.whole {
					return errTooLarge
				}
				if start == 0 {
					w.truncate(i)
					return nil
				}
			}
			var want []*rowChange
			for _, row := range run.rows[start:min(start+r.limits.piece, len(run.rows))] {
				if !row.after.Known && (!row.echo || row.candidate) {
					want = append(want, row)
				}
			}
			want, err := r.readLater(w, want)
			if err == nil {
				err = r.readNow(w, want)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// readNow reads rows of which the log tells no more, as they are now.
func (r *logReader) readNow(w *batch, rows []*rowChange) error {
	for _, t := range r.tables {
		var keys []change.Row
		var want []*rowChange
		for _, row := range rows {
			if row.table == t {
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
		last := i == len(w.runs)-1
		tx := &change.Tx{Tag: change.Tag{Apply: run.apply}}
		if tx.Partial = w.goesOn; !last {
			tx.Partial = w.runs[i+1].apply == run.apply
		}
		for _, row := range run.rows {
			if c, ok := row.change(); ok {
				tx.Add(c)
			}
		}
		r.at.seq, r.unended = run.end, 0
		if tx.Partial && run.wrote {
			r.unended = run.apply
		}
		if len(tx.Changes) == 0 && (tx.Partial || run.apply != 0 && !run.wrote) {
			if !last {
				continue // there is nothing to say; a later position is behind it
			}
			tx.Tag = change.Tag{}
		}
		tx.Position, tx.Behind = r.at.public(), r.newest-r.at.seq
		txs = append(txs, tx)
	}
	return txs
}
