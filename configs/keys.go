package configs

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// keyOf decodes which table a column has translated keys of.
func (d *decoder) keyOf(attr *hclsyntax.Attribute, c *Column) {
	if attr == nil {
		return
	}
	c.KeyOf = d.name(attr)
	if c.Merge != resolver.ByRule {
		d.errorf(place(c.attrs, "merge", c.at), "Keys do not merge", "The column says which row is meant, and is no number to be counted with. Take merge or key_of out.")
	}
}

// checkKeys validates that the tables whose keys are translated say so themselves.
func (d *decoder) checkKeys(l *Link) {
	for _, t := range l.Tables {
		for _, c := range t.Columns {
			if c.KeyOf == "" {
				continue
			}
			at := place(c.attrs, "key_of", c.at)
			i := slices.IndexFunc(l.Tables, func(o *Table) bool { return o.Name == c.KeyOf })
			if i < 0 {
				var names []string
				for _, o := range l.Tables {
					names = append(names, o.Name)
				}
				d.errorf(at, "Unknown table", "key_of names the table block whose rows have other keys in each store, and there is no block %q.%s", c.KeyOf, knownNames(c.KeyOf, "table blocks", names))
				continue
			}
			if !slices.ContainsFunc(l.Tables[i].Columns, func(o *Column) bool { return o.KeyOf == c.KeyOf }) {
				d.errorf(at, "Keys not translated", "The rows of %q have the same keys in both stores. If they have others, say so there as well: column \"id\" { key_of = %q }.", c.KeyOf, c.KeyOf)
			}
		}
	}
}

// checkKeys reports columns that hold keys of a table whose key is not that.
func (b *binder) checkKeys() {
	for _, p := range b.pairs {
		for _, k := range p.Pair.Keyed(change.Left) {
			i := slices.IndexFunc(b.pairs, func(o *BoundPair) bool { return o.Pair.Name == k.Of })
			if i < 0 || b.pairs[i].Pair.Rekeyed() {
				continue // what is missing was reported
			}
			name := p.Pair.Tables[change.Left].Columns[k.Column].Name
			b.errorf(p.keyPlace(k.Of), "Not the key", "Column %q has key_of = %q, and the key of that table has no column with key_of = %q.", name, k.Of, k.Of)
		}
	}
}

// keyPlace returns where a column block has that key_of.
func (b *BoundPair) keyPlace(of string) hcl.Range {
	for _, c := range b.Table.Columns {
		if c.KeyOf == of {
			return place(c.attrs, "key_of", c.at)
		}
	}
	return b.at
}
