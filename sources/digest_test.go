package sources_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// hostile are texts that look like something else in the text of a row.
var hostile = []string{"", "N", ",", "0", "1:", "1:N", "3:N,N", "!7:1:x", " ", "-0", "1.50", "1.5", "2024-01-02", "t"}

// values are some of every kind, as SQLite may hold them in a column of another one.
func values() []change.Value {
	list := []change.Value{
		change.NullValue(), change.BoolValue(true), change.BoolValue(false), change.Int(0), change.Int(1), change.Int(-1),
		change.Float(0), change.Float(1), change.Float(-1), change.Float(0.5),
		change.Str(change.Decimal, "0"), change.Str(change.Decimal, "1.5"), change.Str(change.Decimal, "NaN"),
		change.Str(change.Date, "2024-01-02"), change.Str(change.Date, "infinity"), change.Str(change.Timestamp, "infinity"),
	}
	for _, text := range hostile {
		list = append(list, change.TextValue(text), change.BytesValue([]byte(text)), change.Str(change.JSON, text))
	}
	return list
}

// TestTextsTellRowsApart checks that no two rows of two columns have the same text, whatever
// kinds the columns are of.
func TestTextsTellRowsApart(t *testing.T) {
	kinds := []change.Kind{change.Bool, change.Int64, change.Float64, change.Decimal, change.Text, change.Bytes, change.Date, change.JSON, change.Unset}
	for _, first := range kinds {
		for _, second := range kinds {
			met := map[string]change.Row{}
			for _, a := range values() {
				for _, b := range values() {
					row := change.Row{a, b}
					text := append(sources.AppendField(nil, a, sources.Field{Kind: first}), ',')
					text = sources.AppendField(text, b, sources.Field{Column: 1, Kind: second})
					if other, ok := met[string(text)]; ok {
						t.Fatalf("as %s and %s, %v and %v are both %q", first, second, row, other, text)
					}
					met[string(text)] = row
				}
			}
		}
	}
}

// TestOneTextForOneNumber checks what is written in several ways and is one value.
func TestOneTextForOneNumber(t *testing.T) {
	decimal := sources.Field{Kind: change.Decimal}
	for text, want := range map[string]string{
		"1.50": "1.5", "100": "100", "0.00": "0", "-0.0": "0", "-0": "0", "10.00": "10", "-1.10": "-1.1", "NaN": "NaN", "-Infinity": "-Infinity",
	} {
		if got := string(sources.AppendField(nil, change.Str(change.Decimal, text), decimal)); got != want {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
	trim := sources.Field{Kind: change.Text, Trim: true}
	if got := string(sources.AppendField(nil, change.TextValue("ä  "), trim)); got != "2:ä" {
		t.Errorf("a CHAR is %q", got)
	}
}
