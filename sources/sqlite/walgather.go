package sqlite

import (
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/sqlite/wal"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// The tables of the marker come before all others, so that it is known who wrote a commit
// before its rows are.
var markerTables = []string{store.Prefix + "link", store.Prefix + "marker"}

// partBytes bounds what goes into one entry of the journal: less than a transaction may have, as an entry is
// there several times while it is written and read. gatherBytes is what is held of one commit where rows are
// put together by their keys.
const (
	partBytes   = change.PartBytes / 2
	gatherBytes = 256 << 20
	usualBody   = 1 << 20 // what is kept for the next entry
)

// gatherer makes entries of the journal of what a reader of the log finds. See [wal.Found].
type gatherer struct {
	journal *wal.Journal
	// dir is the directory of the link.
	dir    string
	link   string
	tables map[string]*logged
	order  []*logged

	commit uint64
	// gap reads the database at the end of a gap; nil if the commit is none.
	gap   *store.Conn
	part  uint64
	entry entry
	bytes int
	body  []byte // of the last entry that was written, for the next
	// number is that of the link in the marker, 0 while it is not known.
	number int64
	// marked are the rows that the link says it wrote in this commit, which it has told already.
	marked map[string]bool
	// own is what the link wrote in a gap; nil if it wrote nothing, or that is not known.
	own *ownGap
	// last is the last transaction of the link that was read, owns how many were.
	last uint64
	owns int
	// told is how many changes were written to the journal, ours those of the commit at hand; ended is where
	// the last one ended there.
	told  func(n int)
	ours  int
	ended wal.Place
}

// logged is a table of the link as the log shows it.
type logged struct {
	captured
	// columns are the places of the columns of table in a row of the storage.
	storage *store.Storage
	columns []int
	// held are rows of the commit at hand by key, in the order of names: where the rows of a
	// table are told apart by something else than its key, one row can be two changes.
	held  map[string]*entryRow
	names []string
	// unkeyed: there was a row with NULL in its key.
	unkeyed bool
}

func newGatherer(journal *wal.Journal, dir, link string, tables []*change.Table, told func(int)) *gatherer {
	g := &gatherer{journal: journal, dir: dir, link: link, tables: map[string]*logged{}, told: told, ended: journal.End()}
	for _, t := range tables {
		l := &logged{captured: captured{table: t, reported: map[string]bool{}}}
		g.tables[t.Name] = l
		g.order = append(g.order, l)
	}
	return g
}

// Begin implements wal.Found.
func (g *gatherer) Begin(commit uint64, gap *store.Conn) error {
	if g.ours != 0 || g.part != 0 { // of a commit that did not end
		if err := g.journal.Back(g.ended); err != nil {
			return err
		}
		g.told(-g.ours)
		g.ours = 0
	}
	g.commit, g.gap, g.part = commit, gap, 0
	g.emptied()
	g.entry = entry{at: time.Now(), rows: g.entry.rows}
	g.marked, g.own = nil, nil
	for _, t := range g.order {
		t.held, t.names = nil, nil
	}
	return nil
}

// Row implements wal.Found.
func (g *gatherer) Row(r wal.RowChange) error {
	switch r.Is.Name {
	case markerTables[0]:
		return g.linkRow(r)
	case markerTables[1]:
		return g.markerRow(r)
	}
	t := g.tables[r.Is.Name]
	if t == nil || t.broken {
		return nil
	}
	before, after := t.row(r.Was, r.Before), t.row(r.Is, r.After)
	if before == nil && after == nil || before != nil && after != nil && before.Equal(after) {
		return nil
	}
	if g.own != nil { // what the link wrote as well comes in its turn
		if before != nil && g.own.take(t.table, before, false) {
			before = nil
		}
		if after != nil && g.own.take(t.table, after, true) {
			after = nil
		}
		if before == nil && after == nil {
			return nil
		}
	}
	keyed := r.Is.WithoutRowid || r.Is.Rowid >= 0
	if keyed && r.Was.Storage == r.Is.Storage {
		return g.add(entryRow{table: t.table, before: before, after: after})
	}
	for i, row := range []change.Row{before, after} {
		if row != nil {
			if err := g.hold(t, row, i == 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// row returns a row of the file in the columns of the link: nil if it cannot be identified. What
// the file does not have is not known.
func (t *logged) row(of *wal.Table, row change.Row) change.Row {
	if row == nil {
		return nil
	}
	if t.storage != of.Storage {
		t.storage, t.columns = of.Storage, nil
		for i := range t.table.Columns {
			t.columns = append(t.columns, of.Column(t.table.Columns[i].Name))
		}
	}
	mine := make(change.Row, len(t.columns))
	for i, from := range t.columns {
		if from >= 0 {
			mine[i] = row[from]
		}
	}
	for _, k := range t.table.Key {
		if mine[k].IsNull() {
			t.unkeyed = true
		}
		if mine[k].IsNull() || mine[k].IsUnset() {
			return nil
		}
	}
	return mine
}

// hold takes a row that was there before the commit, or is there after it.
func (g *gatherer) hold(t *logged, row change.Row, after bool) error {
	if g.bytes += row.Size() + 100; g.bytes > gatherBytes {
		return fmt.Errorf("%w: table %s", wal.ErrTooLarge, t.table.Name)
	}
	key := string(change.AppendRow(nil, t.table.KeyOf(row)))
	if t.held == nil {
		t.held = map[string]*entryRow{}
	}
	h := t.held[key]
	if h == nil {
		h = &entryRow{table: t.table}
		t.held[key] = h
		t.names = append(t.names, key)
	}
	if after {
		h.after = row
	} else {
		h.before = row
	}
	return nil
}

// add adds a change of the commit.
func (g *gatherer) add(r entryRow) error {
	if len(g.entry.rows) == change.PartChanges || g.bytes >= partBytes {
		if err := g.flush(true); err != nil {
			return err
		}
	}
	g.entry.rows = append(g.entry.rows, r)
	g.bytes += r.before.Size() + r.after.Size()
	return nil
}

// linkRow looks whether the link has marked the commit as its own. What it counts never goes back,
// unless the database is an older one.
func (g *gatherer) linkRow(r wal.RowChange) error {
	value := func(of *wal.Table, row change.Row, column string) change.Value {
		if i := of.Column(column); row != nil && i >= 0 {
			return row[i]
		}
		return change.NullValue()
	}
	if value(r.Is, r.After, "link").Str() != g.link {
		return nil
	}
	for _, column := range []string{"epoch", "applied"} {
		if was, is := value(r.Was, r.Before, column), value(r.Is, r.After, column); g.gap != nil && !was.IsNull() && is.Int64() < was.Int64() {
			return fmt.Errorf("%w (%s %d in the marker, before %d)", wal.ErrRestored, column, is.Int64(), was.Int64())
		}
	}
	g.number = value(r.Is, r.After, "id").Int64()
	was, is := value(r.Was, r.Before, "applied"), value(r.Is, r.After, "applied")
	if is.IsNull() || is == was || is.Int64() <= 0 {
		return nil
	}
	if g.gap != nil {
		behind := uint64(0)
		if !was.IsNull() {
			behind = was.Uint64()
		}
		var err error
		if g.own, err = newOwnGap(g.gap, g.dir, behind, is.Uint64(), g.known()); err != nil || g.own != nil {
			return err
		}
	}
	g.entry.apply = is.Uint64()
	return nil
}

// known are the tables of the link.
func (g *gatherer) known() (list []*change.Table) {
	for _, t := range g.order {
		list = append(list, t.table)
	}
	return list
}

// markerRow takes the rows that the link says it wrote.
func (g *gatherer) markerRow(r wal.RowChange) error {
	if r.After == nil || g.entry.apply == 0 || r.After[0].Int64() != g.number || r.After[1].Int64() != store.EchoesPart {
		return nil
	}
	g.marked = map[string]bool{}
	var rows []entryRow
	apply, err := store.DecodeEchoes([]byte(r.After[2].Str()), func(table string, key change.Row) {
		if t := g.tables[table]; t != nil {
			g.marked[ownKey(t.table, key)] = true
			rows = append(rows, entryRow{table: t.table, key: key})
		}
	})
	if err != nil {
		return err
	}
	if apply != g.entry.apply {
		g.marked = nil // of an earlier transaction
		return nil
	}
	for _, row := range rows {
		if err := g.add(row); err != nil {
			return err
		}
	}
	return nil
}

func ownKey(t *change.Table, key change.Row) string {
	return t.Name + "\x00" + string(change.AppendRow(nil, key))
}

// End implements wal.Found.
func (g *gatherer) End(schema bool, table func(string) (*wal.Table, error)) error {
	for _, t := range g.order {
		for _, name := range t.names {
			if h := t.held[name]; !h.before.Equal(h.after) {
				if err := g.add(*h); err != nil {
					return err
				}
			}
		}
		if schema {
			g.entry.schema = append(g.entry.schema, t.inspect(table)...)
		}
		if t.unkeyed {
			g.entry.schema = append(g.entry.schema, t.unkeyedOnce()...)
		}
	}
	if g.own != nil {
		if err := g.flushSome(); err != nil {
			return err
		}
		if err := g.endGap(table); err != nil {
			return err
		}
	}
	if err := g.flush(false); err != nil {
		return err
	}
	g.part, g.ours, g.ended = 0, 0, g.journal.End()
	return g.forgetOwn()
}

// forgetEvery is after how many transactions of the link what was noted of them is forgotten.
const forgetEvery = 64

// forgetOwn forgets what was noted of transactions that need not be read again. The commit at hand
// may have to be.
func (g *gatherer) forgetOwn() (err error) {
	now := g.entry.apply
	if g.own != nil {
		now = g.own.transactions[len(g.own.transactions)-1].Apply
	}
	if now == 0 {
		return nil
	}
	if g.owns++; g.owns%forgetEvery == 0 && g.last != 0 {
		err = store.ForgetOwnWrites(g.dir, g.last)
	}
	g.last = now
	return err
}

// flushSome writes what was gathered, if there is something, with more of the commit to follow.
func (g *gatherer) flushSome() error {
	if len(g.entry.rows) == 0 {
		return nil
	}
	return g.writeInside(true)
}

// writeInside writes what was gathered inside of the commit, as part of a transaction or as the end
// of one.
func (g *gatherer) writeInside(partial bool) error {
	e := g.entry
	e.partial, e.schema = partial, nil
	defer g.emptied()
	return g.write(e, true)
}

// emptied forgets the rows of an entry that was written, and keeps the room for the next.
func (g *gatherer) emptied() {
	clear(g.entry.rows)
	g.entry.rows, g.bytes = g.entry.rows[:0], 0
}

// flush writes what was gathered, as part of the commit or as the end of it.
func (g *gatherer) flush(partial bool) error {
	e := g.entry
	ownGap := g.gap != nil && e.apply != 0 // whoever waits for the link's last write has to see it
	if !partial && !ownGap && len(e.rows) == 0 && len(e.schema) == 0 && g.part == 0 {
		return nil
	}
	g.entry.schema = nil
	e.partial = partial
	defer g.emptied()
	if e.apply == 0 {
		return g.write(e, partial)
	}
	// Of the link's own rows only the keys count.
	echoes := e
	echoes.rows = nil
	for _, r := range e.rows {
		switch key := r.key; {
		case key != nil:
			echoes.rows = append(echoes.rows, r)
		default:
			if key = r.table.KeyOf(either(r.after, r.before)); !g.marked[ownKey(r.table, key)] {
				echoes.rows = append(echoes.rows, entryRow{table: r.table, key: key})
			}
		}
	}
	if g.gap == nil || g.own != nil {
		return g.write(echoes, partial)
	}
	// Nothing tells what the link wrote from what others did meanwhile. So every row is
	// told as an echo, and then as a change that an application made. To the reader these are
	// two transactions, at places in one commit.
	if err := g.write(echoes, true); err != nil {
		return err
	}
	e.apply, e.schema = 0, nil
	local := e.rows[:0:0]
	for _, r := range e.rows {
		if r.key == nil {
			local = append(local, r)
		}
	}
	e.rows = local
	return g.write(e, partial)
}

func either(a, b change.Row) change.Row {
	if a != nil {
		return a
	}
	return b
}

// write writes an entry, inside of the commit or at the end of it.
func (g *gatherer) write(e entry, inside bool) error {
	p := wal.Place{Commit: g.commit, Part: wal.Whole}
	if inside {
		g.part++
		p.Part = g.part
	}
	body := e.append(g.body[:0])
	if cap(body) <= usualBody {
		g.body = body
	}
	if err := g.journal.Append(p, body); err != nil {
		return err
	}
	g.ours += len(e.rows)
	g.told(len(e.rows))
	return nil
}

// inspect compares the table as it is now with what the link was compiled for.
func (t *logged) inspect(table func(string) (*wal.Table, error)) []change.SchemaChange {
	now, err := table(t.table.Name)
	var have *store.Table
	switch {
	case err != nil:
		have = &store.Table{Table: t.table, Refused: &store.Problem{Table: t.table.Name, Summary: "its rows cannot be read from the log: " + err.Error()}}
	case now != nil:
		have = now.Storage.Table
	}
	if t.seen == nil {
		if t.seen = have; have == nil {
			t.seen = &store.Table{Table: t.table}
		}
	}
	reasons := t.differences(have)
	t.broken = len(reasons) > 0
	var found []change.SchemaChange
	for _, reason := range reasons {
		if !t.reported[reason] {
			t.reported[reason] = true
			found = append(found, change.SchemaChange{Table: t.table, Reason: reason})
		}
	}
	if t.broken {
		return found
	}
	if c, ok := t.added(have); ok {
		found = append(found, c)
	}
	t.seen = have
	return found
}

// unkeyedOnce tells of rows that cannot be identified, the first time.
func (t *logged) unkeyedOnce() []change.SchemaChange {
	reason := errNullKey.Error() + "; give it a key, then resync the table"
	if t.reported[reason] {
		return nil
	}
	t.reported[reason] = true
	return []change.SchemaChange{{Table: t.table, Reason: reason}}
}
