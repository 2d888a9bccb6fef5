package router

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/sinks"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
	"github.com/cdcsync/cdcsync/sources"
	memsource "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// plan is what one random history is made of.
type plan struct {
	policy  resolver.Policy
	values  int // how many values a column can have; 2 toggles
	keys    int
	steps   int
	crash   int // per mille
	drift   int // per mille
	blind   int // per cent of the changes without a before-image
	deletes bool
	split   int // changes in one Tx at the most
	filled  bool
	initial Initial
	empty   int  // per mille: truncations
	late    int  // per cent of the transactions that looks show later
	lean    int  // per cent of the updates without what they left as it was
	oneWay  bool // from left to right, where nobody else writes
	seed    uint64
	broken  breakage
	// What an engine does wrong: it gives out what looks do not show yet; it takes the position
	// of a look for one of the log.
	early, blurred bool
}

// reads tells whether the log of a side is read, writes whether the side is written to.
func (p *plan) reads(s change.Side) bool  { return !p.oneWay || s == change.Left }
func (p *plan) writes(s change.Side) bool { return !p.oneWay || s == change.Right }

// world is two stores in memory, applications that write to both, and a router that is
// stepped, and killed, between any two steps.
type world struct {
	t       failer
	rng     *rand.Rand
	plan    plan
	pair    Pair
	stores  [2]*mem.Store
	sources [2]*memsource.Source
	lookers [2]*memsource.Looker
	sinks   [2]*memsink.Sink
	r       *reconciler
	flight  [2]*sinks.Batch
	result  [2]*sinks.Result
	kept    [2]*change.Tx
	taken   [2][]*look
	clock   time.Time
	hidden  [2]map[int]*hidden // what each store's row has seen, by key
	scanned [2]int             // log entries that hidden knows
	writes  []write
	marks   int // transactions of the link
	applied int // rows that it wrote
	drifted map[int]bool
	said    map[int]bool // left said something of the row since the link is there
	scan    *walk
	sum     map[int]int64
	trace   []string
}

