package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// reloadError is why a config is not taken in.
type reloadError struct{ error }

func (e *reloadError) Unwrap() error { return e.error }

// reloadOnSignal has the config read again at each SIGHUP, until ctx ends.
func (in *instance) reloadOnSignal(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := in.reload(ctx); err != nil && ctx.Err() == nil {
				in.log.Error("the config is not taken in, and all goes on as before", "error", err)
			}
		}
	}
}

// reload reads the config again and has the links opened again with it. If anything about it is
// wrong, or cannot be changed while the program runs, nothing changes.
func (in *instance) reload(ctx context.Context) error {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	cfg, diags := configs.Load(in.paths...)
	if diags.HasErrors() {
		var text strings.Builder
		if err := cfg.WriteDiagnostics(&text, diags, 0, false); err != nil {
			return err
		}
		return &reloadError{fmt.Errorf("read the config: %s", strings.TrimSpace(text.String()))}
	}
	if err := fixed(in.cfg, cfg); err != nil {
		return &reloadError{fmt.Errorf("take in the config: %w", err)}
	}
	for _, r := range in.runners {
		err := r.fits(ctx, cfg, cfg.Link(r.name))
		if errors.As(err, new(*bindError)) {
			return &reloadError{err}
		}
		if err != nil {
			return err
		}
	}
	if in.server != nil {
		if err := in.server.Adopt(serverSettings(cfg.Admin)); err != nil {
			return &reloadError{fmt.Errorf("take in the admin block: %w", err)}
		}
	}
	in.cfg = cfg
	for _, r := range in.runners {
		if err := r.adopt(ctx, cfg, cfg.Link(r.name)); err != nil {
			return err
		}
	}
	in.log.Info("the config was read again")
	return nil
}

// fixed returns what a new config changes that cannot be changed while the program runs.
func fixed(old, now *configs.Config) error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(format+": this cannot be changed while cdcsync runs, start it again", args...))
	}
	switch a, b := old.Admin, now.Admin; {
	case (a == nil) != (b == nil):
		wrong("the admin block came or went")
	case a == nil:
	case a.Listen != b.Listen:
		wrong("admin.listen is %q now", b.Listen)
	case (a.TLS == nil) != (b.TLS == nil):
		wrong("the tls block of the admin API came or went")
	}
	if old.DataDir != now.DataDir {
		wrong("data_dir is %q now", now.DataDir)
	}
	for _, l := range now.Links {
		if old.Link(l.Name) == nil {
			wrong("link %q is new", l.Name)
		}
	}
	for _, l := range old.Links {
		next := now.Link(l.Name)
		switch {
		case next == nil:
			wrong("link %q is gone", l.Name)
			continue
		case next.Direction != l.Direction:
			wrong("link %q runs %s now", l.Name, next.Direction)
		}
		for s, store := range l.Stores {
			is := next.Stores[s]
			if is.Name != store.Name || is.Engine != store.Engine || is.DSN.Reveal() != store.DSN.Reveal() || is.Insecure != store.Insecure || is.Capture != store.Capture {
				wrong("the %s store of link %q is another one, or reached in another way", change.Side(s), l.Name)
			}
		}
	}
	return errors.Join(errs...)
}
