package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/sources"
)

// planLink looks into both stores of a link. What fails is a problem of the store it fails
// in, so that the rest of the plan is seen.
func planLink(ctx context.Context, cfg *configs.Config, l *configs.Link, opened [2]store, over *overlaps, sample int) linkPlan {
	lp := linkPlan{
		Link: l.Name, Direction: string(l.Direction), Initial: string(l.Initial),
		Tables: []tablePlan{}, Mends: []mend{}, Diagnostics: []diagnostic{},
	}
	for s, st := range l.Stores {
		writes := l.Writes()
		*lp.side(change.Side(s)) = storePlan{
			Store: st.Name, Engine: st.Engine, Writes: writes[s], Reads: writes[1-s],
			Existing: []string{}, Create: []string{}, Problems: []problem{},
		}
	}
	b, err := bind(ctx, cfg, l, opened)
	if err != nil {
		lp.unreadable(ctx, opened)
		return lp
	}
	b.diags = append(b.diags, over.add(l.Name, b.pairs)...)
	lp.binding, lp.Diagnostics = b, shownDiags(b.diags)
	for s := range opened {
		lp.planStore(ctx, b, change.Side(s))
	}
	for _, p := range b.pairs {
		lp.Tables = append(lp.Tables, planTable(b, p))
	}
	lp.planMends(b)
	lp.planCounters(b)
	lp.planReferences(b)
	lp.planTriggers(b)
	for s := range opened {
		lp.planRows(ctx, b, change.Side(s), sample)
	}
	lp.planStrangers(b)
	lp.FirstContact = lp.estimate()
	return lp
}

// unreadable finds out which stores cannot be read.
func (l *linkPlan) unreadable(ctx context.Context, opened [2]store) {
	for s, st := range opened {
		if _, err := st.Catalogue(ctx); err != nil {
			l.fail(change.Side(s), err)
		}
	}
	if len(l.Left.Problems)+len(l.Right.Problems) == 0 {
		l.Left.Problems = append(l.Left.Problems, problem{Blocker: true,
			Summary: "one of the stores could not be read at first, and then could", Remedy: "run plan again"})
	}
}

// fail makes an error a problem of the store on side s.
func (l *linkPlan) fail(s change.Side, err error) {
	p := problem{Summary: err.Error(), Blocker: true}
	if e, ok := errors.AsType[*change.Error](err); ok {
		p.Remedy = e.Hint
		bare := *e
		bare.Hint = ""
		p.Summary = bare.Error()
	}
	l.side(s).Problems = append(l.side(s).Problems, p)
}

// planStore says what the link has in the store on side s and what setup would make.
func (l *linkPlan) planStore(ctx context.Context, b *binding, s change.Side) {
	n, sp := b.needs(s), l.side(s)
	if n.reads {
		sp.Capture = string(n.capture)
	}
	sp.Problems = append(sp.Problems, b.problems[s]...)
	f, err := b.stores[s].Footprint(ctx, n)
	if err != nil {
		l.fail(s, err)
		return
	}
	sp.Existing, sp.Create = append(sp.Existing, f.existing...), append(sp.Create, f.create...)
	for _, p := range f.problems {
		if !slices.Contains(sp.Problems, p) { // bind may have met it already
			sp.Problems = append(sp.Problems, p)
		}
	}
}

// planTable says what a bound pair does with its columns.
func planTable(b *binding, p *configs.BoundPair) tablePlan {
	t := tablePlan{Name: p.Pair.Name, Where: p.Filter(), Policy: p.Policy.Rule.String()}
	if p.Policy.Deletes != resolver.DeletesByRule {
		t.Deletes = p.Policy.Deletes.String()
	}
	for s, table := range p.Pair.Tables {
		side := t.side(change.Side(s))
		side.Table = table.Name
		side.Unmapped = append([]string{}, p.Pair.Unmapped[s]...)
	}
	for i, c := range p.Pair.Columns {
		column := columnPlan{Name: c.Name, Key: slices.Contains(p.Pair.Key, i)}
		block := blockOf(p.Table, c.Name)
		column.Left, column.LeftType = placed(p, block, change.Left, c.Name)
		column.Right, column.RightType = placed(p, block, change.Right, c.Name)
		switch {
		case block == nil:
		case block.KeyOf != "":
			column.How = "translated, key of " + block.KeyOf
		case block.Mask != "":
			column.How = "masked, " + block.Mask
		case block.Values != nil:
			column.How = "values"
		case block.Convert != [2]*configs.Expression{}:
			column.How = "computed"
		}
		if block != nil && !block.Default.IsUnset() {
			column.How = strings.TrimPrefix(column.How+", with a default", ", ")
		}
		if i < len(p.Policy.Columns) && p.Policy.Columns[i] != resolver.ByRule {
			column.Merge = p.Policy.Columns[i].String()
		}
		column.planTypes(b, p)
		t.Columns = append(t.Columns, column)
	}
	if p.Table != nil {
		t.planConstants(p)
	}
	return t
}

