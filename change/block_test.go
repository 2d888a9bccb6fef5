package change_test

import (
	"bytes"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

func TestBlockLines(t *testing.T) {
	b := change.Block{Text: []byte("1\ta\n2\tb\n3\tc\n"), Rows: 3}
	for _, test := range []struct {
		without, want string
		rows          int
		last          string
	}{
		{"", "1\ta\n2\tb\n3\tc\n", 3, "3\tc"},
		{"1", "2\tb\n3\tc\n", 2, "3\tc"},
		{"2", "1\ta\n3\tc\n", 2, "3\tc"},
		{"3", "1\ta\n2\tb\n", 2, "2\tb"},
		{"12", "3\tc\n", 1, "3\tc"},
		{"123", "", 0, ""},
	} {
		got := b.Keep(func(line []byte) bool { return !bytes.Contains([]byte(test.without), change.Fields(line, 1)[0]) })
		if string(got.Text) != test.want || got.Rows != test.rows || string(got.Last()) != test.last {
			t.Errorf("without %s: got %q, %d rows, last %q", test.without, got.Text, got.Rows, got.Last())
		}
	}
	if string(b.Text) != "1\ta\n2\tb\n3\tc\n" {
		t.Errorf("the block is %q now", b.Text)
	}
}

func FuzzField(f *testing.F) {
	for _, text := range []string{"", "a", "a\tb\nc\\d\re", `\N`, "\\", "\x00\v\f\b", "ä\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		field := change.AppendField(nil, text)
		if bytes.ContainsAny(field, "\t\n\r") || string(field) == change.NullField {
			t.Fatalf("%q is the field %q", text, field)
		}
		line := append(append(bytes.Clone(field), '\t'), "rest"...)
		if got := change.Fields(line, 2); len(got) != 2 || !bytes.Equal(got[0], field) || string(got[1]) != "rest" {
			t.Fatalf("%q has the fields %q", line, got)
		}
		if back := change.AppendUnescaped(nil, field); string(back) != text {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