// walk is a chunk of first contact that is under way.
type walk struct {
	q            *scan
	pass, across *sources.Look
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// write is one change that an application made to one column.
type write struct {
	id, key, column int
	side            change.Side
	value           change.Value
	at              time.Time
	seen            map[int]bool
}

// hidden is, for each column, the writes that a row of a store builds on. It exists for the
// checks only.
type hidden struct{ seen [2]map[int]bool }

const columns = 2 // besides the key

func newTable(side string) *change.Table {
	return &change.Table{Name: side, Key: []int{0}, Columns: []change.Column{
		{Name: "id", Kind: change.Int64}, {Name: "a", Kind: change.Int64}, {Name: "b", Kind: change.Int64}}}
}

func newWorld(t failer, p plan) *world {
	w := &world{t: t, plan: p, rng: rand.New(rand.NewPCG(p.seed, 0)), clock: time.Unix(1_000_000, 0), sum: map[int]int64{}, drifted: map[int]bool{}, said: map[int]bool{}}
	tables := [2]*change.Table{newTable("l"), newTable("r")}
	compiled, problems := mapping.Compile(mapping.Spec{Name: "t", Tables: tables, Writes: [2]bool{p.writes(change.Left), p.writes(change.Right)}})
	if problems != nil {
		t.Fatalf("compile: %v", problems)
	}
	w.pair = Pair{Pair: compiled, Policy: p.policy, Initial: p.initial}
	for s := range w.stores {
		w.stores[s] = mem.New(tables[s])
		w.stores[s].BareEchoes = true
		w.stores[s].Now = func() time.Time { return w.clock }
		n := 0
		w.stores[s].Blind = func(c change.Change) bool {
			n++
			return (n*7919+s*31)%100 < p.blind
		}
		lean := 0
		w.stores[s].Lean = func(change.Change) bool {
			lean++
			return (lean*6007+s*17)%100 < p.lean
		}
		if p.late > 0 {
			w.stores[s].Late = func() bool { return w.rng.IntN(100) < p.late }
		}
		w.hidden[s] = map[int]*hidden{}
	}
	if p.filled {
		w.fill()
	}
	w.start()
	return w
}

// fill gives both stores rows before the link sees them.
func (w *world) fill() {
	for key := range w.plan.keys {
		for s := range w.stores {
			if w.rng.IntN(2) == 0 {
				row := change.Row{change.Int(int64(key)), change.Int(1 + w.rng.Int64N(3)), change.Int(0)}
				w.stores[s].Drift(w.pair.Tables[s].Name, row[:1], row)
			}
		}
	}
}

func (w *world) logf(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// start is what Link.run does: fence, load, read the windows, start the logs.
func (w *world) start() {
	ctx := context.Background()
	var reached [2]order
	var markers [2]checkpoint.Marker
	w.scan = nil
	for s := range w.stores {
		side := change.Side(s)
		source, err := memsource.New(w.stores[s], "link", w.pair.Tables[s])
		w.must(err)
		source.Split, source.Early = w.plan.split, w.plan.early
		w.sources[s], w.lookers[s], w.sinks[s] = source, memsource.NewLooker(w.stores[s]), memsink.New(w.stores[s], "link")
		reached[s] = source.Reached
		if w.plan.blurred {
			reached[s] = func(read, want change.Position) bool {
				text, _, _ := strings.Cut(string(read), "-")
				return source.Reached(change.Position(text), want)
			}
		}
		if !w.plan.reads(side) {
			reached[s] = func(change.Position, change.Position) bool { return true }
		}
		if w.plan.writes(side) {
			markers[s], err = w.sinks[s].Open(ctx)
			w.must(err)
		}
		w.flight[s], w.result[s], w.kept[s], w.taken[s] = nil, nil, nil, nil
	}
	w.r = newReconciler([]Pair{w.pair}, reached, [2]bool{w.plan.writes(change.Left), w.plan.writes(change.Right)})
	w.r.broken = w.plan.broken
	w.r.now = w.clock
	w.r.load(markers)
	if w.plan.writes(w.r.home) && markers[w.r.home].Tables == nil && !w.plan.filled {
		w.r.pairs[0].state.Stage = checkpoint.Live
	}
	for s := range w.r.ends {
		e := &w.r.ends[s]
		if !e.reads {
			continue
		}
		w.must(w.sources[s].Start(ctx, e.read))
		w.must(w.r.readWindow(change.Side(s), func() (*change.Tx, error) {
			for more := true; more; more = w.show(change.Side(s)) {
				if tx, ok := w.sources[s].TryNext(); ok {
					return tx, nil
				}
			}
			return nil, fmt.Errorf("the log of %d has no echo of apply %d", s, e.window)
		}))
		w.must(w.sources[s].Start(ctx, e.read))
	}
	w.r.finishWindow()
	if w.trace != nil {
		w.logf("start: markers %+v %+v", markers[0], markers[1])
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// step does one thing of what may happen next.
func (w *world) step() {
	dice := w.rng.IntN(999 + 1)
	switch {
	case dice < 280:
		w.local()
	case dice < 280+w.plan.crash:
		w.logf("crash")
		w.start()
	case dice < 280+w.plan.crash+w.plan.drift:
		w.drift()
	case dice < 280+w.plan.crash+w.plan.drift+w.plan.empty:
		w.truncate()
	default:
		s := change.Side(dice % 2)
		switch dice / 2 % 6 {
		case 0, 1:
			w.readOne(s)
		case 2:
			w.form(s, dice%5 == 0)
		case 3:
			w.apply(s)
		case 4:
			w.answer(s)
		default:
			switch w.rng.IntN(3) {
			case 0:
				w.looks(s)
			case 1:
				w.show(s)
			default:
				w.looks(s)
				w.contact()
			}
		}
	}
	w.see()
}

// local is a transaction of an application: one or several rows of one store.
func (w *world) local() {
	s := change.Side(w.rng.IntN(1 + 1))
	if w.plan.oneWay {
		s = change.Left
	}
	rows := []int{1, 1, 1, 2, 3}[w.rng.IntN(5)]
	w.clock = w.clock.Add(time.Duration(w.rng.IntN(2+1)) * time.Second)
	var made []write
	err := w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.clock)
		empty := -1
		if w.plan.empty > 0 && w.rng.IntN(20) == 0 {
			empty = w.rng.IntN(rows)
		}
		for i := range rows {
			m, err := w.writeRow(tx, s)
			if err != nil {
				return err
			}
			made = append(made, m...)
			if i == empty {
				made = append(made, w.emptied(tx, s)...)
			}
		}
		return nil
	})
	w.must(err)
	w.scanned[s] = w.stores[s].Log()
	for _, m := range made {
		w.logf("%s writes row %d column %d = %v (#%d)", s, m.key, m.column, m.value, m.id)
	}
}

// truncate empties the table of one store.
func (w *world) truncate() {
	s := change.Side(w.rng.IntN(2))
	if w.plan.oneWay {
		s = change.Left
	}
	w.clock = w.clock.Add(time.Duration(w.rng.IntN(3)) * time.Second)
	w.must(w.stores[s].Write(func(tx *mem.Tx) error {
		tx.Commit(w.clock)
		w.emptied(tx, s)
		return nil
	}))
	w.scanned[s] = w.stores[s].Log()
	w.logf("%s is emptied", s)
}

// emptied empties the table in a transaction: a delete of each row that it has.
func (w *world) emptied(tx *mem.Tx, s change.Side) (made []write) {
	table := w.pair.Tables[s].Name
	for _, row := range tx.Rows(table) {
		key := int(row[0].Int64())
		made = append(made, w.note(s, key, 0, change.NullValue()), w.note(s, key, 1, change.NullValue()))
	}
	for key := range w.plan.keys {
		w.said[key] = true // also what only the other side has
	}
	tx.Truncate(table)
	return made
}

// note remembers what an application wrote to a column.
func (w *world) note(s change.Side, key, column int, v change.Value) write {
	h := w.hiddenOf(s, key)
	m := write{id: len(w.writes) + 1, key: key, column: column, side: s, value: v, at: w.clock, seen: map[int]bool{}}
	for id := range h.seen[column] {
		m.seen[id] = true
	}
	m.seen[m.id] = true
	h.seen[column] = m.seen
	w.writes = append(w.writes, m)
	return m
}

func (w *world) writeRow(tx *mem.Tx, s change.Side) ([]write, error) {
	table := w.pair.Tables[s].Name
	key := w.rng.IntN(w.plan.keys - 1 + 1)
	id := change.Row{change.Int(int64(key))}
	row := tx.Get(table, id)
	w.said[key] = true
	note := func(column int, v change.Value) write { return w.note(s, key, column, v) }
	if row != nil && w.plan.deletes && w.rng.IntN(4+1) == 0 {
		made := []write{note(0, change.NullValue()), note(1, change.NullValue())}
		return made, tx.Delete(table, id)
	}
	column := 0
	if w.plan.policy.Rule == resolver.Merge {
		column = w.rng.IntN(columns - 1 + 1)
	}
	next := change.Row{id[0], change.Int(0), change.Int(0)}
	if row != nil {
		next = slices.Clone(row)
	}
	if w.plan.policy.Counts() {
		delta := []int64{1, 1, -1, 10, 100}[w.rng.IntN(5)]
		w.sum[key] += delta
		next[1] = change.Int(next[1].Int64() + delta)
		return []write{note(0, next[1])}, tx.Upsert(table, next)
	}
	v := int64(1 + w.rng.IntN(w.plan.values))
	if w.plan.values >= 1000 {
		v = int64(len(w.writes) + 1000) // unique
	}
	next[1+column] = change.Int(v)
	if row == nil && w.plan.policy.Rule == resolver.Merge { // an insert writes every column
		return []write{note(column, change.Int(v)), note(1-column, change.Int(0))}, tx.Insert(table, next)
	}
	if row != nil && next.Equal(row) {
		return nil, nil
	}
	return []write{note(column, change.Int(v))}, tx.Upsert(table, next)
}

// drift changes a row behind the back of its log, to what the other store has or to
// something new.
func (w *world) drift() {
	s := change.Side(w.rng.IntN(1 + 1))
	key := w.rng.IntN(w.plan.keys - 1 + 1)
	row := change.Row{change.Int(int64(key)), change.Int(7), change.Int(int64(len(w.trace) % 3))}
	if w.stores[s].Get(w.pair.Tables[s].Name, row[:1]) == nil {
		return
	}
	w.drifted[key] = true
	w.logf("%s drifts row %d to %v", s, key, row)
	w.stores[s].Drift(w.pair.Tables[s].Name, row[:1], row)
}

func (w *world) readOne(s change.Side) bool {
	tx := w.kept[s]
	if !w.plan.reads(s) {
		return false
	}
	if tx == nil {
		var ok bool
		if tx, ok = w.sources[s].TryNext(); !ok {
			return false
		}
	}
	w.kept[s] = nil
	if !w.r.read(s, tx) {
		w.kept[s] = tx
		return false
	}
	w.logf("read %s %s apply %d: %d changes, %d tables emptied", s, tx.Position, tx.Tag.Apply, len(tx.Changes), len(tx.Emptied))
	return true
}

func (w *world) form(s change.Side, mark bool) bool {
	w.r.now = w.clock
	w.r.evaluateAll()
	if batch := w.r.form(s, 3, 1<<20, mark); batch != nil {
		w.flight[s] = batch
		w.marks++
		w.logf("form %s apply %d: %d writes, marker %+v", s, batch.Marker.Apply, len(batch.Writes), batch.Marker)
		return true
	}
	return false
}

func (w *world) apply(s change.Side) bool {
	if w.flight[s] == nil || w.result[s] != nil {
		return false
	}
	result, err := w.sinks[s].Apply(context.Background(), w.flight[s])
	w.must(err)
	w.result[s] = &result
	for _, o := range result.Outcomes {
		if o.Verdict == sinks.Done {
			w.applied++
		}
	}
	if !w.plan.reads(1 - s) {
		return true
	}
	w.must(w.sources[1-s].Settle(context.Background(), w.flight[s].Marker.Upto))
	w.logf("apply %s: %v", s, result.Outcomes)
	return true
}

func (w *world) answer(s change.Side) bool {
	if w.result[s] == nil {
		return false
	}
	w.r.applied(s, *w.result[s])
	w.flight[s], w.result[s] = nil, nil
	w.logf("answered %s", s)
	return true
}

// looks asks for looks, and lets those that were asked for come back.
func (w *world) looks(s change.Side) bool {
	w.r.evaluateAll()
	w.taken[s] = append(w.taken[s], w.r.takeAsked(s, 10)...)
	if len(w.taken[s]) == 0 {
		return false
	}
	for _, l := range w.taken[s] {
		key, err := w.pair.NativeKey(s, l.row.key)
		w.must(err)
		seen, err := w.lookers[s].Look(context.Background(), w.pair.Tables[s], []change.Row{key})
		w.must(err)
		w.r.looked(l, seen.Rows[0], seen.At)
		w.logf("look %s row %v: %v at %s", s, l.row.key, seen.Rows[0], seen.At)
	}
	w.taken[s] = nil
	w.r.finishLooks(s)
	return true
}

func (w *world) contact() bool {
	if w.scan != nil {
		w.walkOn()
		return true
	}
	if len(w.r.recovering) > 0 {
		return false
	}
	q := w.r.nextScan()
	if q == nil {
		return false
	}
	w.r.scan, w.scan = q, &walk{q: q}
	return true
}

// walkOn does the next part of the scan that is under way: reads the one side, then the other,
// then hands over what it saw.
func (w *world) walkOn() {
	ctx := context.Background()
	const limit = 1
	k := w.scan
	table, other := w.pair.Tables[k.q.pass], w.pair.Tables[k.q.pass.Other()]
	switch {
	case k.pass == nil:
		pass, err := w.lookers[k.q.pass].Scan(ctx, table, k.q.after, limit)
		w.must(err)
		k.pass = &pass
		w.logf("scan %s behind %v: %v at %s", k.q.pass, k.q.after, pass.Rows, pass.At)
	case k.across == nil:
		keys := make([]change.Row, len(k.pass.Rows))
		for i, row := range k.pass.Rows {
			keys[i] = table.KeyOf(row)
		}
		across, err := w.lookers[k.q.pass.Other()].Look(ctx, other, keys)
		w.must(err)
		k.across = &across
		w.logf("across: %v at %s", across.Rows, across.At)
	default:
		w.scan = nil
		w.r.scanned(k.q, *k.pass, *k.across, limit)
		w.r.finishLooks(0)
		w.r.finishLooks(1)
		w.logf("scanned")
	}
}

// show has looks show one more transaction.
func (w *world) show(s change.Side) bool {
	n := w.stores[s].Hidden()
	if n > 0 {
		w.stores[s].Show(w.rng.IntN(n))
		w.logf("%s shows one of %d", s, n)
	}
	return n > 0
}

func (w *world) hiddenOf(s change.Side, key int) *hidden {
	h := w.hidden[s][key]
	if h == nil {
		h = &hidden{seen: [2]map[int]bool{{}, {}}}
		w.hidden[s][key] = h
	}
	return h
}

// see lets the checks know what the link wrote: a row that it wrote builds on what it
// replaced, and on what whoever wrote that value had seen.
func (w *world) see() {
	for s := range w.stores {
		for ; w.scanned[s] < w.stores[s].Log(); w.scanned[s]++ {
			e, ok, _, err := w.stores[s].Read(w.scanned[s])
			if err != nil || !ok {
				continue // trimmed already: the link's own markers
			}
			for _, c := range e.Changes {
				if c.Key == nil {
					continue
				}
				key := int(c.Key[0].Int64())
				mine := w.hiddenOf(change.Side(s), key)
				for column := range columns {
					if c.After.Row != nil && c.After.Row[1+column].IsUnset() {
						continue
					}
					merged := map[int]bool{}
					for id := range mine.seen[column] {
						merged[id] = true
					}
					w.seenBy(key, column, c.After.Row, merged)
					mine.seen[column] = merged
				}
			}
		}
	}
}

// seenBy adds what the writes of this value had seen.
func (w *world) seenBy(key, column int, row change.Row, seen map[int]bool) {
	v := change.NullValue()
	if row != nil {
		v = row[1+column]
	}
	for i := len(w.writes) - 1; i >= 0; i-- {
		if m := w.writes[i]; m.key == key && m.column == column && m.value == v {
			for id := range m.seen {
				seen[id] = true
			}
			return
		}
	}
}

func (w *world) current(s change.Side, key int) change.Row {
	return w.stores[s].Get(w.pair.Tables[s].Name, change.Row{change.Int(int64(key))})
}

// drain lets the applications stop and the router run dry.
func (w *world) drain() {
	for idle := 0; idle < 12; {
		busy := false
		for s := range change.Side(2) {
			busy = w.show(s) || busy
			busy = w.readOne(s) || busy
			busy = w.answer(s) || busy
			busy = w.apply(s) || busy
			busy = w.looks(s) || busy
			w.clock = w.clock.Add(time.Second)
			w.r.wake(w.clock)
			busy = w.form(s, true) || busy
			w.see()
		}
		busy = w.contact() || busy
		idle++
		if busy {
			idle = 0
		}
		if w.marks > 6*len(w.writes)+600 {
			return // not quiet; the check says so
		}
	}
}

// touch has an application write every row that drifted: the link cannot know of it before.
func (w *world) touch() {
	for key := range w.plan.keys {
		if !w.drifted[key] {
			continue
		}
		s := change.Side(w.rng.IntN(2))
		if w.plan.oneWay {
			s = change.Left
		}
		w.clock = w.clock.Add(time.Second)
		row := change.Row{change.Int(int64(key)), change.Int(int64(1_000_000 + w.rng.IntN(1000))), change.Int(0)}
		w.must(w.stores[s].Write(func(tx *mem.Tx) error {
			tx.Commit(w.clock)
			return tx.Upsert(w.pair.Tables[s].Name, row)
		}))
		w.scanned[s] = w.stores[s].Log()
		w.logf("%s writes drifted row %v", s, row)
	}
}

// broken lists what does not hold once the router has run dry.
func (w *world) broken() []string {
	var broken []string
	add := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	for key := range w.plan.keys {
		left, right := w.current(0, key), w.current(1, key)
		switch {
		case w.plan.oneWay && left == nil && !w.said[key]: // what only the far side has stays
		case !left.Equal(right):
			if w.plan.initial != InitialNone {
				add("converged: row %d is %v and %v", key, left, right)
			}
		case w.drifted[key] || w.plan.filled:
		case w.plan.policy.Counts():
			if left != nil && left[1].Int64() != w.sum[key] {
				add("counted: row %d is %v, the deltas are %d", key, left, w.sum[key])
			}
		case w.plan.values >= 1000: // values say who wrote them
			w.checkKept(key, left, add)
		}
	}
	if len(w.r.rows) > 0 {
		for _, x := range w.r.rows {
			add("drained: %+v", *x)
		}
	}
	if most := 4*len(w.writes) + 2*w.plan.keys; w.applied > most && !w.plan.filled && len(w.drifted) == 0 {
		add("once: %d rows applied for %d writes", w.applied, len(w.writes))
	}
	if w.marks > 4*len(w.writes)+200 {
		add("quiet: %d transactions of the link for %d writes", w.marks, len(w.writes))
	}
	return broken
}

// checkKept: the final value was written by a change that no later change had seen and
// overwritten, and among those the policy picked the winner.
func (w *world) checkKept(key int, row change.Row, add func(string, ...any)) {
	used := 1
	if w.plan.policy.Rule == resolver.Merge {
		used = columns
	}
	for column := range used {
		var mine []write
		overwritten := map[int]bool{}
		for _, m := range w.writes {
			if m.key != key || m.column != column {
				continue
			}
			mine = append(mine, m)
			for id := range m.seen {
				if id != m.id {
					overwritten[id] = true
				}
			}
		}
		last := slices.DeleteFunc(mine, func(m write) bool { return overwritten[m.id] })
		if len(last) == 0 {
			continue
		}
		v := change.NullValue()
		if row != nil {
			v = row[1+column]
		}
		if row == nil && w.plan.empty > 0 && w.plan.blind > 0 && w.listed(key) {
			continue // without before-images, an insert is no other change of a row that went
		}
		if !slices.ContainsFunc(last, func(m write) bool { return m.value == v }) {
			add("kept: row %d column %d is %v, the last writes are %v", key, column, v, last)
			continue
		}
		w.checkFair(key, v, last, add)
	}
}

// listed tells whether a conflict is recorded in which the row lost against its absence.
func (w *world) listed(key int) bool {
	for s := range w.stores {
		list, err := memsink.NewJournal(w.stores[s], "link").Conflicts(context.Background(), 1000)
		w.must(err)
		if slices.ContainsFunc(list, func(c checkpoint.Conflict) bool {
			return c.Key[0] == change.Int(int64(key)) && c.Result == nil
		}) {
			return true
		}
	}
	return false
}

func (w *world) checkFair(key int, v change.Value, last []write, add func(string, ...any)) {
	if w.plan.policy.Rule != resolver.Latest {
		return
	}
	best := last[0]
	for _, m := range last {
		if m.value.IsNull() {
			return // insert and delete of a row that was absent is no net change
		}
		if m.at.After(best.at) {
			best = m
		}
	}
	for _, m := range last {
		if m.id != best.id && m.at.Equal(best.at) {
			return // a tie was broken between this one and an earlier value of the other side
		}
	}
	if best.value != v {
		add("fair: row %d is %v, the latest of %v is %v", key, v, last, best.value)
	}
}

// drawPlan makes the plan of a history out of its seed.
func drawPlan(seed uint64, steps int) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := plan{
		seed: seed, steps: steps, keys: 1 + rng.IntN(3), values: pick(rng, 1000, 2, 3), deletes: true,
		crash: pick(rng, 0, 30, 100), split: pick(rng, 0, 0, 1),
	}
	switch rng.IntN(6) {
	case 0:
		p.policy.Columns = []resolver.ColumnRule{0, resolver.Sum, 0}
		p.deletes = false
	case 1:
		p.policy.Rule, p.deletes = resolver.Merge, false
	case 2:
		p.policy.Rule = pick(rng, resolver.TakeLeft, resolver.TakeRight)
	default: // latest
	}
	if !p.policy.Counts() && p.policy.Rule != resolver.Merge {
		p.blind = pick(rng, 0, 0, 50, 100)
	}
	p.drift = pick(rng, 0, 0, 0, 20)
	if p.deletes {
		p.empty = pick(rng, 0, 0, 20)
	}
	if p.filled = rng.IntN(4) == 0; p.filled {
		p.initial = pick(rng, InitialMerge, InitialLeft, InitialRight, InitialNone)
	}
	p.late = pick(rng, 0, 0, 50)
	if p.blind > 0 && !p.policy.Counts() {
		p.lean = pick(rng, 0, 50, 100)
	}
	if p.oneWay = rng.IntN(6) == 0; p.oneWay {
		p.drift = 0 // nobody would see it
		p.initial = InitialLeft
		p.lean = pick(rng, 0, 50, 100)
	}
	return p
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// history runs one random history and returns what is broken at its end.
func history(t failer, p plan) (*world, []string) {
	w := newWorld(t, p)
	for range p.steps {
		w.step()
	}
	w.drain()
	w.touch()
	w.drain()
	return w, w.broken()
}

// TestHistories is the router against two stores in memory: random writes on both sides,
// crashes between any two steps, drift, changes without before-images, merging and counting
// policies, first contact. A failing seed replays exactly with -rapid.seed; CDCSYNC_HISTORIES
// sets how many there are.
func TestHistories(t *testing.T) {
	checks(t, 2000)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(10, 140).Draw(t, "steps"))
		w, broken := history(t, p)
		if broken != nil {
			for _, line := range w.trace {
				t.Log(line)
			}
			t.Fatalf("plan %+v: %q", w.plan, broken)
		}
	})
}

