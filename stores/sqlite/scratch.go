package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	msqlite "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
)

// Scratch is a database in memory, in which tables are declared to learn how SQLite sees
// them. It is used by one goroutine at a time.
type Scratch struct{ conn *Conn }

// Storage is a table and how its rows lie in the file.
type Storage struct {
	*Table
	WithoutRowid bool
	// Slots has the column of each value of a record, in the order of the record. Columns
	// that are computed when they are read have none.
	Slots []int
	// Defaults are what the columns of a record have that was written before they were added,
	// by column. Unset: not known.
	Defaults change.Row
}

// Stored tells whether the values of a column are in the file.
func (s *Storage) Stored(column int) bool { return slices.Contains(s.Slots, column) }

// NewScratch opens an empty database in memory.
func NewScratch() (*Scratch, error) {
	raw, err := (&msqlite.Driver{}).Open(":memory:")
	if err != nil {
		return nil, fmt.Errorf("open database in memory: %w", err)
	}
	if err := raw.(msqlite.AuthorizerRegisterer).RegisterAuthorizer(inMemory); err != nil {
		return nil, errors.Join(fmt.Errorf("open database in memory: %w", err), raw.Close())
	}
	return &Scratch{conn: &Conn{raw: raw, store: &Store{path: ":memory:"}, short: map[string]*Stmt{}}}, nil
}

// inMemory refuses statements that would open a file (ATTACH, VACUUM INTO): what is declared is
// text out of a file that somebody else writes.
func inMemory(action msqlite.AuthorizerActionCode, _, _, _, _ string) msqlite.AuthorizerReturnCode {
	if action == msqlite.AuthAttach {
		return msqlite.AuthorizerDeny
	}
	return msqlite.AuthorizerOK
}

// Close releases the database.
func (s *Scratch) Close() error { return s.conn.Close() }

// Declare returns what a CREATE TABLE statement makes of the table called name. The statement
// fails if it names functions or collations that only the application has.
func (s *Scratch) Declare(ctx context.Context, name, create string) (*Storage, error) {
	if _, err := s.conn.Exec(ctx, create); err != nil {
		return nil, fmt.Errorf("declare table %s: %w", name, err)
	}
	st, err := s.read(ctx, name)
	if _, dropErr := s.conn.Exec(ctx, "DROP TABLE "+Quote(name)); err == nil {
		err = dropErr
	}
	if err != nil {
		return nil, fmt.Errorf("declare table %s: %w", name, err)
	}
	return st, nil
}

func (s *Scratch) read(ctx context.Context, name string) (*Storage, error) {
	st := &Storage{Table: &Table{Table: &change.Table{Name: name}, Rowid: -1}}
	strict := false
	err := s.conn.Query(ctx, `SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?`, func(row []change.Value) error {
		st.WithoutRowid, strict = row[0].Int64() != 0, row[1].Int64() != 0
		return nil
	}, change.TextValue(name))
	if err != nil {
		return nil, err
	}
	if err := s.conn.readTable(ctx, st.Table, st.WithoutRowid, strict); err != nil {
		return nil, err
	}
	if err := s.readDefaults(ctx, st, strict); err != nil {
		return nil, err
	}
	if st.WithoutRowid {
		return st, s.readIndexOrder(ctx, st)
	}
	virtual, err := s.virtual(ctx, name)
	for i := range st.Columns {
		if !slices.Contains(virtual, i) {
			st.Slots = append(st.Slots, i)
		}
	}
	return st, err
}

// virtual returns the generated columns that are not stored.
func (s *Scratch) virtual(ctx context.Context, name string) (list []int, err error) {
	err = s.conn.Query(ctx, `SELECT cid FROM pragma_table_xinfo(?) WHERE hidden = 2`, func(row []change.Value) error {
		list = append(list, int(row[0].Int64()))
		return nil
	}, change.TextValue(name))
	return list, err
}

// readIndexOrder takes the order of the values from the index that a WITHOUT ROWID table is.
func (s *Scratch) readIndexOrder(ctx context.Context, st *Storage) error {
	return s.conn.Query(ctx, `SELECT x.cid FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE l.origin = 'pk' ORDER BY x.seqno`,
		func(row []change.Value) error {
			st.Slots = append(st.Slots, int(row[0].Int64()))
			return nil
		}, change.TextValue(st.Name))
}

// readDefaults lets SQLite compute the defaults, with the affinity of their columns.
func (s *Scratch) readDefaults(ctx context.Context, st *Storage, strict bool) error {
	st.Defaults = make(change.Row, len(st.Columns))
	exprs := make([]string, len(st.Columns))
	err := s.conn.Query(ctx, `SELECT cid, dflt_value FROM pragma_table_xinfo(?)`, func(row []change.Value) error {
		i := int(row[0].Int64())
		if st.Defaults[i] = change.NullValue(); !row[1].IsNull() {
			exprs[i] = row[1].Str()
		}
		return nil
	}, change.TextValue(st.Name))
	if err != nil {
		return err
	}
	for i, expr := range exprs {
		if expr != "" {
			st.Defaults[i] = s.compute(ctx, st.Columns[i].Type, expr, strict)
		}
	}
	return nil
}

// compute returns what expr is in a column of this type: Unset if it is no constant.
func (s *Scratch) compute(ctx context.Context, declared, expr string, strict bool) (v change.Value) {
	switch strings.ToUpper(strings.Trim(expr, "( )")) {
	case "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP":
		return v
	}
	option := ""
	if strict {
		option = " STRICT"
	}
	_, err := s.conn.Exec(ctx, "CREATE TEMP TABLE one(x "+declared+" DEFAULT ("+expr+"), y INT)"+option+"; INSERT INTO one(y) VALUES(1)")
	if err == nil {
		err = s.conn.Query(ctx, "SELECT +x FROM one", func(row []change.Value) error {
			v = row[0]
			return nil
		})
	}
	if err != nil {
		v = change.Value{}
	}
	_, _ = s.conn.Exec(ctx, "DROP TABLE IF EXISTS one") // fails only where making it did
	return v
}
