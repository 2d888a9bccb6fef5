package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
)

// plan decides how the pair is compared.
func (w *walk) plan(ctx context.Context) error {
	w.form = formOf(w.pair)
	if why := unordered(w.pair); why != "" {
		w.method(Keys, why)
		return nil
	}
	var reasons []string
	for s := range w.fields {
		side := change.Side(s)
		why, err := w.digests(ctx, side)
		if err != nil {
			return err
		}
		if why != "" {
			reasons = append(reasons, fmt.Sprintf("the %s rows are read: %s", side, why))
		}
	}
	if w.fields[change.Left] == nil && w.fields[change.Right] == nil {
		w.method(Rows, strings.Join(reasons, "; "))
	} else {
		w.method(Digests, strings.Join(reasons, "; "))
	}
	return nil
}

// method notes how the pair is compared. A run that goes on stays with what it had.
func (w *walk) method(m Method, why string) {
	if w.result.Method == "" || w.result.Method == Digests && m != Digests {
		w.result.Method, w.result.Why = m, why
	}
}

// digests sets the fields of a side if its store can digest them, and says why not otherwise.
func (w *walk) digests(ctx context.Context, s change.Side) (why string, err error) {
	store, ok := w.Stores[s].Looker.(sources.Digester)
	if !ok {
		return "the store computes no digests", nil
	}
	if w.pair.Selective() {
		return "a filter says which rows belong to the table", nil
	}
	fields := make([]sources.Field, len(w.form))
	for i, f := range w.form {
		f.Column = w.pair.Origin(s, i)
		if f.Column < 0 {
			return fmt.Sprintf("column %s is translated or computed", w.pair.Columns[i].Name), nil
		}
		fields[i] = f
	}
	err = w.retry(ctx, "ask the "+s.String()+" store for digests", func() (err error) {
		why, err = store.Digests(ctx, w.pair.Tables[s], fields)
		return err
	})
	if err == nil && why == "" {
		w.fields[s] = fields
	}
	return why, err
}

// formOf returns the fields of the form of a pair.
func formOf(p *mapping.Pair) []sources.Field {
	form := make([]sources.Field, len(p.Columns))
	for i := range p.Columns {
		form[i] = sources.Field{Column: i, Kind: p.Columns[i].Kind}
		for s := range p.Tables {
			if o := p.Origin(change.Side(s), i); o >= 0 && isPadded(p.Tables[s].Columns[o].Type) {
				form[i].Trim = true
			}
		}
	}
	return form
}

// isPadded tells whether a type is a CHAR, at the end of which blanks do not count.
func isPadded(declared string) bool {
	name, _, _ := strings.Cut(strings.ToLower(declared), "(")
	switch strings.TrimSpace(name) {
	case "char", "character", "bpchar", "nchar":
		return true
	}
	return false
}

// unordered returns why the stores may have the rows of a pair in different orders, "" if
// they have not: the keys are of integers, in the same order of columns.
func unordered(p *mapping.Pair) string {
	mixed := false
	for i, column := range p.Key {
		for s := range p.Tables {
			side, table := change.Side(s), p.Tables[s]
			o := p.Origin(side, column)
			if o < 0 {
				return fmt.Sprintf("key column %s is translated", p.Columns[column].Name)
			}
			if !isInteger(table.Columns[o].Kind) {
				return fmt.Sprintf("key column %s is no integer on the %s, and the stores sort it differently", p.Columns[column].Name, side)
			}
			if table.Key[i] != o {
				return "the keys have their columns in different orders"
			}
			mixed = mixed || table.Columns[o].Kind != p.Columns[column].Kind
		}
	}
	if mixed && len(p.Key) > 1 {
		return "the integers of the keys have different ranges"
	}
	return ""
}

func isInteger(k change.Kind) bool { return k == change.Int64 || k == change.Uint64 }
