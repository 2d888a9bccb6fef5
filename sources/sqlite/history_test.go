package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/sqlite"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// historySchema has what makes capture by triggers hard: REPLACE on unique columns, partial
// and expression indexes, cascades, keys that are equal under a collation or across types,
// and triggers of the application that write the row again, or other rows.
const historySchema = `
CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v, ts INT, g AS (v || '!'));
CREATE TABLE w(a TEXT, b INT, x INT, y INT, z, UNIQUE(x,y), PRIMARY KEY(b,a)) WITHOUT ROWID;
CREATE TABLE c(id INTEGER PRIMARY KEY, t INT REFERENCES t(id) ON DELETE CASCADE ON UPDATE CASCADE, z UNIQUE);
CREATE TABLE s(id INTEGER PRIMARY KEY, t INT REFERENCES t(id) ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE n(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v);
CREATE TABLE e(k PRIMARY KEY NOT NULL, name TEXT, live INT);
CREATE UNIQUE INDEX e1 ON e(lower(name), /* ) */ coalesce(live, 0) DESC);
CREATE UNIQUE INDEX e2 ON e(live COLLATE NOCASE) WHERE live > 900;
CREATE TRIGGER app1 AFTER UPDATE OF v ON t BEGIN UPDATE t SET ts=coalesce(ts,0)+1 WHERE id=NEW.id; END;
CREATE TRIGGER app2 AFTER INSERT ON t WHEN NEW.v%7=0 BEGIN INSERT OR REPLACE INTO w VALUES('trg',NEW.id%50,NEW.id%20,1,NEW.v); END;
CREATE TRIGGER app3 AFTER INSERT ON s BEGIN UPDATE s SET t=t WHERE id=NEW.id; UPDATE s SET t=NULL WHERE id=NEW.id AND t%5=0; END;
CREATE TRIGGER app4 AFTER DELETE ON n BEGIN INSERT OR REPLACE INTO e VALUES(OLD.k, OLD.k, NULL); END;
`

// history is a random application on one database, and a model that is fed by a source.
type history struct {
	t      *testing.T
	rand   *rand.Rand
	app    *sql.DB
	store  *store.Store
	tables []*change.Table
	source *Source
	at     change.Position
	limits limits
	rows   bool
	model  map[string]change.Image // by table and key
	own    uint64
	sink   *sink.Sink
}

