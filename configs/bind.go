package configs

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// BoundPair is a table pair of a link, compiled against the tables of both stores.
type BoundPair struct {
	Link *Link
	// Table is the table block, and nil for a pair that comes from the tables block.
	Table *Table
	Pair  *mapping.Pair
	// Policy is how conflicts are decided. Its Columns has one entry for each of
	// Pair.Columns.
	Policy resolver.Policy

	names [2]string
	at    hcl.Range
}

// NeedsBase tells whether the policy starts from the row before a change, so that capture
// has to show it.
func (b *BoundPair) NeedsBase() bool {
	custom, ok := b.Policy.Function.(customPolicy)
	return b.Link.Direction == Both && (b.Policy.Rule == resolver.Merge || ok && custom.base ||
		slices.ContainsFunc(b.Policy.Columns, func(r resolver.ColumnRule) bool { return r != resolver.ByRule }))
}

// Filter says which rows the pair keeps the same, as the config has it; "" for all.
func (b *BoundPair) Filter() string {
	if b.Table == nil || b.Table.Where == nil {
		return ""
	}
	return b.Table.Where.String()
}

// Sensitive tells whether the config says that the values of a column of side s are not to be
// shown.
func (b *BoundPair) Sensitive(s change.Side, column string) bool {
	return b.Table != nil && slices.ContainsFunc(b.Table.Columns, func(c *Column) bool { return c.Sensitive && c.in(s) == column })
}

// Bind resolves the tables of a link against the catalogues of its stores, which are all
// their tables with all columns, and compiles the pairs: first the table blocks, then what
// the tables block includes, in the order of its list and of the left catalogue. It returns
// the pairs that are right, and every mistake in the others.
func Bind(l *Link, left, right []*change.Table) ([]*BoundPair, hcl.Diagnostics) {
	b := &binder{link: l, catalogues: [2][]*change.Table{left, right}}
	for _, t := range l.Tables {
		b.table(t)
	}
	for _, p := range l.Include {
		b.include(p)
	}
	b.exclude()
	b.checkKeys()
	sortDiags(b.diags)
	return b.pairs, b.diags
}

// CheckOverlaps reports table pairs that are bound in more than one link, or that close a
// circle of tables. Pairs are those of all links of a config; patterns can bring about
// what [Load] could not see.
func CheckOverlaps(pairs []*BoundPair) hcl.Diagnostics {
	var r report
	var edges []edge
	for _, p := range pairs {
		edges = append(edges, p.Link.edge(p.names, p.at))
	}
	r.checkEdges(edges)
	sortDiags(r.diags)
	return r.diags
}

// binder is one run of Bind.
type binder struct {
	report
	link       *Link
	catalogues [2][]*change.Table
	pairs      []*BoundPair
	included   []string // by the tables block, so far
}

