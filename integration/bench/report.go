package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// report is what the benchmarks found.
type report struct {
	CPU     string   `json:"cpu"`
	Cores   int      `json:"cores"`
	Rows    int      `json:"rows"`
	Count   int      `json:"count"`
	Results []result `json:"results"`
}

// result is one benchmark: its name without Benchmark, and the median of each thing that it
// measured, by its unit.
type result struct {
	Name    string             `json:"name"`
	Metrics map[string]float64 `json:"metrics"`
	Ratios  []ratio            `json:"ratios"`
}

// ratio compares two contestants, by rows a second or by milliseconds; Ours and Theirs are 0 if
// only the ratio was measured.
type ratio struct {
	Of     string  `json:"of"` // ours/theirs
	Unit   string  `json:"unit,omitempty"`
	Ours   float64 `json:"ours,omitempty"`
	Theirs float64 `json:"theirs,omitempty"`
	Ratio  float64 `json:"ratio"`
}

// units are those in which contestants are measured.
var units = []string{"rows/s", "ms"}

// line is a benchmark as go test prints it.
var line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(\S.*)$`)

// figures are what benchmarks measured, by name without Benchmark and by unit, once for each run.
type figures struct {
	cpu   string
	names []string
	of    map[string]map[string][]float64
}

// parse reads the output of go test.
func parse(from io.Reader) (*figures, error) {
	f := &figures{of: map[string]map[string][]float64{}}
	for in := bufio.NewScanner(from); in.Scan(); {
		if cpu, ok := strings.CutPrefix(in.Text(), "cpu: "); ok {
			f.cpu = cpu
		}
		m := line.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		fields := strings.Fields(m[2])
		if len(fields)%2 != 0 {
			return nil, fmt.Errorf("read the result of %s: %q is not pairs of value and unit", m[1], m[2])
		}
		if f.of[m[1]] == nil {
			f.of[m[1]] = map[string][]float64{}
			f.names = append(f.names, m[1])
		}
		for i := 0; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("read the result of %s: %w", m[1], err)
			}
			f.of[m[1]][fields[i+1]] = append(f.of[m[1]][fields[i+1]], v)
		}
	}
	return f, nil
}

// read reads the output of go test as a report, without what an iteration took.
func read(from io.Reader) (*report, error) {
	f, err := parse(from)
	if err != nil {
		return nil, err
	}
	r := &report{CPU: f.cpu}
	for _, name := range f.names {
		one := result{Name: name, Metrics: map[string]float64{}}
		for unit, values := range f.of[name] {
			if !strings.HasSuffix(unit, "/op") {
				one.Metrics[unit] = median(values)
			}
		}
		one.compare()
		r.Results = append(r.Results, one)
	}
	return r, nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// compare finds the ratios: what is measured as "a/b", which is of "a-rows/s" and "b-rows/s".
func (r *result) compare() {
	for _, of := range slices.Sorted(maps.Keys(r.Metrics)) {
		ours, theirs, ok := strings.Cut(of, "/")
		if !ok || theirs == "s" {
			continue
		}
		c := ratio{Of: of, Ratio: r.Metrics[of]}
		for _, unit := range units {
			a, known := r.Metrics[ours+"-"+unit]
			if b, too := r.Metrics[theirs+"-"+unit]; known && too {
				c.Unit, c.Ours, c.Theirs = unit, a, b
			}
		}
		r.Ratios = append(r.Ratios, c)
	}
}

// rest are the metrics that no ratio shows.
func (r *result) rest() []string {
	shown := map[string]bool{}
	for _, c := range r.Ratios {
		ours, theirs, _ := strings.Cut(c.Of, "/")
		shown[c.Of] = true
		if c.Unit != "" {
			shown[ours+"-"+c.Unit], shown[theirs+"-"+c.Unit] = true, true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Metrics)), func(unit string) bool { return shown[unit] })
}
