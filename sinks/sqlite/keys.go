package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// Keys are the keys that a link drew from a database. See [sinks.Keys].
type Keys struct {
	store *store.Store
	link  string

	conn   *store.Conn
	number int64
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
	if err := k.connect(ctx); err != nil {
		return nil, err
	}
	found := map[int64]int64{}
	sql := fmt.Sprintf("SELECT %s, %s FROM %s WHERE link = ? AND pair = ? AND %s IN (%s)", by, want, store.KeyTable, by, list(keys))
	err := k.conn.Query(ctx, sql, func(row []change.Value) error {
		found[row[0].Int64()] = row[1].Int64()
		return nil
	}, change.Int(k.number), change.TextValue(pair))
	return found, store.Classify("read drawn keys", err)
}

func list(keys []int64) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, key)
	}
	return b.String()
}

// Draw implements [sinks.Keys]. The table has AUTOINCREMENT, so that no key is given out twice.
func (k *Keys) Draw(ctx context.Context, table *change.Table, rows []change.Row) ([]sinks.Draw, error) {
	if err := k.connect(ctx); err != nil {
		return nil, err
	}
	draws := make([]sinks.Draw, len(rows))
	err := k.conn.Immediate(ctx, func() error {
		name := change.TextValue(table.Name)
		if _, err := k.conn.Exec(ctx, `INSERT INTO sqlite_sequence(name, seq) SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)`, name); err != nil {
			return err
		}
		return k.conn.Query(ctx, "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ? RETURNING seq", func(row []change.Value) error {
			for i := range draws {
				draws[i].Own = row[0].Int64() - int64(len(rows)-1-i)
			}
			return nil
		}, change.Int(int64(len(rows))), name)
	})
	if err != nil {
		return nil, store.Classify("draw keys of table "+table.Name, err)
	}
	return draws, nil
}

// connect connects, and again after the file was replaced.
func (k *Keys) connect(ctx context.Context) error {
	if k.conn != nil && !k.conn.Moved() {
		return nil
	}
	if err := k.Close(); err != nil {
		return err
	}
	conn, err := k.store.Connect(ctx)
	if err != nil {
		return err
	}
	l, err := conn.Link(ctx, k.link)
	if err == nil && l == nil {
		err = &change.Error{Op: "read drawn keys", Err: errors.New("the link is not set up in this database"), Hint: "run setup"}
	}
	if err != nil {
		return errors.Join(store.Classify("read drawn keys", err), conn.Close())
	}
	k.conn, k.number = conn, l.Number
	return nil
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

// recordKeys records drawn keys in the open transaction.
func (s *Sink) recordKeys(ctx context.Context, keys []sinks.Drawn) error {
	for _, d := range keys {
		_, err := s.conn.Exec(ctx, "INSERT INTO "+store.KeyTable+"(link, pair, own, form) VALUES(?, ?, ?, ?)",
			change.Int(s.number), change.TextValue(d.Pair), change.Int(d.Own), change.Int(d.Form))
		if err != nil {
			return fmt.Errorf("record drawn keys: %w", err)
		}
	}
	return nil
}
