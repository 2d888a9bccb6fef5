package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// stageRuns are the benchmarks of what a change goes through. An iteration is one change.
var stageRuns = []struct {
	packages string
	pattern  string
	time     string
}{
	{"sources/postgres", "^BenchmarkDecode$", "200ms"},
	{"mapping", "^BenchmarkCanon$", "200ms"},
	{"resolver", "^BenchmarkDecide$", "200ms"},
	{"router", "^BenchmarkReconciler$", "200000x"},
	{"integration", "^Benchmark(Stages|Pace)$", "1x"},
}

// pace is the benchmark of nothing of ours, by which times of different machines, or hours, are
// compared.
const pace = "Pace"

// cost is what a stage takes for a change.
type cost struct {
	Nanoseconds float64 `json:"ns"`
	Bytes       float64 `json:"bytes"`
	Allocations float64 `json:"allocations"`
}

// costs are those of the stages, by name.
type costs map[string]cost

// compareStages measures the stages, and prints how they compare with the costs of a file, or
// writes them to it.
func compareStages(ctx context.Context, file string, record bool, out, progress io.Writer) error {
	before := costs{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil && !(record && errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("read what was recorded in %s: %w", file, err)
	}
	now := costs{}
	for _, run := range stageRuns {
		said, err := goTest(ctx, progress, []string{"CDCSYNC_BENCH_ROWS=20000"},
			"-bench", run.pattern, "-benchtime", run.time, "-count", "3", "-benchmem", module+"/"+run.packages)
		if err != nil {
			return err
		}
		if err := now.add(said); err != nil {
			return err
		}
	}
	if now[pace].Nanoseconds == 0 {
		return fmt.Errorf("the benchmark %s was not run", pace)
	}
	if err := now.print(out, before); err != nil || !record {
		return err
	}
	text, err = json.MarshalIndent(now, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	return err
}

// add takes in what go test printed: the best time of several runs, and the medians of the rest.
func (c costs) add(said string) error {
	f, err := parse(strings.NewReader(said))
	if err != nil {
		return err
	}
	for name, of := range f.of {
		per := "/op"
		if of["ns/change"] != nil {
			per = "/change"
		}
		if of["ns"+per] == nil || of["B"+per] == nil || of["allocs"+per] == nil {
			return fmt.Errorf("the benchmark %s does not say what it takes", name)
		}
		c[name] = cost{slices.Min(of["ns"+per]), median(of["B"+per]), median(of["allocs"+per])}
	}
	return nil
}

// print prints the costs, and their ratios to what they were.
func (c costs) print(out io.Writer, before costs) error {
	t := newTable("stage", "ns", "bytes", "allocations", "to recorded: time", "bytes", "allocations")
	slower := 1.0
	if before[pace].Nanoseconds > 0 {
		slower = c[pace].Nanoseconds / before[pace].Nanoseconds
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if name == pace {
			continue
		}
		now := c[name]
		row := table.Row{name, amount(now.Nanoseconds), amount(now.Bytes), amount(now.Allocations)}
		if was, known := before[name]; known {
			row = append(row, times(now.Nanoseconds/slower, was.Nanoseconds), times(now.Bytes, was.Bytes), times(now.Allocations, was.Allocations))
		} else {
			row = append(row, "new", "new", "new")
		}
		t.AppendRow(row)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, still := c[name]; !still {
			t.AppendRow(table.Row{name, "gone"})
		}
	}
	_, err := fmt.Fprintf(out, "What each stage takes for a change. This machine is %.2f times as slow as that of the record, and times are compared without that.\n\n%s\n",
		slower, t.Render())
	return err
}

// amount prints v as number does, and 0 too.
func amount(v float64) string { return cmp.Or(number(v), "0") }

// times is how many times as much it is now; what was nothing and is nothing is the same.
func times(now, was float64) string {
	switch {
	case now == was:
		return "1.00"
	case was == 0:
		return "from 0"
	default:
		return fmt.Sprintf("%.2f", now/was)
	}
}
