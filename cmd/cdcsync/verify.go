package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/verify"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	link    string
	state   string
	json    *bool
	level   *logLevel
	request admin.VerifyRequest
}

func newVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE|DIR...",
		Short: "Compare the rows of both stores while they are in use, and repair what differs",
		Long: `verify compares the tables of the links in both stores, by digests that the databases
compute where they can, while everything goes on. Rows that are on their way are waited for.
It ends with a certificate, and with 1 if rows differ.

It asks the running instance, at the admin address of the config, to do it. If none runs, it
does it by itself: then it can only look at rows twice, with a pause between.

With --repair, rows that differ become what they are on the side --by; rows that only the
other side has are deleted. What is lost is recorded as a conflict. If no instance runs, the
link runs here until that is done.`,
		Example: "  cdcsync verify shop.hcl\n  cdcsync verify shop.hcl --link crm --table orders --repair --by left\n  cdcsync verify shop.hcl --state /var/lib/cdcsync --json",
		Args:    paths,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.link, "link", "", "verify this link only")
	flags.StringArrayVar(&f.request.Tables, "table", nil, "verify this `table` only; may be given several times")
	flags.BoolVar(&f.request.Repair, "repair", false, "make rows that differ the same")
	flags.StringVar(&f.request.By, "by", "", "the side that is right when rows are repaired: left or right")
	flags.BoolVar(&f.request.Values, "values", false, "show the values of rows that differ")
	flags.StringVar(&f.state, "state", "", "keep how far it is in this `directory`, and go on from there after a kill (if no instance runs)")
	f.json, f.level = addJSON(cmd), addLogLevel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.request.By != "" && f.request.By != "left" && f.request.By != "right" {
			return usagef("--by is left or right, not %q", f.request.By)
		}
		cfg, err := load(cmd.ErrOrStderr(), args)
		if err != nil {
			return err
		}
		return f.run(cmd, cfg)
	}
	return cmd
}

// run verifies the links and prints the certificates.
func (f *verifyFlags) run(cmd *cobra.Command, cfg *configs.Config) error {
	links := cfg.Links
	if f.link != "" {
		l := cfg.Link(f.link)
		if l == nil {
			return fmt.Errorf("the config has no link %q", f.link)
		}
		links = []*configs.Link{l}
	}
	if len(f.request.Tables) > 0 && len(links) > 1 {
		return usagef("say which link has the tables, with --link")
	}
	var list []*admin.Certificate
	for _, l := range links {
		c, err := f.verify(cmd, cfg, l)
		if err != nil {
			return fmt.Errorf("verify link %s: %w", l.Name, err)
		}
		list = append(list, c)
	}
	equal := !slices.ContainsFunc(list, func(c *admin.Certificate) bool { return !c.Equal })
	if *f.json {
		if err := writeJSON(cmd.OutOrStdout(), map[string]any{"equal": equal, "links": list}); err != nil {
			return err
		}
	} else {
		for _, c := range list {
			printCertificate(cmd.OutOrStdout(), c)
		}
	}
	if !equal {
		return errShown
	}
	return nil
}

// verify verifies a link, in the instance that runs it or here.
func (f *verifyFlags) verify(cmd *cobra.Command, cfg *configs.Config, l *configs.Link) (*admin.Certificate, error) {
	meter := newMeter(cmd.ErrOrStderr())
	defer meter.clear(l.Name)
	if cfg.Admin != nil {
		c, err := f.ask(cmd.Context(), cfg.Admin, l.Name, meter)
		if c != nil || err != nil {
			return c, err
		}
	}
	all, err := openStores(cfg)
	if err != nil {
		return nil, err
	}
	log := newLogger(meter, f.level.level).With("link", l.Name)
	v := &verification{link: l, stores: all.of(l), request: f.request, dir: f.state, log: log}
	if v.dir == "" && l.Verify != nil {
		v.dir = l.Verify.State
	}
	v.progress = func(p verify.Progress) { meter.show(l.Name, verifyingLine(*shownProgress(p))) }
	if f.request.Repair {
		return v.running(cmd.Context(), cfg, all)
	}
	return v.alone(cmd.Context(), cfg)
}

// ask has the instance that an admin block leads to verify a link. It returns no certificate and no
// error if none runs it there.
func (f *verifyFlags) ask(ctx context.Context, at *configs.Admin, link string, meter *meter) (*admin.Certificate, error) {
	client, err := configClient(at)
	if err != nil {
		return nil, err
	}
	links, err := client.Links(ctx)
	if errors.Is(err, admin.ErrNobody) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(links, func(l admin.Link) bool { return l.Name == link && l.State != "stopped" }) {
		return nil, nil
	}
	j, err := client.StartVerify(ctx, link, f.request)
	if err != nil {
		return nil, err
	}
	j, err = client.FollowJob(ctx, j.ID, followEvery, func(j admin.Job) {
		if j.Progress != nil {
			meter.show(link, verifyingLine(*j.Progress))
		}
	})
	switch {
	case err != nil:
		return nil, err
	case j.Result == nil:
		return nil, fmt.Errorf("job %s of the instance is %s: %s", j.ID, j.State, cmp.Or(j.Error, "somebody ended it"))
	}
	return j.Result, nil
}

// followEvery is how often a job is asked for.
const followEvery = 300 * time.Millisecond

// alone verifies a link that does not run.
func (v *verification) alone(ctx context.Context, cfg *configs.Config) (*admin.Certificate, error) {
	if _, err := v.by(); err != nil {
		return nil, err
	}
	b, err := bind(ctx, cfg, v.link, v.stores)
	if err == nil {
		err = b.err()
	}
	if err != nil {
		return nil, err
	}
	pairs := b.mapped()
	c, err := v.run(ctx, pairs, nil)
	if err != nil {
		return nil, err
	}
	return shownCertificate(c, func(name string) *mapping.Pair {
		return pairs[slices.IndexFunc(pairs, func(p *mapping.Pair) bool { return p.Name == name })]
	}), nil
}

// running verifies a link and runs it meanwhile: another instance that had it stops.
func (v *verification) running(ctx context.Context, cfg *configs.Config, all stores) (c *admin.Certificate, err error) {
	if _, err := v.by(); err != nil {
		return nil, err
	}
	r := newRunner(cfg, v.link, all, &overlaps{}, v.log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	found, err := r.verifyLive(ctx, v)
	cancel()
	err = errors.Join(err, <-ended, r.close())
	if err != nil {
		return nil, err
	}
	return shownCertificate(found, r.pair), nil
}
