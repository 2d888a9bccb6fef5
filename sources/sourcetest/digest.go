package sourcetest

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// Digests checks that a store writes every value of a table, whose key is its first column, as
// the text that [sources.AppendField] writes for it: as it is, and as each kind that it can be
// converted to by convert. It returns how many columns were compared, and those that the store
// does not digest.
func Digests(t *testing.T, looker sources.Digester, table *change.Table, convert func(change.Value, change.Column) (change.Value, error)) (compared int, left []string) {
	t.Helper()
	look, err := looker.Scan(t.Context(), table, nil, 10_000)
	if err != nil || len(look.Rows) == 0 {
		t.Fatalf("%d rows: %v", len(look.Rows), err)
	}
	for i, column := range table.Columns {
		for kind := change.Bool; kind <= change.Array; kind++ {
			fields := []sources.Field{{Column: 0, Kind: table.Columns[0].Kind}, {Column: i, Kind: kind}}
			why, err := looker.Digests(t.Context(), table, fields)
			if err != nil {
				t.Fatal(err)
			}
			if why != "" {
				if kind == column.Kind {
					left = append(left, column.Name)
				}
				continue
			}
			if !sources.Converts(column.Kind, kind) {
				t.Fatalf("the store digests %s as %s", column.Type, kind)
			}
			if digestColumn(t, looker, table, look.Rows, fields, convert) {
				compared++
			}
		}
	}
	return compared, left
}

// digestColumn compares the digest of one column with what it should be. It is false if some
// value cannot be converted.
func digestColumn(t *testing.T, looker sources.Digester, table *change.Table, rows []change.Row, fields []sources.Field,
	convert func(change.Value, change.Column) (change.Value, error)) bool {
	t.Helper()
	f := fields[1]
	sums := make([]sources.Digest, len(rows))
	var want sources.Digest
	for n, row := range rows {
		v, err := convert(row[f.Column], change.Column{Kind: f.Kind})
		if err != nil {
			return false
		}
		text := append(sources.AppendField(nil, row[0], fields[0]), ',')
		sums[n].Add(sources.AppendField(text, v, f))
		want.Add(sources.AppendField(text, v, f))
	}
	got, err := looker.Digest(t.Context(), table, fields, nil, nil)
	if err != nil {
		t.Fatalf("digest %s as %s: %v", table.Columns[f.Column].Type, f.Kind, err)
	}
	if got.Equal(want) {
		return true
	}
	for n, row := range rows { // which is it?
		var after change.Row
		if n > 0 {
			after = table.KeyOf(rows[n-1])
		}
		one, err := looker.Digest(t.Context(), table, fields, after, table.KeyOf(row))
		if err != nil || !one.Equal(sums[n]) {
			t.Errorf("%s as %s: the store writes %.80q in another way (%v, %d rows)", table.Columns[f.Column].Type, f.Kind, row[f.Column], err, one.Rows)
		}
	}
	return true
}
