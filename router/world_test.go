package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

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
	busy    int // per mille: transactions of applications
	crash   int // per mille
	drift   int // per mille
	blind   int // per cent of the changes without a before-image
	deletes bool
	split   int // changes in one Tx at the most
	filled  bool
	bare    bool // but the right store has no rows
	blocks  bool // the left store can be read in blocks
	initial Initial
	empty   int  // per mille: truncations
	late    int  // per cent of the transactions that looks show later
	lean    int  // per cent of the updates without what they left as it was
	hold    int  // per mille: the table is held, or goes on
	repair  int  // per mille: a row is compared again
	oneWay  bool // from left to right, where nobody else writes
	filter  bool // the pair has one
	skew    bool // the clocks of the stores are far apart
	jumps   int  // per cent of the transactions before which the clock of the store jumps
	seed    uint64
	broken  breakage
	// What an engine does wrong: it gives out what looks do not show yet; it takes the position
	// of a look for one of the log.
	early, blurred bool
	// sabotage is what else a store's engine does wrong.
	sabotage sabotage
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
	flight  [2]*sinks.Batch // formed last
	tasks   [2][]task       // for the sinks
	spoilt  [2]*sinks.Batch
	results [2][]sinks.Result // not answered yet
	kept    [2]*change.Tx
	taken   [2][]*look
	clock   time.Time
	skew    [2]time.Duration   // of the clocks of the stores
	hidden  [2]map[int]*hidden // what each store's row has seen, by key
	scanned [2]int             // log entries that hidden knows
	writes  []write
	marks   int // transactions of the link
	applied int // rows that it wrote
	blocks  int // of these, in blocks
	// blockRows is how many rows are dumped; 0: some.
	blockRows int
	drifted   map[int]bool
	said      map[int]bool // left said something of the row since the link is there
	scan      *walk
	sum       map[int]int64
	trace     []string
	// trampled are the rows outside of the filter that the link changed.
	trampled []string
	// unseen are the rows that drifted while they were parked. The link looks at the side that is
	// in the way, and the other one may win as its log last showed it.
	unseen map[int]bool
}

