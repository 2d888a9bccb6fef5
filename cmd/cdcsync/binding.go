package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
)

// stores are the stores of a config by name, opened by their engines.
type stores map[string]store

func openStores(cfg *configs.Config) (stores, error) {
	all := stores{}
	for _, s := range cfg.Stores {
		opened, err := openStore(s, cfg.DataDir)
		if err != nil {
			return nil, err
		}
		all[s.Name] = opened
	}
	return all, nil
}

// of returns the stores of a link, by side.
func (s stores) of(l *configs.Link) [2]store {
	return [2]store{s[l.Stores[change.Left].Name], s[l.Stores[change.Right].Name]}
}

// binding is a link with its tables as the stores have them now.
type binding struct {
	cfg        *configs.Config
	link       *configs.Link
	stores     [2]store
	catalogues [2]*catalogue
	// pairs are in an order in which parents come before their children, as far as there is
	// one.
	pairs []*configs.BoundPair
	// diags and problems are what is wrong, and what is worth a warning.
	diags    hcl.Diagnostics
	problems [2][]problem
}

// bind reads the catalogues of a link's stores and binds its tables to them. It fails only
// if a store cannot be read; what else is wrong is in the binding.
func bind(ctx context.Context, cfg *configs.Config, link *configs.Link, stores [2]store) (*binding, error) {
	b := &binding{cfg: cfg, link: link, stores: stores}
	for s, st := range stores {
		var err error
		if b.catalogues[s], err = st.Catalogue(ctx); err != nil {
			return nil, fmt.Errorf("read the %s store %q: %w", change.Side(s), link.Stores[s].Name, err)
		}
	}
	if err := b.refuseSame(ctx); err != nil {
		return nil, err
	}
	b.pairs, b.diags = configs.Bind(link, b.catalogues[0].tables, b.catalogues[1].tables)
	b.pairs = parentsFirst(b.pairs, [2]map[string][]foreignKey{b.catalogues[0].keys, b.catalogues[1].keys})
	for s, c := range b.catalogues {
		for _, p := range b.pairs {
			if refused, ok := c.refused[p.Pair.Tables[s].Name]; ok {
				b.problems[s] = append(b.problems[s], refused)
			}
		}
	}
	for s := range b.catalogues {
		b.refuseSilent(change.Side(s))
		b.refuseUnfilled(change.Side(s))
		b.refuseUncounted(change.Side(s))
		b.refuseUntranslated(change.Side(s))
	}
	return b, nil
}

// refuseSame notes whether both stores are one database: what the link keeps for one side
// would be taken for that of the other, and its own writes for changes.
func (b *binding) refuseSame(ctx context.Context) error {
	var identities [2]string
	for s, st := range b.stores {
		var err error
		if identities[s], err = st.Identity(ctx); err != nil {
			return fmt.Errorf("read the %s store %q: %w", change.Side(s), b.link.Stores[s].Name, err)
		}
	}
	if identities[0] == identities[1] {
		b.problems[change.Right] = append(b.problems[change.Right], problem{Blocker: true,
			Summary: fmt.Sprintf("it is the same database as store %q", b.link.Stores[change.Left].Name),
			Remedy:  "a link is between two databases: mend the dsn of one of them"})
	}
	return nil
}

// err returns what makes the binding unusable, or nil.
func (b *binding) err() error {
	if b.diags.HasErrors() {
		return &bindError{b}
	}
	for _, problems := range b.problems {
		if slices.ContainsFunc(problems, func(p problem) bool { return p.Blocker }) {
			return &bindError{b}
		}
	}
	return nil
}

// needs is what the link wants of its store on side s.
func (b *binding) needs(s change.Side) needs {
	n := needs{link: b.link.Name, capture: b.capture(s), writes: b.link.Writes()[s], reads: b.link.Writes()[s.Other()]}
	for _, p := range b.pairs {
		n.tables = append(n.tables, p.Pair.Tables[s])
		if p.Pair.Rekeyed() && n.writes {
			n.drawn = append(n.drawn, p.Pair.Tables[s].Name)
		}
	}
	return n
}

