package router

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
)

// Transient errors are tried again after 50 ms, doubling to 10 s, with jitter.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 10 * time.Second
)

// retry calls do until it succeeds, fails with an error that is not transient, or ctx ends.
// It is the one retry loop of the program: engines report, they do not try again.
func retry(ctx context.Context, log hclog.Logger, op string, failed func(error), do func() error) error {
	wait := retryFirst
	for {
		err := do()
		if err == nil || change.ClassOf(err) != change.Transient || ctx.Err() != nil {
			return err
		}
		log.Warn("trying again", "op", op, "error", err, "in", wait.String())
		failed(err)
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(err, ctx.Err())
		case <-timer.C:
		}
		wait = min(2*wait, retryMost)
	}
}
