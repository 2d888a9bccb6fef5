package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// print prints the report as tables: the ratios, and what else was measured.
func (r *report) print(out io.Writer) error {
	ratios, others := newTable("benchmark", "compared", "ours", "theirs", "", "ratio"), newTable("benchmark", "measured", "")
	for _, one := range r.Results {
		for _, c := range one.Ratios {
			ratios.AppendRow(table.Row{one.Name, c.Of, number(c.Ours), number(c.Theirs), c.Unit, fmt.Sprintf("%.2f", c.Ratio)})
		}
		for _, unit := range one.rest() {
			others.AppendRow(table.Row{one.Name, unit, number(one.Metrics[unit])})
		}
	}
	_, err := fmt.Fprintf(out, "%s, %d cores; %d rows; medians of %d\n\n%s\n\n%s\n", r.CPU, r.Cores, r.Rows, r.Count, ratios.Render(), others.Render())
	return err
}

func newTable(names ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(names)
	columns := make([]table.ColumnConfig, 0, len(names))
	for i := range names {
		c := table.ColumnConfig{Number: i + 1, AutoMerge: i == 0}
		if i > 1 {
			c.Align = text.AlignRight
		}
		columns = append(columns, c)
	}
	t.SetColumnConfigs(columns)
	return t
}

// number prints v with as many digits as mean something; nothing for what was not measured.
func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}
