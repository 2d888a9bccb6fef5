package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// output is what go test prints for two runs of a benchmark and one of another.
const output = `goos: linux
cpu: AMD EPYC
BenchmarkPostgresDrain/15/1-row-2    1	 10 ns/op	 1.2 one-way/native	 120 one-way-rows/s	 100 native-rows/s	 61 one-way-MiB
BenchmarkPostgresDrain/15/1-row-2    1	 10 ns/op	 1.6 one-way/native	 160 one-way-rows/s	 100 native-rows/s	 63 one-way-MiB
BenchmarkIdle-2                      1	 10 ns/op	 0.4 cpu-%
PASS
`

func TestRead(t *testing.T) {
	r, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	if r.CPU != "AMD EPYC" || len(r.Results) != 2 {
		t.Fatalf("%+v", r)
	}
	drain := r.Results[0]
	want := ratio{Of: "one-way/native", Unit: "rows/s", Ours: 140, Theirs: 100, Ratio: 1.4}
	if drain.Name != "PostgresDrain/15/1-row" || len(drain.Ratios) != 1 || drain.Ratios[0].Of != want.Of || drain.Ratios[0].Unit != want.Unit ||
		drain.Ratios[0].Ours != want.Ours || drain.Ratios[0].Theirs != want.Theirs || drain.Ratios[0].Ratio < 1.39 || drain.Ratios[0].Ratio > 1.41 {
		t.Errorf("%+v, want %+v", drain, want)
	}
	if rest := drain.rest(); len(rest) != 1 || rest[0] != "one-way-MiB" {
		t.Errorf("besides the ratio: %q", rest)
	}
	if idle := r.Results[1]; idle.Name != "Idle" || idle.Metrics["cpu-%"] != 0.4 {
		t.Errorf("%+v", idle)
	}
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"PostgresDrain/15/1-row", "140", "1.40", "cpu-%", "medians of"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the tables lack %q:\n%s", part, b.String())
		}
	}
}

func TestReadBroken(t *testing.T) {
	for name, text := range map[string]string{
		"no number": "BenchmarkX-2 1 abc ns/op\n",
		"half":      "BenchmarkX-2 1 10 ns/op 5\n",
	} {
		if _, err := read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "result of X") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A picture is well-formed and has a bar for each contestant.
func TestPictures(t *testing.T) {
	r, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	all := r.pictures()
	if len(all) != 1 || len(all[0].groups) != 1 || len(all[0].groups[0].bars) != 2 || all[0].groups[0].bars[0].name != "one-way" {
		t.Fatalf("%+v", all)
	}
	svg := all[0].svg()
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // and what is behind them
		t.Errorf("%d rectangles:\n%s", bars, svg)
	}
}
