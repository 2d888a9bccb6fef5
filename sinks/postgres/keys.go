package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Keys are the keys that a link drew from a database. See [sinks.Keys].
type Keys struct {
	store *store.Store
	link  string

	conn *store.Conn
	// draws are the statements that draw keys, by table.
	draws map[string]string
}

var _ sinks.Keys = (*Keys)(nil)

// NewKeys returns the keys of a link. It opens nothing: the first call does.
func NewKeys(s *store.Store, link string) *Keys { return &Keys{store: s, link: link} }

// Forms implements [sinks.Keys].
func (k *Keys) Forms(ctx context.Context, pair string, own []int64) (map[int64]int64, error) {
	return k.recorded(ctx, "SELECT own, form FROM cdcsync.key WHERE link = $1 AND pair = $2 AND own = ANY ($3::bigint[])", pair, own)
}

// Owns implements [sinks.Keys].
func (k *Keys) Owns(ctx context.Context, pair string, forms []int64) (map[int64]int64, error) {
	return k.recorded(ctx, "SELECT form, own FROM cdcsync.key WHERE link = $1 AND pair = $2 AND form = ANY ($3::bigint[])", pair, forms)
}

func (k *Keys) recorded(ctx context.Context, sql, pair string, keys []int64) (map[int64]int64, error) {
	found := map[int64]int64{}
	err := k.ask(ctx, func() error {
		return k.conn.Query(ctx, sql, func(v [][]byte) error {
			key, err := strconv.ParseInt(string(v[0]), 10, 64)
			if err != nil {
				return err
			}
			found[key], err = strconv.ParseInt(string(v[1]), 10, 64)
			return err
		}, k.link, pair, array(keys))
	})
	return found, store.Classify("read drawn keys", err)
}

// array is keys as the text of an array.
func array(keys []int64) string {
	b := []byte{'{'}
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, key, 10)
	}
	return string(append(b, '}'))
}

// drawMost is how many keys are drawn at a time.
const drawMost = 10_000

// Draw implements [sinks.Keys]. Keys that rows have although the sequence comes to them only now,
// as after a restore, are passed over.
func (k *Keys) Draw(ctx context.Context, table *change.Table, rows []change.Row) ([]sinks.Draw, error) {
	draws := make([]sinks.Draw, 0, len(rows))
	err := k.ask(ctx, func() error {
		sql, err := k.drawing(ctx, table)
		if err != nil {
			return err
		}
		for ask := len(rows); len(draws) < len(rows); ask *= 2 {
			err := k.conn.Query(ctx, sql, func(v [][]byte) error {
				own, err := strconv.ParseInt(string(v[0]), 10, 64)
				if len(draws) < len(rows) {
					draws = append(draws, sinks.Draw{Own: own})
				}
				return err
			}, strconv.Itoa(min(ask, drawMost)))
			if err != nil {
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

// drawing returns the statement that draws keys of a table.
func (k *Keys) drawing(ctx context.Context, table *change.Table) (string, error) {
	if sql := k.draws[table.Name]; sql != "" {
		return sql, nil
	}
	tables, err := k.conn.Catalogue(ctx)
	if err != nil {
		return "", err
	}
	t := tables[table.Name]
	if t == nil {
		return "", errors.New("there is no such table")
	}
	column := table.Columns[table.Key[0]].Name
	next, err := k.conn.Sequence(ctx, t, column)
	if err != nil {
		return "", err
	}
	if next == "" {
		return "", &change.Error{Op: "draw keys", Table: table.Name, Err: fmt.Errorf("column %s has no sequence", column),
			Hint: "make it an identity column, or give it a default of nextval"}
	}
	sql := fmt.Sprintf(`WITH drawn AS MATERIALIZED (SELECT (%s)::bigint AS own FROM generate_series(1, $1::int))
		SELECT own FROM drawn WHERE NOT EXISTS (SELECT FROM %s AS t WHERE t.%s = drawn.own)`, next, t.Qualified(), store.Quote(column))
	k.draws[table.Name] = sql
	return sql, nil
}

// ask runs f with a session. After an error that closed it the next call opens another.
func (k *Keys) ask(ctx context.Context, f func() error) error {
	if k.conn == nil {
		conn, err := k.store.Connect(ctx, map[string]string{"application_name": "cdcsync " + k.link + " keys"})
		if err != nil {
			return err
		}
		k.conn, k.draws = conn, map[string]string{}
	}
	err := f()
	if k.conn.IsClosed() {
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

// keySteps record drawn keys.
func keySteps(link string, keys []sinks.Drawn) []step {
	if len(keys) == 0 {
		return nil
	}
	var own, form, pairs []string
	for _, d := range keys {
		own, form = append(own, strconv.FormatInt(d.Own, 10)), append(form, strconv.FormatInt(d.Form, 10))
		pairs = append(pairs, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(d.Pair)+`"`)
	}
	join := func(list []string) string { return "{" + strings.Join(list, ",") + "}" }
	return []step{{
		sql:  "INSERT INTO cdcsync.key (link, pair, own, form) SELECT $1, u.pair, u.own, u.form FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS u (pair, own, form)",
		bind: textual(link, join(pairs), join(own), join(form)),
	}}
}
