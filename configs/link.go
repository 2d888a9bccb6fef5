package configs

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// link decodes a link block.
func (d *decoder) link(b *hclsyntax.Block) {
	d.check(b.Body, "a link block", schema{
		attrs:  []string{"left", "right", "direction", "initial", "schema_change", "shadow", "params", "salt", "watchdog", "keep_conflicts"},
		blocks: []string{"conflict", "tables", "table", "verify", "breaker"},
		later:  []string{"memory", "trigger_changes", "batch", "schedule"},
	})
	l := &Link{Direction: Both, Initial: InitialMerge, SchemaChange: SchemaPause, at: b.DefRange(), attrs: ranges(b.Body)}
	l.Stores[change.Left] = d.storeOf(d.required(b, "left", "store.name"))
	l.Stores[change.Right] = d.storeOf(d.required(b, "right", "store.name"))
	if word := d.choice(b.Body.Attributes["direction"], []string{"both", "left_to_right", "right_to_left"}, nil); word != "" {
		l.Direction = Direction(word)
	}
	d.initial(l, b)
	d.shadow(l, b.Body.Attributes["shadow"])
	if word := d.choice(b.Body.Attributes["schema_change"], []string{"pause", "add_columns"}, nil); word != "" {
		l.SchemaChange = SchemaChange(word)
	}
	d.given = d.params(b.Body.Attributes["params"])
	d.salt = d.saltOf(b.Body.Attributes["salt"])
	if c := d.only(b, "conflict"); c != nil {
		l.Conflict = d.conflict(c, l, Conflict{})
	}
	if t := d.only(b, "tables"); t != nil {
		d.tables(t, l)
	}
	if v := d.only(b, "verify"); v != nil {
		l.Verify = d.verify(v)
	}
	l.Watchdog = d.watchdog(b.Body.Attributes["watchdog"])
	l.KeepConflicts = d.keepConflicts(b.Body.Attributes["keep_conflicts"])
	if v := d.only(b, "breaker"); v != nil {
		l.Breaker = d.breaker(v)
	}
	for _, t := range b.Body.Blocks {
		if t.Type == "table" {
			d.table(t, l)
		}
	}
	d.checkKeys(l)
	if !slices.ContainsFunc(b.Body.Blocks, func(t *hclsyntax.Block) bool { return t.Type == "table" || t.Type == "tables" }) {
		d.errorf(l.at, "No tables", "A link needs the tables that it keeps the same: tables { include = [\"name\"] }, or table \"name\" { … }.")
	}
	name, ok := d.identifier(b)
	if !ok {
		return
	}
	if other := d.config.Link(name); other != nil {
		d.errorf(b.LabelRanges[0], "Duplicate link", "There is a link %q already, at %s.", name, line(other.at))
		return
	}
	l.Name = name
	d.config.Links = append(d.config.Links, l)
}

// initial decodes what happens at first contact. Only a link that writes both ways can
// merge, and a one-way link cannot take the side that it writes to.
func (d *decoder) initial(l *Link, b *hclsyntax.Block) {
	reads := map[Direction]Initial{LeftToRight: InitialLeft, RightToLeft: InitialRight}[l.Direction]
	attr := b.Body.Attributes["initial"]
	word := Initial(d.choice(attr, []string{"left", "right", "merge", "none"}, nil))
	switch {
	case word == "" && reads != "":
		l.Initial = reads
	case word == "":
		l.Initial = InitialMerge
	case reads != "" && word != reads && word != InitialNone:
		d.errorf(attr.Expr.Range(), "Initial against the direction",
			"A link that runs %s takes the rows of the %s store at first contact: initial = %q or \"none\".", l.Direction, reads, reads)
	default:
		l.Initial = word
	}
}

// shadow decodes the direction for which a link decides and writes nothing.
func (d *decoder) shadow(l *Link, attr *hclsyntax.Attribute) {
	word := Direction(d.choice(attr, []string{"both", "left_to_right", "right_to_left"}, nil))
	if word == "" {
		return
	}
	if l.Direction != Both && word != l.Direction {
		d.errorf(attr.Expr.Range(), "Shadow of no direction", "The link runs %s, so only that can be in shadow.", l.Direction)
		return
	}
	l.Shadow = (&Link{Direction: word}).Writes()
}

// only returns the block of that type, reports a second one, and returns nil if there is
// none.
func (d *decoder) only(b *hclsyntax.Block, name string) *hclsyntax.Block {
	var found *hclsyntax.Block
	for _, inner := range b.Body.Blocks {
		switch {
		case inner.Type != name:
		case found != nil:
			d.errorf(inner.DefRange(), "Duplicate block", "There is a %s block already, at %s.", name, line(found.DefRange()))
		default:
			found = inner
			d.noLabel(inner)
		}
	}
	return found
}

