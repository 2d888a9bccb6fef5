package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Looker reads rows of one database for one link. See [sources.Looker].
//
// A commit is in the log before it is visible, so rows cannot be put at a place in the log by
// when they were read. A look reads them in a snapshot and then takes the end of the log: its
// position is both. Whoever has read the log to there has met every transaction that the
// snapshot shows, and Reached tells of each whether it does.
type Looker struct {
	store  *store.Store
	link   string
	window *Window

	conn       *store.Conn
	generation string // "" if the log of the store is not read
	have       map[string]*store.Table
	queries    map[*change.Table]*query
}

var (
	_ sources.Looker = (*Looker)(nil)
	_ sources.Gauge  = (*Looker)(nil)
)

// NewLooker returns a looker on a store. Its looks wait for what a source with the same w has
// given out; w is nil where there is none. It opens nothing: the first call does.
func NewLooker(s *store.Store, link string, w *Window) *Looker {
	if w == nil {
		w = &Window{}
	}
	return &Looker{store: s, link: link, window: w}
}

// query is what reads rows of one table.
type query struct {
	columns, from string
	keys          []*store.Type
	names         []string // of the key's columns, quoted
	exact         bool
}

// Head returns where the log ends now.
func (l *Looker) Head(ctx context.Context) (change.Position, error) {
	if err := l.connect(ctx); err != nil {
		return "", err
	}
	at, err := l.end(ctx)
	if err != nil {
		return "", l.fail("read the end of the log", err)
	}
	return at, nil
}

// Measure returns how long the log is. See [sources.Gauge].
func (l *Looker) Measure(ctx context.Context) (found sources.Length, err error) {
	if err := l.connect(ctx); err != nil || l.generation == "" {
		return found, err
	}
	began, given := l.window.reached()
	if began == 0 {
		return found, nil
	}
	text, err := l.conn.Text(ctx, "SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		return found, l.fail("read the length of the log", err)
	}
	lsn, ok := parseLSN(text)
	if !ok {
		return found, fmt.Errorf("read the length of the log: %q is no LSN", text)
	}
	return sources.Length{Began: began, Given: given, End: max(given, uint64(lsn))}, nil
}

// end returns where the log ends, for a store whose log is read.
func (l *Looker) end(ctx context.Context) (change.Position, error) {
	if l.generation == "" {
		return "", nil
	}
	p := position{generation: l.generation}
	if err := l.flushed(ctx, &p, logEnd); err != nil {
		return "", err
	}
	return p.public(), nil
}

// logEnd says where the log ends, and whether that is still to be flushed.
const logEnd = "SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()"

// flushed takes where the log ends from sql, which is logEnd at its end.
func (l *Looker) flushed(ctx context.Context, p *position, sql string) error {
	waits := false
	err := l.conn.Rows(ctx, sql, func(fields [][]byte) error { return p.takeEnd(fields, &waits) })
	if err != nil || !waits {
		return err
	}
	return l.flush(ctx)
}

// flush has the log flushed to its end by a commit of nothing. Only what is flushed is sent, and what is no
// commit may wait for that for long.
func (l *Looker) flush(ctx context.Context) error {
	_, err := l.conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'cdcsync', 'flush')")
	return err
}

// Look reads the rows with these keys.
func (l *Looker) Look(ctx context.Context, table *change.Table, keys []change.Row) (sources.Look, error) {
	look := sources.Look{Rows: make([]change.Row, len(keys))}
	err := l.snapshot(ctx, table, &look.At, func(q *query, p *position, shows func() error) error {
		clear(look.Rows)
		var values slab
		return l.inOneMessage(ctx, p, q.ofKeys(keys), shows, func(fields [][]byte) error {
			n, ok := parseInt(fields[0])
			if !ok || n < 1 || n > int64(len(keys)) {
				return nil
			}
			row, err := rowOf(table, fields[1:], &values)
			// A key that merely equals the one asked for is another row's.
			if err == nil && (q.exact || table.KeyOf(row).Equal(keys[n-1])) {
				look.Rows[n-1] = row
			}
			return err
		})
	})
	return look, err
}

