package admin

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

func TestRowJSON(t *testing.T) {
	columns := []string{"a"}
	for _, c := range []struct {
		value change.Value
		want  string
	}{
		{change.NullValue(), `{"a":null}`},
		{change.Value{}, `{}`},
		{change.BoolValue(true), `{"a":true}`},
		{change.Int(0), `{"a":0}`},
		{change.Int(1<<53 - 1), `{"a":9007199254740991}`},
		{change.Int(1 << 53), `{"a":"9007199254740992"}`},
		{change.Int(-1 << 53), `{"a":"-9007199254740992"}`},
		{change.Uint(math.MaxUint64), `{"a":"18446744073709551615"}`},
		{change.Float(1), `{"a":1.0}`},
		{change.Float(math.Copysign(0, -1)), `{"a":-0.0}`},
		{change.Float(1e300), `{"a":1e+300}`},
		{change.Float(0.1), `{"a":0.1}`},
		{change.Float(math.NaN()), `{"a":"NaN"}`},
		{change.Float(math.Inf(-1)), `{"a":"-Inf"}`},
		{change.Str(change.Decimal, "1.10"), `{"a":"1.10"}`},
		{change.TextValue("a\"\x00<\n"), `{"a":"a\"\u0000\u003c\n"}`},
		{change.TextValue("\xff"), `{"a":{"bytes":"/w=="}}`},
		{change.BytesValue([]byte{0, 255}), `{"a":{"bytes":"AP8="}}`},
		{change.BytesValue(nil), `{"a":{"bytes":""}}`},
		{change.Str(change.JSON, `{"x":1}`), `{"a":"{\"x\":1}"}`},
	} {
		got, err := json.Marshal(Row{Columns: columns, Values: change.Row{c.value}})
		if err != nil || string(got) != c.want {
			t.Errorf("%s %v: %s (%v), want %s", c.value.Kind(), c.value, got, err, c.want)
		}
	}
	if got, _ := json.Marshal(Row{Columns: columns}); string(got) != "null" {
		t.Errorf("a row that does not exist is %s", got)
	}
	if got, _ := json.Marshal(Row{Values: change.Row{change.Int(1), change.Int(2)}}); string(got) != `{"#1":1,"#2":2}` {
		t.Errorf("a row without names is %s", got)
	}
}

var values = rapid.Custom(func(t *rapid.T) change.Value {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return change.NullValue()
	case 1:
		return change.BoolValue(rapid.Bool().Draw(t, "bool"))
	case 2:
		return change.Int(rapid.Int64Range(-maxNumber, maxNumber).Draw(t, "int"))
	case 3:
		return change.Float(rapid.Float64().Draw(t, "float"))
	case 4:
		return change.TextValue(rapid.String().Draw(t, "text"))
	default:
		return change.BytesValue(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	}
})

// What JSON can tell apart comes back as it was, in order.
func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.String(), 1, 5, rapid.ID).Draw(t, "names")
		row := Row{Columns: names, Values: rapid.SliceOfN(values, len(names), len(names)).Draw(t, "values")}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		var got Row
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for i, want := range row.Values {
			if got.Columns[i] != names[i] || got.Values[i] != want {
				t.Fatalf("%s: %q is %s %v, want %q %s %v", text, got.Columns[i], got.Values[i].Kind(), got.Values[i], names[i], want.Kind(), want)
			}
		}
	})
}

// FuzzRowUnmarshal feeds arbitrary JSON to the reader of rows: it never panics, and what it
// read can be written.
func FuzzRowUnmarshal(f *testing.F) {
	for _, seed := range []string{`null`, `{}`, `[]`, `{"a":1}`, `{"a":{"bytes":"AP8="}}`, `{"a":{"bytes":1}}`, `{"a":[1]}`, `{"a":1e999}`, `{"a"`, `1`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var row Row
		if row.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		if _, err := json.Marshal(row); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		_ = row.String()
	})
}