// planConstants adds the columns that have constants, which no form has.
func (t *tablePlan) planConstants(p *configs.BoundPair) {
	for _, block := range p.Table.Columns {
		if block.Constant.IsUnset() {
			continue
		}
		column := columnPlan{Name: block.Name, How: "constant"}
		column.Left, column.LeftType = placed(p, block, change.Left, block.Name)
		column.Right, column.RightType = placed(p, block, change.Right, block.Name)
		t.Columns = append(t.Columns, column)
	}
}

// blockOf returns the column block called name; nil if there is none, as for columns that are
// paired by name.
func blockOf(t *configs.Table, name string) *configs.Column {
	if t == nil {
		return nil
	}
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// placed returns the column of side s that belongs to the column of the pair called name, and
// its type; empty if there is none.
func placed(p *configs.BoundPair, block *configs.Column, s change.Side, name string) (column, declared string) {
	if block != nil && block.Names[s] != "" {
		name = block.Names[s]
	}
	table := p.Pair.Tables[s]
	i := table.Column(name)
	if i < 0 {
		return "", ""
	}
	return name, table.Columns[i].Type
}

// planRows counts the rows of the tables of side s and maps some of them.
func (l *linkPlan) planRows(ctx context.Context, b *binding, s change.Side, sample int) {
	n := b.needs(s)
	looker := b.stores[s].Open(needs{link: n.link, tables: n.tables, capture: n.capture}).Looker
	for i, p := range b.pairs {
		side := l.Tables[i].side(s)
		var err error
		if side.Rows, err = b.stores[s].Count(ctx, side.Table); err == nil && n.reads && sample > 0 {
			err = side.try(ctx, looker, p, s, sample)
		}
		if err != nil {
			// A role that lacks a privilege has been told which.
			if !slices.ContainsFunc(l.side(s).Problems, func(p problem) bool { return p.Blocker }) {
				l.fail(s, err)
			}
			break
		}
		if side.Unfit > 0 {
			l.side(s).Problems = append(l.side(s).Problems, problem{
				Table:   side.Table,
				Summary: fmt.Sprintf("%d of %d sampled rows do not fit the other side: %s", side.Unfit, side.Sampled, side.UnfitReason),
				Remedy:  "such rows will be parked; map the column with values or an expression, or mend the rows",
			})
		}
	}
	if err := looker.Close(); err != nil {
		l.fail(s, err)
	}
}

// try maps the first rows of a table to the other side, and back if the link is two-way.
func (t *tableSide) try(ctx context.Context, looker sources.Looker, p *configs.BoundPair, s change.Side, sample int) error {
	const step = 200
	var after change.Row
	for t.Sampled < sample {
		want := min(step, sample-t.Sampled)
		began := time.Now()
		look, err := looker.Scan(ctx, p.Pair.Tables[s], after, want)
		if err != nil {
			return err
		}
		t.scanned += time.Since(began)
		for _, row := range look.Rows {
			t.tryRow(p, s, row)
			after = p.Pair.Tables[s].KeyOf(row)
		}
		if len(look.Rows) < want {
			return nil
		}
	}
	return nil
}

func (t *tableSide) tryRow(p *configs.BoundPair, s change.Side, row change.Row) {
	t.Sampled++
	var lossy []string
	canon, err := p.Pair.Canon(s, row)
	if err == nil && canon == nil {
		t.Outside++
		return
	}
	if p.Link.Direction == configs.Both {
		lossy, err = p.Pair.RoundTrip(s, row)
	} else if err == nil {
		_, err = p.Pair.Native(s.Other(), canon)
	}
	if err != nil {
		if t.Unfit++; t.Unfit == 1 {
			t.UnfitReason = err.Error()
		}
	}
	for _, column := range lossy {
		if t.Lossy == nil {
			t.Lossy, t.Examples = map[string]int{}, map[string]lossExample{}
		}
		if t.Lossy[column]++; t.Lossy[column] == 1 {
			t.Examples[column] = exampleOf(p, s, row, column)
		}
	}
}