// walk is a chunk of first contact that is under way.
type walk struct {
	q            *scan
	pass, across *sources.Look
	dump         *sources.Dump
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
	emptied         bool // with the whole table
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
	w := &world{t: t, plan: p, rng: rand.New(rand.NewPCG(p.seed, 0)), clock: time.Unix(1_000_000, 0), sum: map[int]int64{}, drifted: map[int]bool{}, said: map[int]bool{}, unseen: map[int]bool{}}
	tables := [2]*change.Table{newTable("l"), newTable("r")}
	spec := mapping.Spec{Name: "t", Tables: tables, Writes: [2]bool{p.writes(change.Left), p.writes(change.Right)}}
	if p.filter {
		spec.Where = notThird{}
	}
	compiled, problems := mapping.Compile(spec)
	if problems != nil {
		t.Fatalf("compile: %v", problems)
	}
	w.pair = Pair{Pair: compiled, Policy: p.policy, Initial: p.initial}
	for s := range w.stores {
		w.stores[s] = mem.New(tables[s])
		w.stores[s].BareEchoes = true
		w.stores[s].Now = func() time.Time { return w.time(change.Side(s)) }
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
	if p.skew {
		w.skew = pick(w.rng, [2]time.Duration{time.Hour}, [2]time.Duration{0, time.Hour}, [2]time.Duration{-time.Second, time.Second})
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
			if w.rng.IntN(2) == 0 && !(w.plan.bare && s == 1) {
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
	var err error
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
		w.flight[s], w.tasks[s], w.spoilt[s], w.results[s], w.kept[s], w.taken[s] = nil, nil, nil, nil, nil, nil
	}
	w.r = newReconciler([]Pair{w.pair}, reached, [2]bool{w.plan.writes(change.Left), w.plan.writes(change.Right)})
	w.r.dumps = w.plan.blocks
	w.r.broken = w.plan.broken
	w.r.now = w.clock
	w.r.warm = 1 + len(w.writes)%4 // transactions are small here
	w.r.load(markers)
	if w.plan.writes(w.r.home) && markers[w.r.home].Tables == nil && !w.plan.filled {
		w.r.pairs[0].state.Stage = checkpoint.Live
	}
	for s := range w.r.ends {
		e := &w.r.ends[s]
		if !e.reads {
			continue
		}
		e.again, err = w.lookers[s].Head(ctx)
		w.must(err)
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
	case dice < w.plan.busy:
		w.local()
	case dice < w.plan.busy+w.plan.crash:
		w.logf("crash")
		w.start()
	case dice < w.plan.busy+w.plan.crash+w.plan.drift:
		w.drift()
	case dice < w.plan.busy+w.plan.crash+w.plan.drift+w.plan.empty:
		w.truncate()
	case w.plan.filter && w.plan.oneWay && dice%23 == 0:
		w.stray()
	case dice > 999-w.plan.hold:
		w.hold()
	case dice > 999-w.plan.hold-w.plan.repair:
		w.logf("repair")
		w.r.repair(w.r.pairs[0], change.Row{change.Int(w.rng.Int64N(int64(w.plan.keys)))}, checkpoint.ByConfig)
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

// hold lets the table wait, or go on.
func (w *world) hold() {
	p := w.r.pairs[0]
	w.logf("held: %t", !p.held())
	if !p.held() {
		w.r.hold(p, "asked for")
	} else if w.r.resume(p) {
		w.t.Fatalf("the table is %s", p.state.Stage)
	}
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
		if tx = w.plan.sabotage.read(tx, w.rng); tx == nil {
			return true
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
	t := task{}
	if e := &w.r.ends[s]; e.inFlight != nil {
		t.behind = e.inFlight.batch
		t.batch = w.r.formQueued(s, 3, 1<<20)
	} else {
		t.batch = w.r.form(s, 3, 1<<20, mark)
	}
	if batch := t.batch; batch != nil {
		w.flight[s], w.tasks[s] = batch, append(w.tasks[s], t)
		w.marks++
		w.logf("form %s apply %d: %d writes, marker %+v", s, batch.Marker.Apply, len(batch.Writes), batch.Marker)
		return true
	}
	return false
}

func (w *world) apply(s change.Side) bool {
	if len(w.tasks[s]) == 0 {
		return false
	}
	t := w.tasks[s][0]
	w.tasks[s] = w.tasks[s][1:]
	if t.behind != nil && t.behind == w.spoilt[s] {
		if !w.plan.broken.noVoidFlight {
			w.logf("void %s apply %d", s, t.batch.Marker.Apply)
			return true
		}
		t.batch.Prior = 0 // or the sink would notice if nothing was done
	}
	var result sinks.Result
	w.untouchable(s, func() {
		var err error
		result, err = w.plan.sabotage.apply(w.sinks[s], t.batch, w.r.ends[s.Other()].read)
		w.must(err)
	})
	w.results[s] = append(w.results[s], result)
	if w.spoilt[s] = nil; !sinks.AllDone(result.Outcomes) {
		w.spoilt[s] = t.batch
	}
	for _, o := range result.Outcomes {
		switch {
		case o.Verdict == sinks.Done && t.batch.Block != nil:
			w.applied += t.batch.Block.Rows
			w.blocks += t.batch.Block.Rows
		case o.Verdict == sinks.Done:
			w.applied++
		}
	}
	if !w.plan.reads(1 - s) {
		return true
	}
	w.must(w.sources[1-s].Settle(context.Background(), t.batch.Marker.Upto))
	w.logf("apply %s: %v", s, result.Outcomes)
	return true
}

func (w *world) answer(s change.Side) bool {
	if len(w.results[s]) == 0 {
		return false
	}
	w.r.applied(s, w.results[s][0])
	w.results[s] = w.results[s][1:]
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
	case k.q.block > 0 && k.dump == nil:
		dump, err := w.lookers[k.q.pass].Dump(ctx, table, k.q.pair.carriage.from, k.q.after, w.dumps(), blockBytes)
		w.must(err)
		k.dump = &dump
		w.logf("dump %s behind %v: %d rows at %s", k.q.pass, k.q.after, dump.Rows, dump.At)
	case k.dump != nil:
		w.scan = nil
		w.r.dumped(k.q, *k.dump)
		w.logf("dumped")
	case k.pass == nil:
		pass, err := w.lookers[k.q.pass].Scan(ctx, table, k.q.after, limit)
		w.must(err)
		k.pass = &pass
		w.logf("scan %s behind %v: %v at %s", k.q.pass, k.q.after, pass.Rows, pass.At)
	case k.across == nil && k.q.vacant:
		k.across = &sources.Look{}
	case k.across == nil:
		keys := make([]change.Row, len(k.pass.Rows))
		for i, row := range k.pass.Rows {
			keys[i] = table.KeyOf(row)
		}
		across, bare := sources.Look{}, false
		if k.q.sparse {
			next, err := w.lookers[k.q.pass.Other()].Scan(ctx, other, k.q.after, 1)
			w.must(err)
			bare = len(next.Rows) == 0
			across = sources.Look{Rows: make([]change.Row, len(keys)), At: next.At}
		}
		if k.q.bare = bare && k.q.first; !bare {
			var err error
			across, err = w.lookers[k.q.pass.Other()].Look(ctx, other, keys)
			w.must(err)
		}
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

func (w *world) dumps() int {
	if w.blockRows > 0 {
		return w.blockRows
	}
	return 1 + w.rng.IntN(3)
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

func (w *world) current(s change.Side, key int) change.Row {
	return w.stores[s].Get(w.pair.Tables[s].Name, change.Row{change.Int(int64(key))})
}

// drain lets the applications stop and the router run dry.
func (w *world) drain() {
	if w.r.pairs[0].held() {
		w.hold()
	}
	waited := false
	for idle := 0; idle < 12; {
		busy := false
		if idle == 10 && !waited { // rows that are parked for long are tried again
			waited = true
			w.clock = w.clock.Add(time.Hour)
			w.r.wake(w.clock)
		}
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
