package sourcetest

import (
	"fmt"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// testLook reads rows by key, present and not, in the order of the keys.
func testLook(t *testing.T, s *Store) {
	looker := s.Looker(t, "a")
	defer looker.Close()
	s.Write(t, true, Insert("pairs", num(1), text("x"), text("1x")), Insert("pairs", num(2), text("x"), text("2x")),
		Insert("names", text("a"), null), Insert("names", text("A"), text("upper")))
	for table, want := range map[string][]change.Row{
		"pairs": {{num(2), text("x"), text("2x")}, nil, {num(1), text("x"), text("1x")}, {num(2), text("x"), text("2x")}},
		"names": {{text("A"), text("upper")}, nil, {text("a"), null}, {text("A"), text("upper")}},
	} {
		keys := make([]change.Row, len(want))
		for i, row := range want {
			switch {
			case row != nil:
				keys[i] = s.Table(table).KeyOf(row)
			case table == "pairs":
				keys[i] = change.Row{text("1"), num(1)}
			default:
				keys[i] = change.Row{text("a ")}
			}
		}
		look, err := looker.Look(within(t), s.Table(table), keys)
		if err != nil {
			t.Fatal(err)
		}
		if len(look.Rows) != len(want) {
			t.Fatalf("%d rows of %d keys", len(look.Rows), len(want))
		}
		for i, row := range look.Rows {
			if !row.Equal(want[i]) {
				t.Errorf("%s: key %v gives %v, want %v", table, keys[i], row, want[i])
			}
		}
	}
	if look, err := looker.Look(within(t), s.Table("items"), nil); err != nil || len(look.Rows) > 0 {
		t.Errorf("a look at nothing gives %v, %v", look.Rows, err)
	}
}

// testScan walks tables in pages of every size.
func testScan(t *testing.T, s *Store) {
	looker := s.Looker(t, "a")
	defer looker.Close()
	const rows = 23
	var statements []Statement
	for i := range int64(rows) {
		name := text(fmt.Sprint(i * 7 % rows))
		statements = append(statements, Insert("items", Item(i-3, "v")...), Insert("names", name, null),
			Insert("pairs", num(i%5), name, null))
	}
	s.Write(t, true, statements...)
	for _, table := range []string{"items", "names", "pairs", "codes"} {
		want := rows
		if table == "codes" {
			want = 0
		}
		for _, limit := range []int{1, 2, 7, rows, rows + 1} {
			seen := scan(t, s, looker, table, limit, func(change.Row) {})
			if len(seen) != want {
				t.Errorf("%s in pages of %d has %d rows, want %d", table, limit, len(seen), want)
			}
		}
	}
}

// scan walks a table and calls between after each page, with its last key. It returns how
// often each key came.
func scan(t *testing.T, s *Store, looker sources.Looker, table string, limit int, between func(last change.Row)) map[string]int {
	t.Helper()
	seen := map[string]int{}
	var after change.Row
	for range 1000 {
		look, err := looker.Scan(within(t), s.Table(table), after, limit)
		if err != nil {
			t.Fatalf("scan %s after %v: %v", table, after, err)
		}
		for _, row := range look.Rows {
			after = s.Table(table).KeyOf(row)
			if seen[encode(after)]++; seen[encode(after)] > 1 {
				t.Errorf("%s: row %v came twice", table, after)
			}
		}
		if len(look.Rows) < limit {
			return seen
		}
		between(after)
	}
	t.Fatalf("%s in pages of %d does not end", table, limit)
	return nil
}

// testScanWhileWritten walks a table in which the last row of each page is deleted before
// the next page is read, and others come and go. Every row that was there from the
// beginning comes once.
func testScanWhileWritten(t *testing.T, s *Store) {
	looker := s.Looker(t, "a")
	defer looker.Close()
	const rows = 30
	for id := range int64(rows) {
		s.Write(t, true, Insert("items", Item(id*10, "v")...))
	}
	pages := int64(0)
	seen := scan(t, s, looker, "items", 3, func(last change.Row) {
		pages++
		statements := []Statement{
			Delete("items", last...),
			Update("items", ID((rows-1)*10), Item((rows-1)*10, "updated")...),
			Insert("items", Item(-pages, "behind")...),
		}
		if pages%2 == 0 {
			statements = append(statements, Insert("items", Item(last[0].Int64()+1, "ahead")...))
		}
		s.Write(t, true, statements...)
	})
	for id := range int64(rows) {
		if seen[encode(ID(id*10))] != 1 {
			t.Errorf("row %d came %d times", id*10, seen[encode(ID(id*10))])
		}
	}
}

// looked is a look at all rows of a history, and how often each had then been written.
type looked struct {
	at     change.Position
	state  State
	writes map[string]int
}

// lookAtAll looks at every row that the history has ever written, or scans the tables.
func lookAtAll(t *testing.T, h *History, looker sources.Looker, table string) looked {
	t.Helper()
	l := looked{state: State{}, writes: map[string]int{}}
	for k, n := range h.Writes {
		l.writes[k] = n
	}
	meta := h.Store.Table(table)
	if h.rand.IntN(2) == 0 {
		look, err := looker.Scan(within(t), meta, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for key := range h.State[table] {
			l.put(table, key, nil)
		}
		for _, row := range look.Rows {
			l.put(table, encode(meta.KeyOf(row)), row)
		}
		l.at = look.At
		return l
	}
	var keys []change.Row
	for key := range h.State[table] {
		row, _, err := change.DecodeRow([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row)
	}
	look, err := looker.Look(within(t), meta, keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		l.put(table, encode(key), look.Rows[i])
	}
	l.at = look.At
	return l
}

func (l looked) put(table, key string, row change.Row) {
	if l.state[table] == nil {
		l.state[table] = map[string]change.Image{}
	}
	l.state[table][key] = change.Is(row)
}

// testLooksExact looks, writes and reads in random order. Whoever has read the log exactly
// to a look's position has the rows that it showed.
func testLooksExact(t *testing.T, s *Store) {
	r, h := s.Open(t, "a", ""), NewHistory(s, 5)
	state := State{}
	var waiting []looked
	check := func() {
		for len(waiting) > 0 && r.Source.Reached(r.At, waiting[0].at) {
			compareLook(t, h, state, waiting[0])
			waiting = waiting[1:]
		}
	}
	for range 150 {
		switch h.rand.IntN(4) {
		case 0, 1:
			h.Step(t)
		case 2:
			waiting = append(waiting, lookAtAll(t, h, r.Looker, []string{"items", "names", "pairs"}[h.rand.IntN(3)]))
		default:
			if !r.Source.Reached(r.At, r.Head(t)) {
				s.replay(t, state, r.Next(t))
			}
		}
		check()
	}
	for head := r.Head(t); !r.Source.Reached(r.At, head); check() {
		s.replay(t, state, r.Next(t))
	}
	if len(waiting) > 0 {
		t.Errorf("a look at %q is behind the end of the log", waiting[0].at)
	}
}

// compareLook compares a look with what was read to its position. Where rows are as they
// were when the log was read, those written after the look are left out.
func compareLook(t *testing.T, h *History, state State, l looked) {
	t.Helper()
	for table, rows := range l.state {
		for key, image := range rows {
			if !h.Store.Transactions && h.Writes[table+key] != l.writes[table+key] {
				continue
			}
			if got := state.get(table, key); got.Known && !got.Equal(image) {
				t.Errorf("%s: the look at %q shows %v, the log said %v", table, l.at, image, got)
			}
		}
	}
}

// testLooksBesideWriter looks while another goroutine writes, and compares afterwards.
func testLooksBesideWriter(t *testing.T, s *Store) {
	if !s.Transactions {
		t.Skip("rows are as they were when the log was read")
	}
	r, h := s.Open(t, "a", ""), NewHistory(s, 6)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range 60 {
			h.Step(t)
		}
	}()
	var looks []sources.Look
	for writing := true; writing; {
		select {
		case <-written:
			writing = false
		default:
		}
		look, err := r.Looker.Scan(within(t), s.Table("items"), nil, 1000)
		if err != nil {
			t.Errorf("scan: %v", err)
			break
		}
		if len(looks) == 0 || looks[len(looks)-1].At != look.At {
			looks = append(looks, look)
		}
	}
	<-written
	var txs []*change.Tx
	for _, look := range looks {
		for !r.Source.Reached(r.At, look.At) {
			txs = append(txs, r.Next(t))
		}
		state := State{}
		for _, tx := range txs {
			if r.Source.Reached(look.At, tx.Position) {
				s.replay(t, state, tx)
			}
		}
		want := State{}
		for _, row := range look.Rows {
			want.Put("items", row[:1], row)
		}
		State{"items": state["items"]}.Diff(t, want)
	}
}
