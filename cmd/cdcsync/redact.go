package main

import (
	"slices"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
)

// redacted takes the place of a value that is not to be shown.
const redacted = "[redacted]"

// curtain tells which values of the rows of a pair are not to be shown.
type curtain struct {
	columns, sensitive []string
	// others says that rows of another form than the pair's may have sensitive values.
	others bool
}

// curtain returns that of the pair called name. Of a pair that the link has no more nobody can
// tell which columns were sensitive, so nothing is shown; nor before the link is open, if any of
// its columns are.
func (r *runner) curtain(name string) curtain {
	_, link := r.config()
	c := curtainOf(r.pair(name))
	c.others = c.others || c.columns == nil && (r.open() || hasSensitive(link))
	return c
}

// recorded returns that of rows which were recorded when the pair had columns; nil: not known
// which.
func (c curtain) recorded(columns []string) curtain {
	if columns == nil || slices.Equal(columns, c.columns) {
		return c
	}
	then := curtain{columns: columns, others: c.others}
	if c.others {
		then.sensitive = columns
	}
	return then
}

func curtainOf(p *mapping.Pair) curtain {
	if p == nil {
		return curtain{}
	}
	return curtain{columns: columnNames(p.Columns), sensitive: p.Sensitive, others: len(p.Sensitive) > 0}
}

func hasSensitive(link *configs.Link) bool {
	return slices.ContainsFunc(link.Tables, func(t *configs.Table) bool {
		return slices.ContainsFunc(t.Columns, func(c *configs.Column) bool { return c.Sensitive })
	})
}

// row returns a row of the pair as it may be shown, with the names of its values unless it is
// of a time when the pair had other columns.
func (c curtain) row(row change.Row) admin.Row {
	named := row == nil || len(row) == len(c.columns)
	shown := admin.Row{Values: slices.Clone(row)}
	if named {
		shown.Columns = c.columns
	}
	for i, v := range shown.Values {
		if !v.IsUnset() && (!named && c.others || named && slices.Contains(c.sensitive, c.columns[i])) {
			shown.Values[i] = change.TextValue(redacted)
		}
	}
	return shown
}

// differ names the columns that are not to be shown and in which two rows, which both exist, do not have
// the same; what is not known of either is left out.
func (c curtain) differ(left, right change.Row) (names []string) {
	hidden := func(row change.Row, i int) bool { return row[i] == change.TextValue(redacted) }
	a, b := c.row(left), c.row(right)
	for i := range min(len(left), len(right)) {
		if hidden(a.Values, i) && hidden(b.Values, i) && left[i] != right[i] && i < len(a.Columns) {
			names = append(names, a.Columns[i])
		}
	}
	return names
}

// image is nil for an image that is not known.
func (c curtain) image(image change.Image) *admin.Row {
	if !image.Known {
		return nil
	}
	row := c.row(image.Row)
	return &row
}
