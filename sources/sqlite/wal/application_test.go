package wal

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func (h *history) size() int {
	switch n := h.rand.IntN(100); {
	case n < 70:
		return h.rand.IntN(40)
	case n < 90:
		return h.rand.IntN(900)
	case n < 99:
		return h.rand.IntN(9000)
	default:
		return h.rand.IntN(100_000)
	}
}

func (h *history) blob() []byte {
	b := make([]byte, h.size())
	for i := range b {
		b[i] = byte(h.rand.Uint32())
	}
	return b
}

func (h *history) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnop qrst"[h.rand.IntN(21)]
	}
	if h.rand.IntN(4) == 0 {
		return string(b) + "é漢😀"
	}
	return string(b)
}

func (h *history) any() any {
	switch h.rand.IntN(6) {
	case 0:
		return nil
	case 1:
		return h.rand.Int64() >> h.rand.IntN(63)
	case 2:
		return -(h.rand.Int64() >> h.rand.IntN(63))
	case 3:
		return float64(h.rand.IntN(1000)) / 4
	case 4:
		return h.blob()
	}
	return h.text(h.size())
}

// pick is one row of a table, by the history's own chance.
func (h *history) pick(table, key string) string {
	return fmt.Sprintf("(SELECT %s FROM %s ORDER BY %[1]s LIMIT 1 OFFSET %[3]d %% (SELECT max(1, count(*)) FROM %[2]s))", key, table, h.rand.IntN(400))
}

// oneOf returns one of the list.
func oneOf[T any](h *history, list ...T) T { return list[h.rand.IntN(len(list))] }

// executor is a transaction, or a connection.
type executor interface {
	Exec(query string, args ...any) (sql.Result, error)
	Query(query string, args ...any) (*sql.Rows, error)
}

// locked tells whether a statement was refused because of what others do.
func (h *history) locked(err error) bool {
	if h.shared && err != nil && (strings.Contains(err.Error(), "locked") || strings.Contains(err.Error(), "interrupted")) {
		h.refused = err
		return true
	}
	return false
}

// deed is something that an application does. How often it had an effect is counted under its name.
type deed struct {
	name string
	// often is how many times it is in a deck; 0 is once.
	often int
	do    func(w *work)
}

// work is a deed that is being done.
type work struct {
	*history
	on executor
	// failed: a statement had no effect, because of a constraint or of what is not there.
	failed bool
}

// ordinary are errors that applications live with.
var ordinary = []string{"constraint", "no such", "has no column", "already exists", "datatype mismatch", "cannot drop column", "cannot store"}

func (w *work) took(query string, err error) {
	switch {
	case err == nil:
	case w.locked(err):
	case slices.ContainsFunc(ordinary, func(s string) bool { return strings.Contains(err.Error(), s) }):
		w.failed = true
	default:
		w.t.Fatalf("seed %d: %.300s: %v", w.seed, query, err)
	}
}

// run runs one statement. One that was refused because of what others do ends the deed.
func (w *work) run(query string, args ...any) {
	if w.refused != nil {
		return
	}
	_, err := w.on.Exec(query, args...)
	w.took(query, err)
}

// runf runs one statement that is put together.
func (w *work) runf(format string, args ...any) { w.run(fmt.Sprintf(format, args...)) }

// ask runs a statement to its end and returns the first column of its rows.
func (w *work) ask(query string, args ...any) (list []string) {
	if w.refused != nil {
		return nil
	}
	rows, err := w.on.Query(query, args...)
	if err == nil {
		for rows.Next() {
			columns, err := rows.Columns()
			if err != nil {
				w.t.Fatal(err)
			}
			to := make([]any, len(columns))
			for i := range to {
				to[i] = new(sql.RawBytes)
			}
			if len(columns) == 0 { // a step of a statement that has no rows
				continue
			}
			if err := rows.Scan(to...); err != nil {
				w.t.Fatal(err)
			}
			list = append(list, string(*to[0].(*sql.RawBytes)))
		}
		if err = rows.Err(); err == nil {
			err = rows.Close()
		}
	}
	w.took(query, err)
	return list
}

// written is how many rows the connection has written so far.
func (w *work) written() string { return strings.Join(w.ask("SELECT total_changes()"), "") }

// draw returns the next card of a deck, in which every deed is; once it is used up it is shuffled anew.
func (h *history) draw(name string, of []deed) deed {
	if len(h.decks[name]) == 0 {
		var cards []int
		for i, d := range of {
			cards = append(cards, slices.Repeat([]int{i}, max(1, d.often))...)
		}
		h.rand.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
		h.decks[name] = cards
	}
	card := h.decks[name][0]
	h.decks[name] = h.decks[name][1:]
	return of[card]
}

// write does something that changes rows.
func (h *history) write(on executor) {
	w := &work{history: h, on: on}
	d := h.draw("writes", writes)
	was := w.written()
	if d.do(w); h.refused == nil && w.written() != was {
		h.doing = append(h.doing, d.name)
	}
}

// alter changes the schema.
func (h *history) alter(on executor) {
	w := &work{history: h, on: on}
	h.extra++
	w.restore()
	d := h.draw("alterations", alterations)
	if d.do(w); h.refused == nil && !w.failed {
		h.doing = append(h.doing, d.name)
	}
}

// set does something that is no part of a transaction.
func (h *history) set(on executor, of []deed) {
	w := &work{history: h, on: on}
	d := h.draw("settings", of)
	if d.do(w); h.refused == nil && !w.failed {
		h.done(d.name)
	}
}

// done counts what was done.
func (h *history) done(names ...string) {
	for _, name := range names {
		h.did[name]++
	}
}