// storeOf resolves a reference to a store; nil if it is missing or wrong.
func (d *decoder) storeOf(attr *hclsyntax.Attribute) *Store {
	if attr == nil {
		return nil
	}
	at := attr.Expr.Range()
	name, ok := storeName(attr.Expr)
	if !ok {
		example := "name"
		if text, diags := attr.Expr.Value(nil); !diags.HasErrors() && text.Type().FriendlyName() == "string" && !text.IsNull() {
			if hclsyntax.ValidIdentifier(text.AsString()) {
				example = text.AsString()
			}
		}
		d.errorf(at, "Store expected", "Refer to a store block, without quotes: %s = store.%s", attr.Name, example)
		return nil
	}
	if s := d.config.Store(name); s != nil {
		return s
	}
	var names []string
	for _, s := range d.config.Stores {
		names = append(names, s.Name)
	}
	d.errorf(at, "Unknown store", "There is no store %q.%s", name, knownNames(name, "stores", names))
	return nil
}

// storeName returns name of store.name or store["name"].
func storeName(expr hclsyntax.Expression) (string, bool) {
	traversal, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || len(traversal) != 2 || traversal.RootName() != "store" {
		return "", false
	}
	return stepName(traversal[1])
}

// conflict decodes a conflict block over the one that it overrides.
func (d *decoder) conflict(b *hclsyntax.Block, l *Link, over Conflict) Conflict {
	d.check(b.Body, "a conflict block", schema{attrs: []string{"policy", "deletes", "custom"}})
	c := over
	c.at, c.attrs = b.DefRange(), ranges(b.Body)
	if word := d.choice(b.Body.Attributes["policy"], []string{"latest", "left", "right", "merge", "manual", "custom"}, nil); word != "" {
		c.Policy, _ = resolver.ParseRule(word)
	}
	if attr := b.Body.Attributes["custom"]; attr != nil {
		c.Custom = d.custom(attr)
		if c.Policy != resolver.Custom {
			d.errorf(attr.NameRange, "Custom without its policy", "custom decides with policy = \"custom\" only. Write that, or take custom out.")
		}
	} else if c.Policy == resolver.Custom && c.Custom == nil {
		d.errorf(place(c.attrs, "policy", c.at), "Custom policy missing", "Write what decides: custom = { column = max(left.column, right.column) }.")
	}
	if word := d.choice(b.Body.Attributes["deletes"], []string{"delete_wins", "update_wins"}, nil); word != "" {
		c.Deletes, _ = resolver.ParseDeletes(word)
	}
	if len(b.Body.Attributes) == 0 && len(b.Body.Blocks) == 0 {
		d.warnf(b.DefRange(), "Empty conflict block", "It changes nothing. Write policy or deletes, or take it out.")
	}
	if l.Direction != Both {
		d.warnf(b.DefRange(), "No conflicts to decide", "A link that runs %s has no conflicts, so this block has no effect.", l.Direction)
	}
	return c
}

// tables decodes the block of tables that have the same names on both sides.
func (d *decoder) tables(b *hclsyntax.Block, l *Link) {
	d.check(b.Body, "a tables block", schema{attrs: []string{"include", "exclude"}})
	l.Include = d.texts(d.required(b, "include", `["orders", "order_*"]`))
	l.Exclude = d.texts(b.Body.Attributes["exclude"])
	if attr := b.Body.Attributes["include"]; attr != nil {
		if list, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok && len(list.Exprs) == 0 {
			d.errorf(attr.Expr.Range(), "No tables", "include is empty. Name tables, or write [\"*\"] for all.")
		}
	}
	for _, p := range l.Include {
		if isGlob(p.Text) {
			continue
		}
		if out := l.excludesPair(l.commonName(p.Text)); out != nil {
			d.errorf(p.at, "Included and excluded", "Table %q is excluded again by %q.", p.Text, out.Text)
		}
	}
}

// table decodes a table block.
func (d *decoder) table(b *hclsyntax.Block, l *Link) {
	d.check(b.Body, "a table block", schema{
		attrs:  []string{"left", "right", "where", "ignore"},
		blocks: []string{"column", "conflict"},
		later:  []string{"trigger_changes", "triggers", "initial", "direction", "key"},
	})
	t := &Table{Conflict: l.Conflict, at: b.DefRange(), attrs: ranges(b.Body)}
	t.Ignore = d.texts(b.Body.Attributes["ignore"])
	t.Where = d.filter(b.Body.Attributes["where"])
	if c := d.only(b, "conflict"); c != nil {
		t.Conflict = d.conflict(c, l, l.Conflict)
	}
	for _, c := range b.Body.Blocks {
		if c.Type == "column" {
			d.column(c, l, t)
		}
	}
	d.checkColumns(l, t)
	left, right := d.name(b.Body.Attributes["left"]), d.name(b.Body.Attributes["right"])
	name, ok := d.label(b)
	if !ok {
		return
	}
	for _, other := range l.Tables {
		if other.Name == name {
			d.errorf(b.LabelRanges[0], "Duplicate table", "There is a table block %q in this link already, at %s.", name, line(other.at))
			return
		}
	}
	t.Name, t.Names = name, [2]string{name, name}
	if left != "" {
		t.Names[change.Left] = left
	}
	if right != "" {
		t.Names[change.Right] = right
	}
	for side, s := range l.Stores {
		t.Names[side] = s.tableName(t.Names[side])
	}
	l.Tables = append(l.Tables, t)
}
