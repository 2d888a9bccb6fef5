package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/router"
)

// watch sees that the row that only the left side changes never goes back on the right one.
func (w *crashWorld) watch(ctx context.Context) {
	db, err := w.sites[1].open()
	if err != nil {
		w.t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	last := 0
	for ctx.Err() == nil {
		var v int
		err := db.QueryRow("SELECT v FROM item WHERE id = " + strconv.Itoa(versionKey)).Scan(&v)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			if !w.sites[1].passes(err) {
				w.t.Errorf("read: %v", err)
				return
			}
		case v < last:
			w.complain("the row went back from %d to %d", last, v)
		}
		last = max(last, v)
		time.Sleep(time.Millisecond)
	}
}

// content is what a side holds.
func (w *crashWorld) content(side int) (items, counters map[int]int) {
	w.t.Helper()
	db, err := w.sites[side].open()
	w.must(err)
	defer func() { _ = db.Close() }()
	tables := [2]map[int]int{{}, {}}
	for i, q := range []string{"SELECT id, v FROM item", "SELECT id, n FROM counter"} {
		rows, err := db.Query(q)
		w.must(err)
		for rows.Next() {
			var id, v int
			w.must(rows.Scan(&id, &v))
			tables[i][id] = v
		}
		w.must(errors.Join(rows.Err(), rows.Close()))
	}
	return tables[0], tables[1]
}

// check compares the sides with each other, and with what was committed.
func (w *crashWorld) check() {
	w.t.Helper()
	left, leftSums := w.content(0)
	right, rightSums := w.content(1)
	if !maps.Equal(left, right) {
		w.complain("the sides differ: %d and %d rows", len(left), len(right))
	}
	for key, v := range w.written {
		if got, ok := right[key]; !ok || got != v {
			w.complain("row %d, which was committed with %d, is %d (%v)", key, v, got, ok)
		}
	}
	for id := 1; id <= hotKeys; id++ {
		if leftSums[id] != w.added[id] || rightSums[id] != w.added[id] {
			w.complain("counter %d is %d and %d, committed were %d", id, leftSums[id], rightSums[id], w.added[id])
		}
	}
	if w.t.Logf("%d transactions, %d rows", len(w.written), len(left)); len(w.written) < 50 {
		w.t.Errorf("the test did too little: %d transactions", len(w.written))
	}
}

// quiet inserts rows on the left: each is written once on the right, and nothing comes back.
func (w *crashWorld) quiet(link *router.Link) {
	const n = 20
	before := link.Status().Sides
	for i := range n {
		w.exec(0, fmt.Sprintf("INSERT INTO item (id, v) VALUES (%d, 1)", 9_000_000+i))
	}
	for range 2 { // what went round would be there after the first
		w.must(link.Barrier(w.t.Context()))
	}
	after := link.Status().Sides
	if got := after[1].Applied - before[1].Applied; got != n {
		w.complain("%d rows were written for %d", got, n)
	}
	if got := after[0].Applied - before[0].Applied; got != 0 {
		w.complain("%d rows came back", got)
	}
	if got := after[1].Changes - before[1].Changes; got != 0 {
		w.complain("%d of the link's own rows were taken for changes", got)
	}
}