// checks sets how many cases rapid runs in this test.
func checks(t *testing.T, n int) {
	if s := os.Getenv("CDCSYNC_HISTORIES"); s != "" {
		m, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("CDCSYNC_HISTORIES: %v", err)
		}
		n = m
	}
	old := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", old) })
}

// TestEachRuleIsNeeded takes single rules out of the reconciler, those that ARCHITECTURE.md
// numbers and the compare, and expects histories that break.
func TestEachRuleIsNeeded(t *testing.T) {
	for name, without := range map[string]func(p *plan){
		"1 a written row decided before its echo":     func(p *plan) { p.broken.noEchoWait = true },
		"2 a failed compare without a look":           func(p *plan) { p.broken.noLook = true },
		"2 looks that are taken for the log":          func(p *plan) { p.blurred = true },
		"2 a source that is ahead of what looks show": func(p *plan) { p.early = true },
		"3 no base": func(p *plan) { p.broken.noBase = true },
		"4 a merged value written to one side only":     func(p *plan) { p.broken.mergeOnce = true },
		"5 markers that answer markers":                 func(p *plan) { p.broken.markAlways = true },
		"6 a start that does not look at old writes":    func(p *plan) { p.broken.noRecovery = true },
		"6 a look before an old write was shown":        func(p *plan) { p.broken.noSecondLook = true },
		"7 debts without rows that wait for an echo":    func(p *plan) { p.broken.debtsForget = true },
		"8 writes without compare":                      func(p *plan) { p.broken.noCompare = true },
		"contact: rows settled during a scan":           func(p *plan) { p.broken.noSettled = true },
		"emptied: compared as in first contact":         func(p *plan) { p.broken.emptiedAsContact = true },
		"emptied: rows that are not settled forgotten":  func(p *plan) { p.broken.noGone = true },
		"emptied: a change beside it is no conflict":    func(p *plan) { p.broken.noGoneToo = true },
		"emptied: a scan from before goes on":           func(p *plan) { p.broken.noVoid = true },
		"emptied: the other marker is ahead":            func(p *plan) { p.broken.emptiedUntold = true },
		"partial: decided without a look":               func(p *plan) { p.broken.noPartialLook = true },
		"partial: what was not written yet is left out": func(p *plan) { p.broken.noPartialFill = true },
		"partial: inserted, not updated":                func(p *plan) { p.broken.noPresence = true },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 30_000
			for seed := range uint64(most) {
				p := drawPlan(seed, 140)
				without(&p)
				if w, found := history(t, p); found != nil {
					t.Logf("seed %d of plan %+v: %.200q", seed, w.plan, found)
					return
				}
			}
			t.Fatalf("%d histories without the rule, and nothing broke", most)
		})
	}
}
