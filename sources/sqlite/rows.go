package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// many is how many rows one query reads by key.
const many = 64

// rowReader reads rows of one table in the columns of its change.Table. Its statements
// belong to one connection.
type rowReader struct {
	conn  *store.Conn
	table *change.Table
	have  *store.Table
	byKey map[int]*store.Stmt // one and many keys
	pages [2]*store.Stmt      // from the start, and behind a key
}

func newRowReader(conn *store.Conn, table *change.Table, have *store.Table) *rowReader {
	return &rowReader{conn: conn, table: table, have: have, byKey: map[int]*store.Stmt{}}
}

// columns is the select list. The plus keeps the driver from making times of what is
// declared as one.
func (r *rowReader) columns(alias string) string {
	var list []string
	for i := range r.table.Columns {
		list = append(list, "+"+alias+store.Quote(r.table.Columns[i].Name))
	}
	return strings.Join(list, ",")
}

func (r *rowReader) key(i int) string { return store.Quote(r.table.Columns[r.table.Key[i]].Name) }

// collate makes a comparison use the collation of the key's index, so that the index is
// used. A rowid has none.
func (r *rowReader) collate(i int) string {
	if r.have.Rowid >= 0 {
		return ""
	}
	return " COLLATE " + store.Quote(r.have.Collation[i])
}

// read returns the rows with these keys as they are in the current snapshot, nil where
// there is none with exactly that key.
func (r *rowReader) read(keys []change.Row) ([]change.Row, error) {
	rows := make([]change.Row, len(keys))
	for start := 0; start < len(keys); {
		n := len(keys) - start
		switch {
		case n >= many:
			n = many
		case n < 8:
			n = 1
		}
		if err := r.readSome(keys[start:start+n], rows[start:start+n]); err != nil {
			return nil, fmt.Errorf("read rows of table %s: %w", r.table.Name, err)
		}
		start += n
	}
	return rows, nil
}

func (r *rowReader) readSome(keys, rows []change.Row) error {
	size := many
	if len(keys) == 1 {
		size = 1
	}
	stmt, err := r.keyed(size)
	if err != nil {
		return err
	}
	width := len(r.table.Key)
	for i := range size {
		for j := range width {
			v := change.NullValue() // equal to nothing
			if i < len(keys) {
				v = keys[i][j]
			}
			if err := stmt.Set(i*width+j, v); err != nil {
				return err
			}
		}
	}
	return stmt.Query(func(raw []driver.Value) error {
		i := raw[0].(int64)
		if row := decodeRow(raw[1:]); r.table.KeyOf(row).Equal(keys[i]) {
			rows[i] = row
		}
		return nil
	})
}

func decodeRow(raw []driver.Value) change.Row {
	row := make(change.Row, len(raw))
	for i := range raw {
		row[i] = store.Decode(raw[i])
	}
	return row
}

// keyed returns the statement that reads size rows by key.
func (r *rowReader) keyed(size int) (*store.Stmt, error) {
	if s := r.byKey[size]; s != nil {
		return s, nil
	}
	var b strings.Builder
	b.WriteString("WITH want(i")
	for j := range r.table.Key {
		fmt.Fprintf(&b, ",k%d", j)
	}
	b.WriteString(") AS (VALUES")
	marks := strings.Repeat(",?", len(r.table.Key))
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(%d%s)", i, marks)
	}
	fmt.Fprintf(&b, ") SELECT want.i,%s FROM want CROSS JOIN %s AS t ON ", r.columns("t."), store.Quote(r.table.Name))
	for j := range r.table.Key {
		if j > 0 {
			b.WriteString(" AND ")
		}
		fmt.Fprintf(&b, "t.%s=want.k%d%s", r.key(j), j, r.collate(j))
	}
	s, err := r.conn.Prepare(b.String())
	if err == nil {
		r.byKey[size] = s
	}
	return s, err
}

// page returns up to limit rows behind the key after, in the order of the key.
func (r *rowReader) page(after change.Row, limit int) ([]change.Row, error) {
	stmt, err := r.paged(after != nil)
	if err != nil {
		return nil, err
	}
	for i := range after {
		if err := stmt.Set(i, after[i]); err != nil {
			return nil, err
		}
	}
	if err := stmt.Set(len(after), change.Int(int64(limit))); err != nil {
		return nil, err
	}
	var rows []change.Row
	err = stmt.Query(func(raw []driver.Value) error {
		row := decodeRow(raw)
		for _, k := range r.table.Key {
			if row[k].IsNull() {
				return nullKey(r.table)
			}
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

func nullKey(t *change.Table) error {
	return &change.Error{Op: "read", Table: t.Name, Err: errNullKey,
		Hint: "give those rows a key: SELECT * FROM " + store.Quote(t.Name) + " WHERE " + store.Quote(t.Columns[t.Key[0]].Name) + " IS NULL"}
}

func (r *rowReader) paged(behind bool) (*store.Stmt, error) {
	place := 0
	if behind {
		place = 1
	}
	if r.pages[place] != nil {
		return r.pages[place], nil
	}
	var keys []string
	for j := range r.table.Key {
		keys = append(keys, r.key(j)+r.collate(j))
	}
	order := strings.Join(keys, ",")
	where := ""
	if behind {
		where = " WHERE (" + order + ") > (?" + strings.Repeat(",?", len(keys)-1) + ")"
	}
	s, err := r.conn.Prepare("SELECT " + r.columns("") + " FROM " + store.Quote(r.table.Name) + where + " ORDER BY " + order + " LIMIT ?")
	if err == nil {
		r.pages[place] = s
	}
	return s, err
}

// close releases the statements.
func (r *rowReader) close() {
	for _, s := range r.byKey {
		_ = s.Close() // repeats the error of the last execution
	}
	for _, s := range r.pages {
		if s != nil {
			_ = s.Close()
		}
	}
}
