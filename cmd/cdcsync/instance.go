package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/configs"
)

// instance runs all links of a config. Run is called once; the runners of its links may be
// asked from any goroutine.
type instance struct {
	cfg     *configs.Config
	log     hclog.Logger
	runners []*runner
	jobs    jobs
	server  *admin.Server // nil where the config has no admin block
	// tail is what was logged last; nil: it is not kept.
	tail *logTail
	// paths are where the config is read again from; reloading is held meanwhile.
	paths     []string
	reloading sync.Mutex
	// audit, if it is not nil, has a line for each thing that somebody asks for over HTTP,
	// whatever the level of log.
	audit hclog.Logger
}

// newInstance returns an instance that has connected to nothing.
func newInstance(cfg *configs.Config, log hclog.Logger) (*instance, error) {
	all, err := openStores(cfg)
	if err != nil {
		return nil, err
	}
	in := &instance{cfg: cfg, log: log}
	over := &overlaps{}
	for _, l := range cfg.Links {
		in.runners = append(in.runners, newRunner(cfg, l, all, over, log))
	}
	return in, nil
}

// runner returns the runner of the link called name, or nil.
func (in *instance) runner(name string) *runner {
	for _, r := range in.runners {
		if r.name == name {
			return r
		}
	}
	return nil
}

// Run runs the links, and the admin API where the config has one, until ctx ends, or until
// every link has stopped with an error; a link that stops leaves the others running. It
// blocks, and returns the errors of all links that did not stop in order.
func (in *instance) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	if serve := in.cfg.Admin; serve != nil {
		settings := serverSettings(serve)
		settings.Audit = in.audit
		in.server = admin.NewServer(api{in}, settings, in.log)
		group.Go(func() error { return in.server.Run(ctx) })
	}
	group.Go(func() error {
		defer cancel()
		return in.runLinks(ctx)
	})
	group.Go(func() error {
		in.jobs.Run(ctx)
		return nil
	})
	for _, r := range in.runners {
		group.Go(func() error {
			in.schedule(ctx, r)
			return nil
		})
	}
	group.Go(func() error {
		in.reloadOnSignal(ctx)
		return nil
	})
	err = group.Wait()
	for _, r := range in.runners {
		err = errors.Join(err, r.close())
	}
	return err
}

// runLinks runs the links beside each other.
func (in *instance) runLinks(ctx context.Context) error {
	type end struct {
		link string
		err  error
	}
	ends := make(chan end)
	for _, r := range in.runners {
		go func() { ends <- end{r.name, r.Run(ctx)} }()
	}
	var errs []error
	for left := len(in.runners) - 1; left >= 0; left-- {
		e := <-ends
		if e.err == nil {
			continue
		}
		if left > 0 && ctx.Err() == nil {
			in.log.Error("link stopped; the others go on", "link", e.link, "error", e.err)
		}
		errs = append(errs, fmt.Errorf("link %s stopped: %w", e.link, e.err))
	}
	return errors.Join(errs...)
}
