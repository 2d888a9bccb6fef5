package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Looker reads rows of one database for one link. See [sources.Looker]. How it finds the place
// in the log at which they are true is in exact.go.
type Looker struct {
	store  *store.Store
	link   string
	window *Window

	conn       *store.Conn
	generation string // "" if the log of the store is not read
	gtids      bool   // of MySQL, in the log
	blind      bool   // the user may not know how long the log is
	// known is the place of a snapshot of MariaDB, and knownSet what belongs to it.
	known    store.Place
	knownSet *gtids
	have     map[string]*store.Table
	queries  map[*change.Table]*query
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

// Head returns where the log ends now.
func (l *Looker) Head(ctx context.Context) (change.Position, error) {
	if err := l.connect(ctx); err != nil || l.generation == "" {
		return "", err
	}
	at, err := l.end(ctx)
	if err != nil {
		return "", l.fail("read the end of the log", err)
	}
	return l.public(at), nil
}

// end returns where the log ends: everything that anybody can see is before it.
func (l *Looker) end(ctx context.Context) (place, error) {
	if l.gtids {
		at := place{set: &gtids{}}
		err := l.conn.SeenGTIDs(ctx, func(text string) error {
			set, err := parseGTIDs(text, false)
			if err == nil {
				at.set.addAll(set)
			}
			return err
		})
		return at, err
	}
	end, err := l.conn.LogEnd(ctx)
	if err != nil {
		return place{}, err
	}
	return placeOf(end, l.conn.MariaDB)
}

func (l *Looker) public(at place) change.Position {
	p := position{generation: l.generation, read: at}
	return p.public()
}

// Look reads the rows with these keys.
func (l *Looker) Look(ctx context.Context, table *change.Table, keys []change.Row) (sources.Look, error) {
	look := sources.Look{Rows: make([]change.Row, len(keys))}
	err := l.exactly(ctx, table, &look.At, func(q *query, lock string) error {
		clear(look.Rows)
		return q.look(ctx, l.conn, keys, look.Rows, lock)
	})
	return look, err
}

// Scan reads the first limit rows behind the key after.
func (l *Looker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (sources.Look, error) {
	var look sources.Look
	err := l.exactly(ctx, table, &look.At, func(q *query, lock string) error {
		look.Rows = look.Rows[:0]
		return q.scan(ctx, l.conn, after, limit, &look.Rows, lock)
	})
	return look, err
}

// fail classifies an error, and has the next call connect anew.
func (l *Looker) fail(op string, err error) error {
	return store.Classify(op, errors.Join(err, l.Close()))
}

func (l *Looker) connect(ctx context.Context) error {
	if l.conn != nil && !l.conn.Broken() {
		return ctx.Err()
	}
	if err := l.Close(); err != nil {
		return store.Classify("close a session", err)
	}
	// Nobody waits for a lock while he holds others.
	conn, err := l.store.Connect(ctx, "lock_wait_timeout = 1", "innodb_lock_wait_timeout = 1")
	if err != nil {
		return err
	}
	l.conn, l.queries = conn, map[*change.Table]*query{}
	l.known, l.knownSet, l.blind = store.Place{}, nil, false
	if err := l.prepare(ctx); err != nil {
		return l.fail("read the catalogue", err)
	}
	return nil
}

func (l *Looker) prepare(ctx context.Context) (err error) {
	if err := l.conn.Do(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
		return err
	}
	if l.have, err = l.conn.Catalogue(ctx); err != nil {
		return err
	}
	l.generation, err = l.conn.Text(ctx, "SELECT generation FROM "+store.Quote(store.LinkTable)+" WHERE link = "+store.Literal(l.link))
	if store.Code(err) == store.NoSuchTable {
		l.generation, err = "", nil
	}
	if err != nil {
		return fmt.Errorf("read generation of the log: %w", err)
	}
	if l.conn.MariaDB {
		return nil
	}
	l.gtids, err = l.conn.HasGTIDs(ctx)
	return err
}

// query returns what reads rows of a table.
func (l *Looker) query(table *change.Table) (*query, error) {
	if q := l.queries[table]; q != nil {
		return q, nil
	}
	gone := func(what string) error {
		return l.fail("look at rows", &change.Error{Op: "look at rows", Table: table.Name, Err: errors.New(what + " is gone or was renamed")})
	}
	have := l.have[table.Name]
	if have == nil {
		return nil, gone("the table")
	}
	q := &query{table: table, most: l.conn.PacketMax / 2}
	var columns []string
	for i := range table.Columns {
		t := have.Type(table.Columns[i].Name)
		if t == nil {
			return nil, gone("column " + table.Columns[i].Name)
		}
		q.types = append(q.types, t)
		columns = append(columns, t.Selected(store.Quote(table.Columns[i].Name)))
	}
	for _, c := range table.Key {
		q.keys = append(q.keys, q.types[c])
		q.names = append(q.names, store.Quote(table.Columns[c].Name))
	}
	q.from = " FROM " + have.Qualified() + " FORCE INDEX (PRIMARY)"
	q.start = "SELECT " + strings.Join(columns, ", ") + q.from
	l.queries[table] = q
	return q, nil
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