// Scan reads the first limit rows behind the key after.
func (l *Looker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (sources.Look, error) {
	var look sources.Look
	err := l.snapshot(ctx, table, &look.At, func(q *query, p *position, shows func() error) error {
		look.Rows = slices.Grow(look.Rows[:0], min(limit, 1024))
		var values slab
		return l.inOneMessage(ctx, p, statement{sql: q.pageOf(q.columns, after, limit)}, shows, func(fields [][]byte) error {
			row, err := rowOf(table, fields, &values)
			look.Rows = append(look.Rows, row)
			return err
		})
	})
	return look, err
}

// How long a look waits before it looks again for a transaction that is in the log and not
// visible yet.
const (
	waitFirst = time.Millisecond
	waitMost  = 100 * time.Millisecond
)

// snapshot calls read, which reads rows in one read transaction and fills in its position, and sets at to
// that. Once the snapshot is known, shows returns nil if it shows everything that was given out before.
func (l *Looker) snapshot(ctx context.Context, table *change.Table, at *change.Position, read func(q *query, p *position, shows func() error) error) error {
	op := "look at rows of table " + table.Name
	if err := l.connect(ctx); err != nil {
		return err
	}
	q, err := l.query(table)
	if err != nil {
		return err
	}
	for wait := waitFirst; ; wait = min(2*wait, waitMost) {
		p := position{generation: l.generation}
		mark := l.window.mark()
		err := read(q, &p, func() error {
			if !l.window.shown(p.snapshot, mark) {
				return errHidden
			}
			return nil
		})
		switch {
		case err == nil && l.generation == "":
			return nil
		case err == nil:
			*at = p.public()
			return nil
		case !errors.Is(err, errHidden):
			return l.fail(op, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// errHidden: a transaction that was given out is not visible yet.
var errHidden = errors.New("a transaction is in the log and not visible yet")

const (
	readBegin    = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	readSnapshot = "SELECT pg_current_snapshot()"
)

// statement is one that reads rows.
type statement struct {
	sql     string
	args    [][]byte
	formats []int16
}

// inOneMessage reads rows in a read transaction, and where the log ends: the network may be
// slow. What row was given is void if there is an error.
func (l *Looker) inOneMessage(ctx context.Context, p *position, s statement, shows func() error, row func(fields [][]byte) error) error {
	var batch pgconn.Batch
	batch.ExecParams(readBegin, nil, nil, nil, nil)
	batch.ExecParams(readSnapshot, nil, nil, nil, nil)
	batch.ExecParams(s.sql, s.args, nil, s.formats, nil)
	batch.ExecParams("COMMIT", nil, nil, nil, nil)
	if l.generation != "" {
		batch.ExecParams(logEnd, nil, nil, nil, nil)
	}
	waits := false
	takes := []func(fields [][]byte) error{1: p.takeSnapshot, 2: row, 4: func(fields [][]byte) error { return p.takeEnd(fields, &waits) }}
	err := l.conn.Batch(ctx, &batch, func(n int, fields [][]byte) error { return takes[n](fields) })
	if err != nil {
		return l.conn.Rollback(ctx, err)
	}
	if err := shows(); err != nil || !waits {
		return err
	}
	return l.flush(ctx)
}

// readOnly runs f, a COPY, which no other statement shares a message with, in a read transaction whose
// snapshot is in p, and takes where the log ends then, if it is read.
func (l *Looker) readOnly(ctx context.Context, p *position, f func() error) error {
	err := l.conn.Rows(ctx, readBegin+"; "+readSnapshot, p.takeSnapshot)
	if err == nil {
		err = f()
	}
	switch {
	case err != nil:
		return l.conn.Rollback(ctx, err)
	case l.generation == "":
		return l.conn.Do(ctx, "COMMIT")
	default:
		return l.flushed(ctx, p, "COMMIT; "+logEnd)
	}
}

func (p *position) takeSnapshot(fields [][]byte) (err error) {
	p.snapshot, err = parseSnapshot(string(fields[0]))
	return err
}

// takeEnd takes what [logEnd] says.
func (p *position) takeEnd(fields [][]byte, waits *bool) error {
	var ok bool
	if p.lsn, ok = parseLSN(string(fields[0])); !ok {
		return fmt.Errorf("%q is no LSN", fields[0])
	}
	*waits = fields[1][0] == 't'
	return nil
}

// fail classifies an error, and has the next call connect anew.
func (l *Looker) fail(op string, err error) error {
	return store.Classify(op, errors.Join(err, l.Close()))
}

func (l *Looker) connect(ctx context.Context) error {
	if l.conn != nil && !l.conn.IsClosed() {
		return ctx.Err()
	}
	conn, err := l.store.Connect(ctx, map[string]string{
		// Rows are found by their keys, whatever the statistics say. Nobody has to wait for a
		// standby to know where the log ends.
		"synchronous_commit": "local",
		"enable_hashjoin":    "off", "enable_mergejoin": "off", "enable_seqscan": "off", "jit": "off",
	})
	if err != nil {
		return err
	}
	l.conn, l.queries = conn, map[*change.Table]*query{}
	if l.have, err = conn.Catalogue(ctx); err != nil {
		return l.fail("read the catalogue", err)
	}
	l.generation, err = conn.Text(ctx, "SELECT generation FROM cdcsync.link WHERE link = $1", l.link)
	if code := store.Code(err); code == store.UndefinedTable || code == store.InvalidSchema {
		err = nil
	}
	if err != nil {
		return l.fail("read generation of the log", err)
	}
	return nil
}

// query returns what reads rows of a table.
func (l *Looker) query(table *change.Table) (*query, error) {
	if q := l.queries[table]; q != nil {
		return q, nil
	}
	have := l.have[table.Name]
	if have == nil {
		return nil, l.fail("look at rows", &change.Error{Op: "look at rows", Table: table.Name, Err: errors.New("the table is gone or was renamed")})
	}
	q := &query{from: have.Qualified(), exact: true}
	var columns []string
	for i := range table.Columns {
		columns = append(columns, "t."+store.Quote(table.Columns[i].Name))
	}
	q.columns = strings.Join(columns, ", ")
	for _, c := range table.Key {
		name := table.Columns[c].Name
		kind := have.Type(name)
		if kind == nil {
			return nil, l.fail("look at rows", &change.Error{Op: "look at rows", Table: table.Name, Err: fmt.Errorf("column %s is gone or was renamed", name)})
		}
		q.keys, q.names = append(q.keys, kind), append(q.names, store.Quote(name))
		q.exact = q.exact && kind.Exact()
	}
	l.queries[table] = q
	return q, nil
}

// ofKeys is the statement that reads the rows with these keys, each with its number from 1 on before it.
func (q *query) ofKeys(keys []change.Row) statement {
	var arrays, names, conditions []string
	s := statement{args: make([][]byte, len(q.keys)), formats: make([]int16, len(q.keys))}
	for i, kind := range q.keys {
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+1))
		names = append(names, fmt.Sprintf("k%d", i))
		conditions = append(conditions, fmt.Sprintf("t.%s = k.k%d::%s", q.names[i], i, kind.Cast))
		var values store.Array
		values.Begin(store.ElementText, len(keys))
		for _, key := range keys {
			values.Value(key[i])
		}
		s.args[i], s.formats[i] = values.Bytes(), 1
	}
	s.sql = "SELECT k.n, " + q.columns + " FROM unnest(" + strings.Join(arrays, ", ") + ") WITH ORDINALITY AS k(" + strings.Join(names, ", ") +
		", n) JOIN " + q.from + " t ON " + strings.Join(conditions, " AND ")
	return s
}

// pageOf is the statement that reads columns of the first limit rows behind the key after.
func (q *query) pageOf(columns string, after change.Row, limit int) string {
	sql := "SELECT " + columns + " FROM " + q.from + " t"
	order := "t." + strings.Join(q.names, ", t.")
	if after != nil {
		var marks []string
		for i, kind := range q.keys {
			cast := kind.Cast
			if cast == "integer" || cast == "smallint" {
				cast = "bigint" // behind what the column cannot hold there is nothing
			}
			marks = append(marks, store.Literal(string(store.AppendText(nil, after[i])))+"::text::"+cast)
		}
		sql += " WHERE (" + order + ") > (" + strings.Join(marks, ", ") + ")"
	}
	return sql + fmt.Sprintf(" ORDER BY %s LIMIT %d", order, limit)
}

// Close releases what the looker holds.
func (l *Looker) Close() error {
	if l.conn == nil {
		return nil
	}
	conn := l.conn
	l.conn = nil
	return conn.Close()
}
