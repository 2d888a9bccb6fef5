package sources_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources"
)

// hostile are texts that look like something else in the text of a row.
var hostile = []string{"", "N", ",", "0", "1:", "1:N", "3:N,N", "!7:1:x", " ", "-0", "1.50", "1.5", "2024-01-02", "t"}

// valueOf draws a value of a kind, or of another one now and then, as SQLite holds it.
func valueOf(kind change.Kind) *rapid.Generator[change.Value] {
	return rapid.Custom(func(t *rapid.T) change.Value {
		k := kind
		switch rapid.IntRange(0, 9).Draw(t, "odd") {
		case 0:
			return change.NullValue()
		case 1:
			k = rapid.SampledFrom([]change.Kind{change.Int64, change.Float64, change.Text, change.Bytes}).Draw(t, "kind")
		}
		switch k {
		case change.Bool:
			return change.BoolValue(rapid.Bool().Draw(t, "bool"))
		case change.Int64, change.Uint64:
			return change.Int(rapid.Int64Range(-2, 2).Draw(t, "int"))
		case change.Float64:
			return change.Float(rapid.SampledFrom([]float64{0, -1, 1, 0.5}).Draw(t, "float"))
		case change.Decimal:
			return change.Str(k, rapid.SampledFrom([]string{"0", "-1", "1.05", "1.5", "10", "NaN"}).Draw(t, "decimal"))
		case change.Date, change.UUID:
			return change.Str(k, rapid.SampledFrom([]string{"2024-01-02", "infinity", "0044-03-15 BC"}).Draw(t, "text"))
		default:
			return change.Str(k, rapid.SampledFrom(hostile).Draw(t, "text"))
		}
	})
}

// TestTextsTellRowsApart checks that two rows with one text are the same row.
func TestTextsTellRowsApart(t *testing.T) {
	kinds := []change.Kind{change.Bool, change.Int64, change.Float64, change.Decimal, change.Text, change.Bytes, change.Date, change.UUID, change.JSON}
	text := func(row change.Row, fields []sources.Field) string {
		var texts []string
		for i, f := range fields {
			texts = append(texts, string(sources.AppendField(nil, row[i], f)))
		}
		return strings.Join(texts, ",")
	}
	rapid.Check(t, func(t *rapid.T) {
		var fields []sources.Field
		var a, b change.Row
		for range rapid.IntRange(1, 3).Draw(t, "columns") {
			f := sources.Field{Column: len(fields), Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
			fields = append(fields, f)
			a = append(a, valueOf(f.Kind).Draw(t, "a"))
			b = append(b, valueOf(f.Kind).Draw(t, "b"))
		}
		if text(a, fields) == text(b, fields) != a.Equal(b) {
			t.Fatalf("%v and %v, as %v: %q and %q", a, b, fields, text(a, fields), text(b, fields))
		}
	})
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
