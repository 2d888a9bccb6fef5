package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Keys are the keys that a link drew from a database. See [sinks.Keys].
type Keys struct {
	store *store.Store
	link  string

	conn *store.Conn
	have map[string]*store.Table
}

var _ sinks.Keys = (*Keys)(nil)

// NewKeys returns the keys of a link. It opens nothing: the first call does.
func NewKeys(s *store.Store, link string) *Keys { return &Keys{store: s, link: link} }

// Forms implements [sinks.Keys].
func (k *Keys) Forms(ctx context.Context, pair string, own []int64) (map[int64]int64, error) {
	return k.recorded(ctx, pair, "own", "form", own)
}

// Owns implements [sinks.Keys].
func (k *Keys) Owns(ctx context.Context, pair string, forms []int64) (map[int64]int64, error) {
	return k.recorded(ctx, pair, "form", "own", forms)
}

func (k *Keys) recorded(ctx context.Context, pair, by, want string, keys []int64) (map[int64]int64, error) {
	b := fmt.Appendf(nil, "SELECT %s, %s FROM %s WHERE link = %s AND pair = %s AND %s IN (", by, want, store.KeyTable, store.Literal(k.link), store.Literal(pair), by)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, key, 10)
	}
	found := map[int64]int64{}
	err := k.ask(ctx, func() error {
		return k.conn.Query(ctx, string(append(b, ')')), func(v []driver.Value) error {
			found[store.Number(v[0])] = store.Number(v[1])
			return nil
		})
	})
	return found, store.Classify("read drawn keys", err)
}

// drawMost is how many keys are drawn at a time.
const drawMost = 500

// Draw implements [sinks.Keys]. The server has no way to ask for the next AUTO_INCREMENT but to
// insert a row: rows are inserted and rolled back, which gives no number back. The numbers of one
// statement are one after the other, in steps of auto_increment_increment, in every
// innodb_autoinc_lock_mode. Rows that one refers to need not be there yet.
func (k *Keys) Draw(ctx context.Context, table *change.Table, rows []change.Row) ([]sinks.Draw, error) {
	draws := make([]sinks.Draw, len(rows))
	err := k.ask(ctx, func() error {
		t, err := k.table(ctx, table.Name)
		if err != nil {
			return err
		}
		for first := 0; first < len(rows); first += drawMost {
			n := min(drawMost, len(rows)-first)
			if err := k.draw(ctx, t, table, rows[first:first+n], draws[first:first+n]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, store.Classify("draw keys of table "+table.Name, err)
	}
	return draws, nil
}

// draw draws keys for rows with one statement, and if the server does not take them all, with one
// for each half.
func (k *Keys) draw(ctx context.Context, t *store.Table, table *change.Table, rows []change.Row, draws []sinks.Draw) error {
	err := k.insert(ctx, t, table, rows, draws)
	if err == nil {
		return nil
	}
	classified := store.Classify("draw key", err)
	if k.conn.Broken() || ctx.Err() != nil || change.ClassOf(classified) != change.Permanent {
		return err
	}
	if len(rows) == 1 {
		draws[0].Err = &change.Error{Op: "write row", Table: table.Name, Err: store.Discreet(err)}
		return nil
	}
	half := len(rows) / 2
	if err := k.draw(ctx, t, table, rows[:half], draws[:half]); err != nil {
		return err
	}
	return k.draw(ctx, t, table, rows[half:], draws[half:])
}

func (k *Keys) insert(ctx context.Context, t *store.Table, table *change.Table, rows []change.Row, draws []sinks.Draw) (err error) {
	if err := k.conn.Do(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	defer func() {
		if !k.conn.Broken() {
			err = errors.Join(err, k.conn.Do(context.WithoutCancel(ctx), "ROLLBACK"))
		}
	}()
	if _, err := k.conn.Exec(ctx, insertion(t, table, rows)); err != nil {
		return err
	}
	return k.conn.Query(ctx, "SELECT LAST_INSERT_ID(), @@auto_increment_increment", func(v []driver.Value) error {
		first, step := store.Number(v[0]), store.Number(v[1])
		for i := range draws {
			draws[i].Own = first + int64(i)*step
		}
		return nil
	})
}

// insertion is the statement that inserts rows without their key.
func insertion(t *store.Table, table *change.Table, rows []change.Row) string {
	b := []byte("INSERT INTO " + t.Qualified() + " (")
	var columns []int
	for i := range table.Columns {
		if i != table.Key[0] && !table.Columns[i].Generated {
			if len(columns) > 0 {
				b = append(b, ", "...)
			}
			columns = append(columns, i)
			b = append(b, store.Quote(table.Columns[i].Name)...)
		}
	}
	b = append(b, ") VALUES "...)
	for n, row := range rows {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '(')
		for m, i := range columns {
			if m > 0 {
				b = append(b, ", "...)
			}
			if row[i].IsUnset() {
				b = append(b, "DEFAULT"...)
			} else {
				b = t.Type(table.Columns[i].Name).AppendLiteral(b, row[i])
			}
		}
		b = append(b, ')')
	}
	return string(b)
}

// table returns a table as the catalogue of the session has it.
func (k *Keys) table(ctx context.Context, name string) (*store.Table, error) {
	if k.have == nil {
		var err error
		if k.have, err = k.conn.Catalogue(ctx); err != nil {
			return nil, err
		}
	}
	if t := k.have[name]; t != nil {
		return t, nil
	}
	return nil, errors.New("there is no such table")
}

// ask runs f with a session. After an error that ended it the next call opens another.
func (k *Keys) ask(ctx context.Context, f func() error) error {
	if k.conn == nil {
		conn, err := k.store.Connect(ctx, "foreign_key_checks = 0", "lc_messages = 'en_US'")
		if err != nil {
			return err
		}
		k.conn, k.have = conn, nil
	}
	err := f()
	if k.conn.Broken() {
		err = errors.Join(err, k.Close())
	}
	return err
}

// Close releases what the keys hold.
func (k *Keys) Close() error {
	if k.conn == nil {
		return nil
	}
	err := k.conn.Close()
	k.conn = nil
	return err
}

// recordKeys sends the statement that records drawn keys.
func (w *markerWriter) recordKeys(ctx context.Context, p *packet, keys []sinks.Drawn) error {
	if len(keys) == 0 {
		return nil
	}
	b := []byte("INSERT INTO " + store.KeyTable + " (link, pair, own, form) VALUES ")
	for i, d := range keys {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "(%s, %s, %d, %d)", store.Literal(w.link), store.Literal(d.Pair), d.Own, d.Form)
	}
	return p.add(ctx, b)
}
