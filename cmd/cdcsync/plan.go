package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan FILE|DIR...",
		Short: "Look into the stores and say what would be done, and what is in the way",
		Long: `plan reads both stores of each link and says what setup would make there, how changes are
captured, which columns go where and which are left out. It maps sampled rows there and
back, and names each column that does not come back the same, with one value of it. Where a
side lacks a table or a column that the config names, it prints the statement that makes it.
It changes nothing.

It exits with 1 if something is in the way.`,
		Example: "  cdcsync plan shop.hcl\n  cdcsync plan shop.hcl --sample 5000 --json",
		Args:    paths,
	}
	asJSON := addJSON(cmd)
	sample := cmd.Flags().Int("sample", 200, "how many rows of each table to map there and back; 0 for none")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *sample < 0 {
			return usagef("--sample is a number from 0, not %d", *sample)
		}
		cfg, err := load(cmd.ErrOrStderr(), args)
		if err != nil {
			return err
		}
		all, err := openStores(cfg)
		if err != nil {
			return err
		}
		p := makePlan(cmd.Context(), cfg, all, *sample)
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(cmd.OutOrStdout(), p)
		} else {
			err = p.print(cmd.OutOrStdout())
		}
		if err == nil && !p.OK {
			err = errShown
		}
		return err
	}
	return cmd
}

// plan is what plan says about all links.
type plan struct {
	// OK: nothing is in the way.
	OK    bool       `json:"ok"`
	Links []linkPlan `json:"links"`
}

// linkPlan is what plan says about one link.
type linkPlan struct {
	Link      string      `json:"link"`
	Direction string      `json:"direction"`
	Initial   string      `json:"initial"`
	Left      storePlan   `json:"left"`
	Right     storePlan   `json:"right"`
	Tables    []tablePlan `json:"tables"`
	// Mends are the statements that make what a side lacks.
	Mends []mend `json:"mends"`
	// FirstContact is how long it may take to compare the rows that are there.
	FirstContact *estimate    `json:"first_contact,omitempty"`
	Diagnostics  []diagnostic `json:"diagnostics"`

	binding *binding // nil if a store could not be read
}

// storePlan is one store of a link.
type storePlan struct {
	Store  string `json:"store"`
	Engine string `json:"engine"`
	Reads  bool   `json:"reads"`
	Writes bool   `json:"writes"`
	// Capture is rows or keys; empty if the store is not read.
	Capture string `json:"capture,omitempty"`
	// Existing is what the link has there already, Create what setup would make.
	Existing []string  `json:"existing"`
	Create   []string  `json:"create"`
	Problems []problem `json:"problems"`
}

// tablePlan is one table pair.
type tablePlan struct {
	Name    string       `json:"name"`
	Where   string       `json:"where,omitempty"` // the filter, as the config has it
	Policy  string       `json:"policy"`
	Deletes string       `json:"deletes,omitempty"`
	Columns []columnPlan `json:"columns"`
	Left    tableSide    `json:"left"`
	Right   tableSide    `json:"right"`
}

// columnPlan is one column of a pair.
type columnPlan struct {
	Name string `json:"name"`
	// Left and Right are the columns; empty where the value is computed from others.
	Left      string `json:"left,omitempty"`
	LeftType  string `json:"left_type,omitempty"`
	Right     string `json:"right,omitempty"`
	RightType string `json:"right_type,omitempty"`
	Key       bool   `json:"key,omitempty"`
	// How is what happens to the value on the way: "values", "computed", or nothing.
	How   string `json:"how,omitempty"`
	Merge string `json:"merge,omitempty"`
	// NotLeft and NotRight are the values of the other side that do not fit, as far as the types
	// show it.
	NotLeft  []string `json:"not_left,omitempty"`
	NotRight []string `json:"not_right,omitempty"`
}

// tableSide is one table of a pair.
type tableSide struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	// Unmapped columns are neither read nor written although the config does not ignore them.
	Unmapped []string `json:"unmapped"`
	// Sampled rows were mapped to the other side, and back if the link is two-way. Lossy
	// counts the rows by the columns that did not come back the same, Unfit those that the
	// other side cannot hold; UnfitReason is why the first of them cannot be held. Outside are
	// those that the filter leaves out.
	Sampled int            `json:"sampled"`
	Lossy   map[string]int `json:"lossy,omitempty"`
	// Examples are, for each column of Lossy, the first value and what comes back.
	Examples    map[string]lossExample `json:"examples,omitempty"`
	Unfit       int                    `json:"unfit,omitempty"`
	UnfitReason string                 `json:"unfit_reason,omitempty"`
	Outside     int                    `json:"outside,omitempty"`

	scanned time.Duration // what it took to read the sampled rows
}

// lossExample is a value that does not come back the same. It is shown to the operator only.
type lossExample struct {
	Value string `json:"value"`
	Back  string `json:"back"`
}

// side returns the store on side s.
func (l *linkPlan) side(s change.Side) *storePlan {
	if s == change.Left {
		return &l.Left
	}
	return &l.Right
}

// side returns the table on side s.
func (t *tablePlan) side(s change.Side) *tableSide {
	if s == change.Left {
		return &t.Left
	}
	return &t.Right
}

// makePlan looks into the stores of every link.
func makePlan(ctx context.Context, cfg *configs.Config, all stores, sample int) *plan {
	p := &plan{OK: true, Links: []linkPlan{}}
	over := &overlaps{}
	for _, l := range cfg.Links {
		lp := planLink(ctx, cfg, l, all.of(l), over, sample)
		p.OK = p.OK && lp.ok()
		p.Links = append(p.Links, lp)
	}
	return p
}

// ok tells whether nothing is in the way of the link.
func (l *linkPlan) ok() bool {
	for _, s := range []*storePlan{&l.Left, &l.Right} {
		for _, p := range s.Problems {
			if p.Blocker {
				return false
			}
		}
	}
	for _, d := range l.Diagnostics {
		if d.Severity == "error" {
			return false
		}
	}
	return true
}