// find returns the table called name of side, or nil.
func (b *binder) find(side change.Side, name string) *change.Table {
	i := slices.IndexFunc(b.catalogues[side], func(t *change.Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return b.catalogues[side][i]
}

// missing reports a table that side does not have.
func (b *binder) missing(at hcl.Range, side change.Side, name string) {
	names := make([]string, 0, len(b.catalogues[side]))
	for _, t := range b.catalogues[side] {
		names = append(names, t.Name)
	}
	hint := b.link.Stores[side].otherSchema(name, names)
	if hint == "" {
		hint = knownNames(name, "tables", names)
	}
	b.errorf(at, "Unknown table", "The %s store %q has no table %q.%s", side, b.link.Stores[side].Name, name, hint)
}

// table binds a table block.
func (b *binder) table(t *Table) {
	var tables [2]*change.Table
	for side, name := range t.Names {
		if tables[side] = b.find(change.Side(side), name); tables[side] == nil {
			b.missing(place(t.attrs, change.Side(side).String(), t.at), change.Side(side), name)
		}
	}
	if tables[0] == nil || tables[1] == nil {
		return
	}
	b.compile(t, tables, t.at)
}

// include binds the tables of an entry of include. One that a table block or an earlier
// entry has is left to that.
func (b *binder) include(p Pattern) {
	if !isGlob(p.Text) {
		name := b.link.commonName(p.Text)
		var tables [2]*change.Table
		for side := range tables {
			if tables[side] = b.find(change.Side(side), name); tables[side] == nil {
				b.missing(p.at, change.Side(side), name)
			}
		}
		if tables[0] != nil && tables[1] != nil {
			b.same(tables, p)
		}
		return
	}
	matched := false
	for _, t := range b.catalogues[change.Left] {
		other := b.find(change.Right, t.Name)
		if other == nil || !b.link.matchesPair(p, t.Name) || b.link.excludesPair(t.Name) != nil ||
			b.explicit(change.Left, t.Name) || b.explicit(change.Right, t.Name) {
			continue
		}
		matched = true
		b.same([2]*change.Table{t, other}, p)
	}
	alone := b.alone(p)
	if !matched {
		b.errorf(p.at, "Pattern without tables", "No table that both stores have matches %q, apart from those that are excluded or have a table block.", p.Text)
	}
	if len(alone) > 0 {
		b.warnf(p.at, "Tables on one side only",
			"%q also matches tables that the other store has not, and they are left out: %s. Exclude them to make that clear.", p.Text, strings.Join(alone, ", "))
	}
}

// alone lists the tables that match p on their side and have no partner on the other.
func (b *binder) alone(p Pattern) []string {
	var names []string
	for side := change.Left; side <= change.Right; side++ {
		for _, t := range b.catalogues[side] {
			store := b.link.Stores[side]
			if !store.matches(p, t.Name) || store.firstMatch(b.link.Exclude, t.Name) != nil || b.explicit(side, t.Name) {
				continue
			}
			if b.find(side.Other(), t.Name) == nil || b.explicit(side.Other(), t.Name) {
				names = append(names, t.Name+" ("+side.String()+")")
			}
		}
	}
	return names
}

// explicit tells whether a table block has the table called name of side.
func (b *binder) explicit(side change.Side, name string) bool {
	return slices.ContainsFunc(b.link.Tables, func(t *Table) bool { return t.Names[side] == name })
}

// same binds two tables of the same name.
func (b *binder) same(tables [2]*change.Table, p Pattern) {
	name := tables[0].Name
	if slices.Contains(b.included, name) {
		return
	}
	b.included = append(b.included, name)
	for _, t := range b.link.Tables {
		if t.Name == name {
			b.errorf(p.at, "Duplicate table", "A table block at %s is called %q and is about other tables. Give that block another name, and write left and right in it.",
				line(t.at), name)
			return
		}
	}
	b.compile(nil, tables, p.at)
}

// exclude warns of entries that exclude nothing: they are likely to be mistyped.
func (b *binder) exclude() {
	for _, p := range b.link.Exclude {
		var names []string
		found := false
		for side, catalogue := range b.catalogues {
			for _, t := range catalogue {
				names = append(names, t.Name)
				found = found || b.link.Stores[side].matches(p, t.Name)
			}
		}
		if !found {
			b.warnf(p.at, "Excludes nothing", "Neither store has a table %q.%s", p.Text, didYouMean(b.link.commonName(p.Text), names))
		}
	}
}

// compile makes the pair of two tables. T is nil for tables of the tables block.
func (b *binder) compile(t *Table, tables [2]*change.Table, at hcl.Range) {
	bound := &BoundPair{Link: b.link, Table: t, at: at, names: [2]string{tables[0].Name, tables[1].Name}}
	spec := mapping.Spec{Name: tables[0].Name, Tables: tables, Writes: b.link.Writes()}
	conflict := b.link.Conflict
	if t != nil {
		spec.Name, conflict = t.Name, t.Conflict
		if t.Where != nil { // a nil *Expression in the interface would not be nil
			spec.Where = t.Where
		}
		for _, p := range t.Ignore {
			spec.Ignore = append(spec.Ignore, p.Text)
		}
		for _, c := range t.Columns {
			spec.Columns = append(spec.Columns, c.spec())
		}
	}
	told := b.checkNames(t, tables)
	pair, problems := mapping.Compile(spec)
	for _, p := range problems {
		if !told[p.Column+"\x00"+p.Attribute] {
			b.errorf(t.place(p.Column, p.Attribute, at), p.Summary, "%s", p.Detail)
		}
	}
	if len(problems) > 0 || len(told) > 0 {
		return
	}
	if t != nil {
		b.checkInputs(t, tables)
	}
	bound.Pair = pair
	bound.Policy = resolver.Policy{Rule: conflict.Policy, Deletes: conflict.Deletes, Columns: make([]resolver.ColumnRule, len(pair.Columns)), Function: b.bindCustom(conflict, pair)}
	if t != nil && !b.merges(t, bound) {
		return
	}
	b.pairs = append(b.pairs, bound)
}

// spec returns the column block as mapping takes it.
func (c *Column) spec() mapping.ColumnSpec {
	spec := mapping.ColumnSpec{Name: c.Name, Column: c.Names, Values: c.Values,
		Constant: c.Constant, Default: c.Default, Mask: c.hide, Sensitive: c.Sensitive, KeyOf: c.KeyOf}
	for side, expr := range c.Convert {
		if expr != nil { // a nil *Expression in the interface would not be nil
			spec.Convert[side] = expr
		}
	}
	return spec
}

// place returns the range of an attribute of a column block, or of the table block where
// column is "". T may be nil.
func (t *Table) place(column, attribute string, def hcl.Range) hcl.Range {
	if t == nil {
		return def
	}
	if column == "" {
		return place(t.attrs, attribute, def)
	}
	for _, c := range t.Columns {
		if c.Name == column {
			return place(c.attrs, attribute, c.at)
		}
	}
	return def
}

// checkNames reports columns that a list or an expression names and the tables do not
// have, each where it stands, which a [mapping.Problem] cannot say. It returns the
// attributes that it has reported something in, so that they are not reported twice.
func (b *binder) checkNames(t *Table, tables [2]*change.Table) map[string]bool {
	told := map[string]bool{}
	if t == nil {
		return told
	}
	for _, p := range t.Ignore {
		if tables[0].Column(p.Text) < 0 && tables[1].Column(p.Text) < 0 {
			b.errorf(p.at, "Unknown column", "Neither table %q on the left nor table %q on the right has a column %q.%s",
				tables[0].Name, tables[1].Name, p.Text, didYouMean(p.Text, append(columnNames(tables[0]), columnNames(tables[1])...)))
			told["\x00ignore"] = true
		}
	}
	for _, c := range t.Columns {
		for side := change.Left; side <= change.Right; side++ {
			if name := c.Names[side]; name != "" && b.unknown(c.attrs[side.String()], side, tables[side], name) {
				told[c.Name+"\x00"+side.String()] = true
			}
			if expr := c.Convert[side]; expr != nil {
				for i, name := range expr.inputs {
					if b.unknown(expr.places[i], side.Other(), tables[side.Other()], name) {
						told[c.Name+"\x00"+expr.attr] = true
					}
				}
			}
		}
	}
	return told
}

// unknown reports a column that a table does not have, and tells whether it has.
func (b *binder) unknown(at hcl.Range, side change.Side, table *change.Table, name string) bool {
	if table.Column(name) >= 0 {
		return false
	}
	b.errorf(at, "Unknown column", "Table %q on the %s has no column %q.%s",
		table.Name, side, name, knownNames(name, "columns", columnNames(table)))
	return true
}

// checkInputs warns of columns that an expression of a two-way link reads and that nothing
// writes: what is changed on the other side does not reach them.
func (b *binder) checkInputs(t *Table, tables [2]*change.Table) {
	if b.link.Direction != Both {
		return
	}
	for _, c := range t.Columns {
		for side, expr := range c.Convert {
			if expr == nil {
				continue
			}
			from := change.Side(1 - side)
			for i, name := range expr.inputs {
				if !t.written(from, name, tables) {
					b.warnf(expr.places[i], "No way back for a column",
						"Nothing writes column %q of the %s table, so what is changed on the %s never reaches it. Give it a column block with %s, or let the link run one way.",
						name, from, change.Side(side), convertNames[from])
				}
			}
		}
	}
}

// written tells whether the pair writes the column called name of side in a two-way link.
func (t *Table) written(side change.Side, name string, tables [2]*change.Table) bool {
	for _, c := range t.Columns {
		if c.in(side) == name {
			return c.Convert[side] != nil || c.Convert[side.Other()] == nil
		}
	}
	other := slices.ContainsFunc(t.Columns, func(c *Column) bool { return c.in(side.Other()) == name })
	ignored := slices.ContainsFunc(t.Ignore, func(p Pattern) bool { return p.Text == name })
	return !other && !ignored && tables[side.Other()].Column(name) >= 0
}

func columnNames(t *change.Table) []string {
	names := make([]string, 0, len(t.Columns))
	for i := range t.Columns {
		names = append(names, t.Columns[i].Name)
	}
	return names
}

// merges puts the merge of columns into the policy, and reports those that cannot be
// merged. It is false after a mistake.
func (b *binder) merges(t *Table, bound *BoundPair) bool {
	ok := true
	for _, c := range t.Columns {
		if c.Merge == resolver.ByRule {
			continue
		}
		at := place(c.attrs, "merge", c.at)
		if bound.Policy.Rule == resolver.Custom {
			b.errorf(at, "Merge under a custom policy", "The custom policy decides whole rows. Merge the column there, or take merge out.")
			ok = false
			continue
		}
		i := slices.IndexFunc(bound.Pair.Columns, func(p change.Column) bool { return p.Name == c.Name })
		switch {
		case i < 0:
			b.errorf(at, "Nothing to merge", "Column %q is computed from others on both sides, and those are what can be merged.", c.Name)
		case slices.Contains(bound.Pair.Key, i):
			b.errorf(at, "Key does not merge", "Column %q belongs to the key, and a row keeps its key.", c.Name)
		case !mergeable(c.Merge, bound.Pair.Columns[i].Kind):
			b.errorf(at, "Nothing to merge", "Column %q is %s on the %s, and merge = %q is for %s.", c.Name,
				bound.Pair.Columns[i].Kind, change.Right, c.Merge, mergeKinds(c.Merge))
		default:
			bound.Policy.Columns[i] = c.Merge
			continue
		}
		ok = false
	}
	return ok
}

// mergeable tells whether columns of a kind can be merged by rule. A column that may hold
// anything can.
func mergeable(rule resolver.ColumnRule, kind change.Kind) bool {
	switch kind {
	case change.Unset, change.Int64, change.Uint64, change.Float64, change.Decimal:
		return true
	case change.Date, change.Time, change.Timestamp, change.TimestampUTC:
		return rule != resolver.Sum
	default:
		return false
	}
}

func mergeKinds(rule resolver.ColumnRule) string {
	if rule == resolver.Sum {
		return "numbers"
	}
	return "numbers, dates and times"
}
