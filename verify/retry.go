package verify

import (
	"context"
	"errors"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// What passes by itself is tried again after 100 ms, doubling to 10 s.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 10 * time.Second
)

// retry calls do until it succeeds, fails for good, or ctx ends.
func (r *run) retry(ctx context.Context, op string, do func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := do()
		if err == nil || change.ClassOf(err) != change.Transient || ctx.Err() != nil {
			return err
		}
		if r.Retry != nil {
			r.Retry(op, err, wait)
		}
		if e := sleep(ctx, wait); e != nil {
			return errors.Join(err, e)
		}
	}
}

// sleep waits, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
