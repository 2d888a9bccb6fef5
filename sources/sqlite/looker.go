package sqlite

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Looker reads rows of one database for one link. See [sources.Looker].
type Looker struct {
	store *store.Store
	link  string

	// log tells where the write-ahead log is, if the link reads that.
	log *logHeads

	conn   *store.Conn
	schema int64
	known  *store.Link // nil: the link has no log here
	have   map[string]*store.Table
	rows   map[*change.Table]*rowReader
}

var _ sources.Looker = (*Looker)(nil)

// NewLooker returns a looker on a store. It opens nothing: the first call does.
func NewLooker(s *store.Store, link string) *Looker { return &Looker{store: s, link: link} }

// Head returns where the log ends now.
func (l *Looker) Head(ctx context.Context) (change.Position, error) {
	at, err := l.snapshot(ctx, nil)
	return at, store.Classify("read the end of the log", err)
}

// Look reads the rows with these keys.
func (l *Looker) Look(ctx context.Context, table *change.Table, keys []change.Row) (look sources.Look, err error) {
	look.At, err = l.snapshot(ctx, func() error {
		r, err := l.reader(table)
		if err == nil {
			look.Rows, err = r.read(keys)
		}
		return err
	})
	return look, l.fail(table, err)
}

// Scan reads the first limit rows behind the key after.
func (l *Looker) Scan(ctx context.Context, table *change.Table, after change.Row, limit int) (look sources.Look, err error) {
	look.At, err = l.snapshot(ctx, func() error {
		r, err := l.reader(table)
		if err == nil {
			look.Rows, err = r.page(after, limit)
		}
		return err
	})
	return look, l.fail(table, err)
}

func (l *Looker) fail(table *change.Table, err error) error {
	return store.Classify("look at rows of table "+table.Name, err)
}

// snapshot runs f in one read transaction and returns the position that it is true at.
func (l *Looker) snapshot(ctx context.Context, f func() error) (change.Position, error) {
	if err := l.connect(ctx); err != nil {
		return "", err
	}
	if l.log != nil {
		return l.log.snapshot(ctx, l.conn, func() error {
			if err := l.refresh(ctx); err != nil || f == nil {
				return err
			}
			return f()
		})
	}
	at := position{}
	err := l.conn.Snapshot(ctx, func() error {
		if err := l.refresh(ctx); err != nil {
			return err
		}
		if l.known != nil {
			at.generation = l.known.Generation
			var err error
			if at.seq, err = l.conn.Int(ctx, "SELECT max(seq) FROM "+store.Quote(store.LogTable(l.link))); err != nil {
				return err
			}
		}
		if f == nil {
			return nil
		}
		return f()
	})
	if err != nil || at.seq == 0 { // no log, or nothing was ever logged
		return "", err
	}
	return at.public(), nil
}

func (l *Looker) connect(ctx context.Context) error {
	if l.conn != nil && l.conn.Moved() {
		if err := l.Close(); err != nil {
			return fmt.Errorf("reopen database: %w", err)
		}
	}
	if l.conn != nil {
		return ctx.Err()
	}
	conn, err := l.store.Connect(ctx)
	if err != nil {
		return err
	}
	l.conn, l.schema = conn, -1
	return nil
}

// refresh reads the catalogue again if the schema has changed.
func (l *Looker) refresh(ctx context.Context) error {
	version, err := l.conn.Int(ctx, "PRAGMA schema_version")
	if err != nil || version == l.schema {
		return err
	}
	link, err := l.conn.Link(ctx, l.link)
	if err != nil {
		return err
	}
	if l.have, err = l.conn.Catalogue(ctx); err != nil {
		return err
	}
	if l.known = link; link != nil && link.Generation == "" {
		l.known = nil
	}
	l.forget()
	l.schema = version
	return nil
}

func (l *Looker) forget() {
	for _, r := range l.rows {
		r.close()
	}
	l.rows = map[*change.Table]*rowReader{}
}

func (l *Looker) reader(table *change.Table) (*rowReader, error) {
	if r := l.rows[table]; r != nil {
		return r, nil
	}
	have := l.have[table.Name]
	switch {
	case have == nil:
		return nil, &store.Problem{Table: table.Name, Summary: "the table is gone or was renamed"}
	case have.Refused != nil:
		return nil, have.Refused
	}
	r := newRowReader(l.conn, table, have)
	l.rows[table] = r
	return r, nil
}

// Close releases what the looker holds.
func (l *Looker) Close() error {
	if l.conn == nil {
		return nil
	}
	l.forget()
	if l.log != nil {
		l.log.close()
	}
	conn := l.conn
	l.conn = nil
	return conn.Close()
}