// ended counts what a transaction did, if it was committed.
func (h *history) ended(committed bool) {
	if committed {
		h.done(h.doing...)
	}
	h.doing = nil
}

// allDone tells which deeds were never done.
func allDone(t *testing.T, did map[string]int, lists ...[]deed) {
	t.Helper()
	for _, list := range lists {
		for _, d := range list {
			if did[d.name] == 0 {
				t.Errorf("%s: never", d.name)
			}
		}
	}
}

// writes are the statements of an application.
var writes = slices.Concat(plainWrites, richWrites)

var plainWrites = []deed{
	{"INSERT", 3, func(w *work) {
		w.run("INSERT INTO t1(a,b,c,n) VALUES(?,?,?,?)", w.text(w.size()), w.blob(), float64(w.rand.IntN(100)), w.any())
	}},
	{"REPLACE", 1, func(w *work) {
		w.run("INSERT OR REPLACE INTO t1(id,a,b,c,n) VALUES(?,?,?,?,?)", w.rand.IntN(5000), w.text(w.size()), w.blob(), w.rand.NormFloat64(), w.any())
	}},
	{"UPDATE", 1, func(w *work) {
		w.run("UPDATE t1 SET a=?, n=? WHERE id="+w.pick("t1", "id"), w.text(w.size()), w.any())
	}},
	{"UPDATE of the end of a long blob, in place", 1, func(w *work) {
		w.run("UPDATE t1 SET b=CAST(substr(b,1,length(b)-3)||x'" + fmt.Sprintf("%06x", w.rand.IntN(1<<24)) +
			"' AS BLOB) WHERE id=(SELECT id FROM t1 WHERE length(b)>2000 ORDER BY id LIMIT 1 OFFSET " + strconv.Itoa(w.rand.IntN(20)) + ")")
	}},
	{"DELETE of some, with those that refer to them", 1, func(w *work) {
		w.run("DELETE FROM t1 WHERE id>="+w.pick("t1", "id")+" AND id<="+w.pick("t1", "id")+"+?", w.rand.IntN(10))
	}},
	{"UPDATE of a rowid", 1, func(w *work) {
		w.run("UPDATE OR IGNORE t1 SET id=id+? WHERE id="+w.pick("t1", "id"), w.rand.IntN(100_000))
	}},
	{"INSERT by a text", 2, func(w *work) {
		w.run("INSERT OR IGNORE INTO t2(a,b,c) VALUES(?,?,?)", w.text(1+w.rand.IntN(w.shape.key)), w.any(), w.any())
	}},
	{"DELETE by a text", 1, func(w *work) { w.run("DELETE FROM t2 WHERE a=" + w.pick("t2", "a")) }},
	{"UPDATE by a text", 1, func(w *work) { w.run("UPDATE t2 SET b=?, c=? WHERE a="+w.pick("t2", "a"), w.any(), w.any()) }},
	{"REPLACE WITHOUT ROWID", 2, func(w *work) {
		w.run("INSERT OR REPLACE INTO t3(v,k,w,k2) VALUES(?,?,?,?)", w.blob(), w.text(w.rand.IntN(w.shape.key)), w.any(), w.rand.IntN(500))
	}},
	{"DELETE WITHOUT ROWID", 1, func(w *work) { w.run("DELETE FROM t3 WHERE k2 BETWEEN ?1 AND ?1+4", w.rand.IntN(500)) }},
	{"UPDATE WITHOUT ROWID, of the key too", 1, func(w *work) {
		w.run("UPDATE OR IGNORE t3 SET w=?, k2=k2+? WHERE k2 BETWEEN ?3 AND ?3+9", w.any(), w.rand.IntN(2), w.rand.IntN(500))
	}},
	{"INSERT, generated columns", 1, func(w *work) { w.run("INSERT INTO t4(x,r) VALUES(?,?)", w.text(w.size()), float64(w.rand.IntN(9))) }},
	{"UPDATE, generated columns", 1, func(w *work) { w.run("UPDATE t4 SET x=? WHERE id="+w.pick("t4", "id"), w.text(w.size())) }},
	{"REPLACE by a unique text", 1, func(w *work) {
		w.run("INSERT OR REPLACE INTO t5(p,u,z) VALUES("+w.pick("t1", "id")+",?,?)", w.text(w.rand.IntN(3)), w.blob())
	}},
	{"SAVEPOINT that is rolled back", 1, func(w *work) {
		w.run("SAVEPOINT s")
		w.run("DELETE FROM t1 WHERE id%3=0")
		w.run("INSERT INTO other(x) SELECT b FROM t1 LIMIT 50")
		w.run("ROLLBACK TO s")
		w.run("RELEASE s")
	}},
	{"another table", 1, func(w *work) {
		w.run("INSERT INTO other(x) VALUES(?)", w.blob())
		w.run("DELETE FROM other WHERE id<(SELECT max(id) FROM other)-20")
	}},
	{"many rows", 1, func(w *work) {
		switch w.rand.IntN(9) {
		case 0:
			w.run("DELETE FROM " + w.names[w.rand.IntN(5)])
		case 1, 2:
			w.run("DELETE FROM t1 WHERE id%?=0", 2+w.rand.IntN(3))
			w.run("DELETE FROM t2 WHERE length(a)%?=0", 2+w.rand.IntN(3))
			w.run("DELETE FROM t3 WHERE k2%?=0", 2+w.rand.IntN(3))
		case 3, 4:
			w.run("INSERT INTO t1(a,b,c,n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 300) SELECT hex(zeroblob(i%40)), zeroblob(i*7%300), i, i FROM c")
		}
	}},
}