// capture is how changes of side s are captured: as the store says, and else with the row
// before each change if the link is two-way, because looking it up takes a round trip.
func (b *binding) capture(s change.Side) configs.Capture {
	if c := b.link.Stores[s].Capture; c != configs.CaptureAuto {
		return c
	}
	needs := slices.ContainsFunc(b.pairs, (*configs.BoundPair).NeedsBase)
	if needs || b.link.Direction == configs.Both {
		return configs.CaptureRows
	}
	return configs.CaptureKeys
}

// doing says what the link does with its store on side s, for the log.
func (b *binding) doing(s change.Side) string {
	n := b.needs(s)
	switch {
	case !n.reads:
		return "written"
	case !n.writes:
		return "read, capturing " + string(n.capture)
	default:
		return "read and written, capturing " + string(n.capture)
	}
}

// setup makes in both stores what the link needs there.
func (b *binding) setup(ctx context.Context) error {
	for s, st := range b.stores {
		if err := st.Setup(ctx, b.needs(change.Side(s))); err != nil {
			return fmt.Errorf("set up the %s store %q: %w", change.Side(s), b.link.Stores[s].Name, err)
		}
	}
	return nil
}

var initials = map[configs.Initial]router.Initial{
	configs.InitialLeft: router.InitialLeft, configs.InitialRight: router.InitialRight,
	configs.InitialMerge: router.InitialMerge, configs.InitialNone: router.InitialNone,
}

// routed returns the pairs as the router takes them.
func (b *binding) routed() []router.Pair {
	pairs := make([]router.Pair, len(b.pairs))
	for i, p := range b.pairs {
		pairs[i] = router.Pair{Pair: p.Pair, Policy: p.Policy, Initial: initials[b.link.Initial], Filter: p.Filter(), Aside: b.aside(p)}
	}
	return pairs
}

// mapped returns the compiled pairs.
func (b *binding) mapped() []*mapping.Pair {
	pairs := make([]*mapping.Pair, len(b.pairs))
	for i, p := range b.pairs {
		pairs[i] = p.Pair
	}
	return pairs
}

// bindError is a link that cannot be run on its stores as they are.
type bindError struct{ *binding }

// Error prints the first mistake and counts the others.
func (e *bindError) Error() string {
	var list []string
	for _, d := range e.diags {
		if d.Severity == hcl.DiagError {
			list = append(list, d.Error())
		}
	}
	for s, problems := range e.problems {
		for _, p := range problems {
			if p.Blocker {
				list = append(list, fmt.Sprintf("store %q: %s", e.link.Stores[s].Name, p.Error()))
			}
		}
	}
	more := ""
	if len(list) > 1 {
		more = fmt.Sprintf(", and %d more: plan lists them", len(list)-1)
	}
	return fmt.Sprintf("bind link %s to its stores: %s%s", e.link.Name, list[0], more)
}

// parentsFirst sorts pairs so that a table comes after those that it refers to on either
// side. Otherwise, and in a circle, the order stays.
func parentsFirst(pairs []*configs.BoundPair, keys [2]map[string][]foreignKey) []*configs.BoundPair {
	var sorted []*configs.BoundPair
	met := map[*configs.BoundPair]bool{}
	var visit func(*configs.BoundPair)
	visit = func(p *configs.BoundPair) {
		if met[p] {
			return
		}
		met[p] = true
		for s := range keys {
			refers := keys[s][p.Pair.Tables[s].Name]
			for _, q := range pairs {
				if slices.ContainsFunc(refers, func(k foreignKey) bool { return k.parent == q.Pair.Tables[s].Name }) {
					visit(q)
				}
			}
		}
		sorted = append(sorted, p)
	}
	for _, p := range pairs {
		visit(p)
	}
	return sorted
}

// overlaps knows the bound pairs of all links, to notice tables that two of them keep. It is
// safe for concurrent use.
type overlaps struct {
	mu    sync.Mutex
	links map[string][]*configs.BoundPair
}

// add takes the pairs of one link in, instead of those it had before, unless they overlap
// with those of another: then they are left out and the mistakes are returned.
func (o *overlaps) add(link string, pairs []*configs.BoundPair) hcl.Diagnostics {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.Clone(pairs)
	for name, others := range o.links {
		if name != link {
			all = append(all, others...)
		}
	}
	diags := configs.CheckOverlaps(all)
	if diags.HasErrors() {
		return diags
	}
	if o.links == nil {
		o.links = map[string][]*configs.BoundPair{}
	}
	o.links[link] = pairs
	return diags
}
