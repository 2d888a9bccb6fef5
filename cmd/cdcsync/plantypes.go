package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
)

// planTypes says which values of either side do not fit the other, as far as the types of the
// columns show it. What is translated or computed is another matter.
func (c *columnPlan) planTypes(b *binding, p *configs.BoundPair) {
	if c.Left == "" || c.Right == "" || c.How != "" {
		return
	}
	names, misfits := [2]string{c.Left, c.Right}, [2]*[]string{&c.NotLeft, &c.NotRight}
	for s, writes := range b.link.Writes() {
		if !writes {
			continue
		}
		from, to := p.Pair.Tables[1-s], p.Pair.Tables[s]
		here, _ := b.catalogues[s].capacity(to.Name, names[s])
		there, _ := b.catalogues[1-s].capacity(from.Name, names[1-s])
		i, j := from.Column(names[1-s]), to.Column(names[s])
		if i < 0 || j < 0 {
			continue
		}
		if !mapping.Crosses(&from.Columns[i], &to.Columns[j]) {
			*misfits[s] = append(*misfits[s], "values at all: that takes an expression")
			continue
		}
		*misfits[s] = mapping.Misfits(there, here)
		if from.Columns[i].Nullable && !to.Columns[j].Nullable && !slices.Contains(to.Key, j) {
			*misfits[s] = append(*misfits[s], "NULL")
		}
	}
}

// printTypes prints what may not fit.
func (c *columnPlan) printTypes(w io.Writer) {
	for s, misfits := range [2][]string{c.NotLeft, c.NotRight} {
		if len(misfits) > 0 {
			fmt.Fprintf(w, "  may not fit, %s: %s of column %s\n", change.Side(s), strings.Join(misfits, ", "), printable(c.Name))
		}
	}
}

// exampleOf returns the value of a column of a row and what comes back from the other side.
func exampleOf(p *configs.BoundPair, s change.Side, row change.Row, column string) lossExample {
	i := p.Pair.Tables[s].Column(column)
	e := lossExample{Value: shortened(row[i].String())}
	there, err := p.Pair.Canon(s, row)
	for _, step := range []func(change.Side, change.Row) (change.Row, error){
		func(_ change.Side, r change.Row) (change.Row, error) { return p.Pair.Native(s.Other(), r) },
		func(_ change.Side, r change.Row) (change.Row, error) { return p.Pair.Canon(s.Other(), r) },
		func(_ change.Side, r change.Row) (change.Row, error) { return p.Pair.Native(s, r) },
	} {
		if err == nil {
			there, err = step(s, there)
		}
	}
	if err == nil && there != nil {
		e.Back = shortened(there[i].String())
	}
	if p.Sensitive(s, column) {
		return lossExample{Value: redacted, Back: redacted}
	}
	return e
}

// shortened cuts what is too long to be looked at.
func shortened(text string) string {
	const enough = 60
	if runes := []rune(text); len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return text
}

// estimate is how long first contact may take.
type estimate struct {
	Seconds float64 `json:"seconds"`
	// Rows are those of both sides, Sampled those that were read to find out how fast that is.
	Rows    int64 `json:"rows"`
	Sampled int   `json:"sampled"`
}

// estimate returns how long it takes to read the rows of all tables one after the other, as fast
// as the sampled ones were read; nil if too few were.
func (l *linkPlan) estimate() *estimate {
	const few = 100
	var e estimate
	var scanned time.Duration
	for i := range l.Tables {
		for s := change.Left; s <= change.Right; s++ {
			side := l.Tables[i].side(s)
			e.Rows += side.Rows
			e.Sampled += side.Sampled
			scanned += side.scanned
		}
	}
	if e.Sampled < few || scanned <= 0 {
		return nil
	}
	e.Seconds = float64(e.Rows) * scanned.Seconds() / float64(e.Sampled)
	return &e
}

func (e *estimate) print(w io.Writer) {
	took := time.Duration(e.Seconds * float64(time.Second)).Round(time.Second)
	if took == 0 {
		took = time.Second
	}
	fmt.Fprintf(w, "First contact reads %d rows: about %s, if they are read as fast as the %d sampled ones were.\nRows that differ take the time to write them in addition.\n\n",
		e.Rows, took, e.Sampled)
}

// indented returns a statement with each line under the other.
func indented(statement string) string {
	var b strings.Builder
	for i, line := range strings.Split(statement, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("  " + printable(line))
	}
	return b.String()
}