func newHistory(t *testing.T, seed uint64, mode store.Capture) *history {
	t.Helper()
	path := filepath.Join(t.TempDir(), "h.db")
	app, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=synchronous(0)&_pragma=journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	app.SetMaxOpenConns(1)
	t.Cleanup(func() { app.Close() })
	h := &history{t: t, rand: rand.New(rand.NewPCG(seed, 7)), app: app, rows: mode == store.Rows, model: map[string]change.Image{}, limits: usual}
	h.exec(historySchema)
	if h.store, err = store.Open(path); err != nil {
		t.Fatal(err)
	}
	if h.tables, _, err = h.store.Tables(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(h.tables) != 6 {
		t.Fatalf("%d tables", len(h.tables))
	}
	if err := h.store.Setup(t.Context(), "l", h.tables, mode, true); err != nil {
		t.Fatal(err)
	}
	// A migration: triggers of the application are now younger than ours, and run first.
	h.exec("DROP TRIGGER app1; CREATE TRIGGER app1 AFTER UPDATE OF v ON t BEGIN UPDATE t SET ts=coalesce(ts,0)+1 WHERE id=NEW.id; END;" +
		"DROP TRIGGER app3; CREATE TRIGGER app3 AFTER INSERT ON s BEGIN UPDATE s SET t=t WHERE id=NEW.id; UPDATE s SET t=NULL WHERE id=NEW.id AND t%5=0; END")
	return h
}

func (h *history) exec(query string) {
	h.t.Helper()
	if _, err := h.app.Exec(query); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
}

func (h *history) open() {
	h.t.Helper()
	h.close()
	h.source = New(h.store, "l", h.tables)
	h.source.limits = h.limits
	if err := h.source.Start(h.t.Context(), h.at); err != nil {
		h.t.Fatalf("start at %s: %v", h.at, err)
	}
}

func (h *history) close() {
	if h.source != nil {
		if err := h.source.Close(); err != nil {
			h.t.Fatal(err)
		}
		h.source = nil
	}
}

// transaction runs a few random statements of an application.
func (h *history) transaction() {
	tx, err := h.app.Begin()
	if err != nil {
		h.t.Fatal(err)
	}
	for range 1 + h.rand.IntN(8) {
		h.statement(tx)
	}
	if h.rand.IntN(10) == 0 {
		err = tx.Rollback()
	} else {
		err = tx.Commit()
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// statement runs one statement, which may fail.
func (h *history) statement(tx *sql.Tx) {
	r := h.rand
	id, u, v := r.IntN(40), fmt.Sprint(r.IntN(30)), r.IntN(1000)
	word := []string{"a", "A", "b", "B", "Ab", "aB", "é", "É"}[r.IntN(8)]
	key := []any{1, 1.0, "1", []byte("1"), 2.5, word}[r.IntN(6)]
	parent := "(SELECT id FROM t ORDER BY random() LIMIT 1)"
	statements := []struct {
		query string
		args  []any
	}{
		{"INSERT INTO t(u,v) VALUES(?,?)", []any{u, v}},
		{"INSERT OR REPLACE INTO t(id,u,v) VALUES(?,?,?)", []any{id, u, v}},
		{"INSERT OR IGNORE INTO t(id,u,v) VALUES(?,?,?)", []any{id, u, v}},
		{"REPLACE INTO t(u,v) VALUES(?,?)", []any{u, v}},
		{"INSERT INTO t(id,u,v) VALUES(?,?,?) ON CONFLICT(u) DO UPDATE SET v=excluded.v", []any{id, u, v}},
		{"UPDATE OR REPLACE t SET u=? WHERE id=?", []any{u, id}},
		{"UPDATE OR REPLACE t SET id=? WHERE id=?", []any{r.IntN(40), id}},
		{"UPDATE OR IGNORE t SET id=? WHERE id=?", []any{r.IntN(40), id}},
		{"UPDATE OR REPLACE t SET rowid=? WHERE id=?", []any{r.IntN(40), id}},
		{"UPDATE t SET v=? WHERE id=?", []any{v, id}},
		{"UPDATE t SET v=v WHERE id<?", []any{id}},
		{"DELETE FROM t WHERE id=?", []any{id}},
		{"INSERT OR REPLACE INTO w VALUES(?,?,?,?,?)", []any{u, r.IntN(50), r.IntN(20), r.IntN(3), v}},
		{"UPDATE OR REPLACE w SET x=?, y=? WHERE b=?", []any{r.IntN(20), r.IntN(3), r.IntN(50)}},
		{"UPDATE OR REPLACE w SET b=b+1 WHERE a=?", []any{u}},
		{"INSERT OR REPLACE INTO c(t,z) VALUES(" + parent + ",?)", []any{r.IntN(30)}},
		{"INSERT INTO s(t) VALUES(" + parent + ")", nil},
		{"DELETE FROM s WHERE id%5=?", []any{r.IntN(5)}},
		{"INSERT OR REPLACE INTO n VALUES(?,?)", []any{word, v}},
		{"UPDATE OR REPLACE n SET k=? WHERE k=?", []any{word, u}},
		{"UPDATE n SET k=upper(k)", nil},
		{"DELETE FROM n WHERE k=?", []any{word}},
		{"INSERT OR REPLACE INTO e VALUES(?,?,?)", []any{key, word, v}},
		{"UPDATE OR REPLACE e SET name=?", []any{word}},
		{"UPDATE OR REPLACE e SET k=?, live=? WHERE k=?", []any{key, 900 + r.IntN(5), []any{1, "1", word}[r.IntN(3)]}},
		{"DELETE FROM e WHERE k=?", []any{key}},
	}
	switch n := r.IntN(len(statements) + 2); {
	case n < len(statements):
		_, _ = tx.Exec(statements[n].query, statements[n].args...) // constraints are part of the game
	case n == len(statements):
		for _, q := range []string{"SAVEPOINT x", "DELETE FROM t", "DELETE FROM e", "ROLLBACK TO x", "RELEASE x"} {
			if _, err := tx.Exec(q); err != nil {
				h.t.Fatal(err)
			}
		}
	case r.IntN(30) == 0:
		_, _ = tx.Exec([]string{"DELETE FROM t", "DELETE FROM w", "DELETE FROM n", "DELETE FROM s", "DELETE FROM e"}[r.IntN(5)])
	}
}

// echo writes through the link's sink, or as it would if every table had triggers.
func (h *history) echo() {
	h.own++
	if h.rand.IntN(2) == 0 {
		h.apply()
		return
	}
	tx, err := h.app.Begin()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, q := range []string{
		fmt.Sprintf("UPDATE _cdcsync_link SET apply=%d", h.own),
		fmt.Sprintf("INSERT INTO t(id,u,v) VALUES(%d,'own %d',1) ON CONFLICT(id) DO UPDATE SET u=excluded.u, v=v", h.rand.IntN(40), h.own),
		fmt.Sprintf("DELETE FROM t WHERE id=%d", h.rand.IntN(40)),
		"UPDATE _cdcsync_link SET apply=NULL",
	} {
		if _, err := tx.Exec(q); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		h.t.Fatal(err)
	}
}

// apply writes random rows through the sink.
func (h *history) apply() {
	h.t.Helper()
	if h.sink == nil {
		h.sink = sink.New(h.store, "l")
		h.t.Cleanup(func() { h.sink.Close() })
		if _, err := h.sink.Open(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
	batch := &sinks.Batch{Marker: checkpoint.Marker{Apply: h.own}}
	seen := map[string]bool{}
	for range 1 + h.rand.IntN(6) {
		name := []string{"c", "e", "n", "t"}[h.rand.IntN(4)]
		i := slices.IndexFunc(h.tables, func(t *change.Table) bool { return t.Name == name })
		table := h.tables[i]
		n := change.Int(int64(h.rand.IntN(40)))
		row := change.Row{n, change.NullValue(), n, n, n}[:len(table.Columns)]
		switch table.Name {
		case "n":
			row[0] = change.TextValue([]string{"a", "A", "b", "Ab", "aB"}[h.rand.IntN(5)])
		case "e":
			row[1] = change.TextValue(fmt.Sprint("own", h.rand.IntN(9)))
		}
		w := sinks.Write{Table: table, Key: change.Row{row[0]}, New: row}
		if h.rand.IntN(3) == 0 {
			w.New = nil
		}
		if h.rand.IntN(3) == 0 {
			w.Expect = change.Is(nil)
		}
		if name := id(table, w.Key); !seen[name] {
			seen[name] = true
			batch.Writes = append(batch.Writes, w)
		}
	}
	if _, err := h.sink.Apply(h.t.Context(), batch); err != nil {
		h.t.Fatal(err)
	}
}

func id(table *change.Table, key change.Row) string {
	return table.Name + string(change.AppendRow(nil, key))
}

// next replays one transaction on the model. It returns false if there is none.
func (h *history) next() bool {
	h.t.Helper()
	tx := h.tx()
	if tx != nil {
		h.replay(tx)
	}
	return tx != nil
}

// tx returns the next transaction, nil if there is none.
func (h *history) tx() *change.Tx {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	defer cancel()
	h.source.mu.Lock()
	head, err := h.source.log.head(ctx)
	h.source.mu.Unlock()
	if err != nil {
		h.t.Fatal(err)
	}
	if h.at != "" || head == 0 {
		if p, err := parsePosition(h.at); head == 0 || err == nil && p.seq >= head {
			return nil
		}
	}
	tx, err := h.source.Next(ctx)
	if err != nil {
		h.t.Fatalf("next behind %s: %v", h.at, err)
	}
	if len(tx.Schema) > 0 {
		h.t.Fatalf("schema: %v", tx.Schema)
	}
	return tx
}

func (h *history) replay(tx *change.Tx) {
	h.t.Helper()
	if !reached(tx.Position, h.at) {
		h.t.Fatalf("position %s after %s", tx.Position, h.at)
	}
	h.at = tx.Position
	seen := map[string]bool{}
	for _, c := range tx.Changes {
		name := id(c.Table, c.Key)
		if seen[name] {
			h.t.Fatalf("%s %v twice in one transaction", c.Table.Name, c.Key)
		}
		seen[name] = true
		was, ok := h.model[name]
		if !ok {
			was = change.Is(nil)
		}
		if tx.Tag.Echo() {
			h.model[name] = change.Image{}
			continue
		}
		if !c.After.Known || c.Before.Known != h.rows {
			h.t.Fatalf("%s %v: images %v and %v", c.Table.Name, c.Key, c.Before, c.After)
		}
		if c.Before.Known && was.Known && !c.Before.Equal(was) {
			h.t.Fatalf("%s %v at %s: before-image %v, was %v", c.Table.Name, c.Key, tx.Position, c.Before, was)
		}
		if since := time.Since(c.Time); since < -time.Second || since > time.Minute {
			h.t.Fatalf("time %v", c.Time)
		}
		h.model[name] = c.After
	}
}

// compare checks the model against the tables, and takes in what echoes wrote.
func (h *history) compare() {
	h.t.Helper()
	looker := NewLooker(h.store, "l")
	defer looker.Close()
	got := map[string]change.Row{}
	for _, table := range h.tables {
		var after change.Row
		for {
			look, err := looker.Scan(h.t.Context(), table, after, 7)
			if err != nil {
				h.t.Fatal(err)
			}
			for _, row := range look.Rows {
				after = table.KeyOf(row)
				got[id(table, after)] = row
			}
			if len(look.Rows) < 7 {
				break
			}
		}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(h.model)), slices.Collect(maps.Keys(got))) {
		was, ok := h.model[name]
		if !ok {
			was = change.Is(nil)
		}
		if was.Known && !was.Row.Equal(got[name]) {
			h.t.Fatalf("%q at %s: the log says %v, the table %v", name, h.at, was, got[name])
		}
		h.model[name] = change.Is(got[name])
	}
}

// play runs transactions and now and then reads some of the log, starts again, or settles.
func (h *history) play(transactions int) {
	h.open()
	defer h.close()
	for range transactions {
		h.transaction()
		if h.rand.IntN(4) == 0 {
			h.echo()
		}
		switch h.rand.IntN(12) {
		case 0, 1:
			for h.next() {
				if h.rand.IntN(40) == 0 {
					h.open()
				}
			}
			h.compare()
		case 2:
			if h.source.log.at.seq < 1e9 && h.rand.IntN(2) == 0 {
				h.next()
			}
		case 3:
			h.open()
		case 4:
			if err := h.source.Settle(h.t.Context(), h.at); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	for h.next() {
	}
	h.compare()
}

// TestHistory reads random histories of an application: what the log says is what the tables
// hold, and every before-image is what the log said before.
func TestHistory(t *testing.T) {
	sizes := map[string]limits{
		"whole":  usual,
		"cut":    {whole: 10, window: 60, piece: 7, bytes: 16 << 20, stretch: 400, survey: 100, print: 64},
		"narrow": {whole: 3, window: 8, piece: 2, bytes: 3000, stretch: 140, survey: 9, print: 4},
	}
	seeds, length := uint64(4), 150
	if testing.Short() { // under the race detector the driver is slower by far
		seeds, length = 1, 20
	}
	for _, mode := range []store.Capture{store.Rows, store.Keys} {
		for name, limits := range sizes {
			for seed := range seeds {
				t.Run(fmt.Sprintf("%s/%s/%d", mode, name, seed), func(t *testing.T) {
					t.Parallel()
					h := newHistory(t, seed, mode)
					h.limits = limits
					h.play(length)
				})
			}
		}
	}
}

// TestHistoryWithoutGuard shows that the histories find what they are for: without the
// triggers that log what a REPLACE removes, the log misses rows.
func TestHistoryWithoutGuard(t *testing.T) {
	missed := 0
	for seed := range uint64(10) {
		h := newHistory(t, seed, store.Keys)
		for _, name := range h.triggers("guard") {
			h.exec("DROP TRIGGER " + store.Quote(name))
		}
		h.open()
		h.source.log.schema, _ = h.source.conn.Int(t.Context(), "PRAGMA schema_version") // look away
		for _, table := range h.source.log.tables {
			table.rows = newRowReader(h.source.conn, table.table, table.seen)
		}
		for range 60 {
			h.transaction()
			for h.next() {
			}
		}
		looker := NewLooker(h.store, "l")
		for _, table := range h.tables {
			look, err := looker.Scan(t.Context(), table, nil, 1000)
			if err != nil {
				t.Fatal(err)
			}
			have := map[string]bool{}
			for _, row := range look.Rows {
				have[id(table, table.KeyOf(row))] = true
			}
			for name, image := range h.model {
				if strings.HasPrefix(name, table.Name) && image.Row != nil && !have[name] {
					missed++
				}
			}
		}
		if err := looker.Close(); err != nil {
			t.Fatal(err)
		}
		h.close()
	}
	if missed == 0 {
		t.Error("no row was missed without the guard")
	}
}

func (h *history) triggers(kind string) []string {
	h.t.Helper()
	rows, err := h.app.Query("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_cdcsync%' ESCAPE '\\'")
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(name, kind) {
			names = append(names, name)
		}
	}
	if err := errors.Join(rows.Err()); err != nil {
		h.t.Fatal(err)
	}
	return names
}
