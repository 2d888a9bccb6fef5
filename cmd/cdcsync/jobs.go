package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/verify"
)

// keptJobs is how many jobs that have ended are remembered.
const keptJobs = 20

// jobs are what an instance does in the background. Run is called once; the other methods may
// be called from any goroutine.
type jobs struct {
	mu   sync.Mutex
	ctx  context.Context // of the jobs; nil while none can be started
	wg   sync.WaitGroup
	last int
	list []*job
}

// job is one of them. Its state is guarded by the lock of the jobs.
type job struct {
	admin.Job
	cancel context.CancelFunc
	done   chan struct{}
}

// Run lets jobs be started until ctx ends, and then waits for them to end.
func (j *jobs) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
	<-ctx.Done()
	j.mu.Lock()
	j.ctx = nil
	j.mu.Unlock()
	cancel()
	j.wg.Wait()
}

// start runs do in the background as a job of a kind on a link, unless there is one already.
func (j *jobs) start(kind, link string, do func(ctx context.Context, x *job) error) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx == nil {
		return nil, admin.ErrStopped
	}
	for _, x := range j.list {
		if x.State == admin.JobRunning && x.Kind == kind && x.Link == link {
			return nil, &admin.RefusedError{Reason: fmt.Sprintf("link %s is being verified already, by job %s: wait for it, or cancel it", link, x.ID)}
		}
	}
	j.last++
	ctx, cancel := context.WithCancel(j.ctx)
	x := &job{Job: admin.Job{ID: strconv.Itoa(j.last), Kind: kind, Link: link, State: admin.JobRunning, Started: time.Now().UTC()},
		cancel: cancel, done: make(chan struct{})}
	j.list = append(j.list, x)
	j.forget()
	j.wg.Go(func() {
		defer cancel()
		err := do(ctx, x)
		j.end(ctx, x, err)
	})
	return x, nil
}

// forget drops the oldest jobs that have ended, beyond those that are kept.
func (j *jobs) forget() {
	for i := 0; i < len(j.list) && len(j.list) > keptJobs; {
		if j.list[i].State == admin.JobRunning {
			i++
			continue
		}
		j.list = slices.Delete(j.list, i, i+1)
	}
}

// end notes how a job ended.
func (j *jobs) end(ctx context.Context, x *job, err error) {
	j.update(func() {
		now := time.Now().UTC()
		x.Ended = &now
		switch {
		case err == nil:
			x.State = admin.JobDone
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			x.State = admin.JobCanceled
		default:
			x.State, x.Error = admin.JobFailed, err.Error()
		}
	})
	close(x.done)
}

func (j *jobs) update(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

// shown returns the jobs as they are now.
func (j *jobs) shown() (list []admin.Job) {
	j.update(func() {
		for _, x := range j.list {
			list = append(list, x.Job)
		}
	})
	return list
}

// cancel has a job end soon; false: there is none.
func (j *jobs) cancel(id string) (found bool) {
	j.update(func() {
		for _, x := range j.list {
			if x.ID == id {
				x.cancel()
				found = true
			}
		}
	})
	return found
}

// startVerify begins to verify a link of the instance.
func (in *instance) startVerify(link string, request admin.VerifyRequest) (*job, error) {
	r := in.runner(link)
	_, now := r.config()
	v := &verification{link: now, stores: r.stores, request: request, log: r.log}
	if now.Verify != nil {
		v.dir = now.Verify.State
	}
	if _, err := v.by(); err != nil {
		return nil, &admin.RefusedError{Reason: err.Error()}
	}
	if st := r.Status(); st.Paused != "" {
		return nil, &admin.RefusedError{Reason: fmt.Sprintf("link %s is paused (%s): what is on its way would count as different; resume it first", link, st.Paused)}
	}
	return in.jobs.start("verify", link, func(ctx context.Context, x *job) error {
		v.progress = func(p verify.Progress) { in.jobs.update(func() { x.Progress = shownProgress(p) }) }
		c, err := r.verifyLive(ctx, v)
		if err != nil {
			r.log.Warn("verification ended", "job", x.ID, "error", err)
			return err
		}
		result := shownCertificate(c, r.pair)
		in.jobs.update(func() { x.Result = result })
		r.logVerified(x.ID, result)
		return nil
	})
}

// logVerified says what a verification found.
func (r *runner) logVerified(job string, c *admin.Certificate) {
	var rows, different, busy, repaired int64
	for _, t := range c.Tables {
		rows, different, busy, repaired = rows+max(t.LeftRows, t.RightRows), different+t.Different, busy+t.Busy, repaired+t.Repaired
	}
	args := []any{"job", job, "tables", len(c.Tables), "rows", rows, "repaired", repaired, "left", c.Left.End, "right", c.Right.End}
	if c.Equal {
		r.log.Info("verified: the stores hold the same", args...)
		return
	}
	r.log.Warn("verified: the stores differ", append(args, "different", different, "busy", busy)...)
}

// schedule verifies a link when its config says so, until ctx ends. A config that is read again
// counts from the last time.
func (in *instance) schedule(ctx context.Context, r *runner) {
	for last := time.Now(); r.awaitDue(ctx, last); last = time.Now() {
		x, err := in.startVerify(r.name, admin.VerifyRequest{})
		if err != nil {
			r.log.Warn("a verification is due and is left out", "error", err)
			continue
		}
		select {
		case <-x.done:
		case <-ctx.Done():
		}
	}
}

// awaitDue waits until the link is to be verified after last. It is false if ctx ends first.
func (r *runner) awaitDue(ctx context.Context, last time.Time) bool {
	for {
		r.mu.Lock()
		v, news := r.link.Verify, r.news
		r.mu.Unlock()
		timer := time.NewTimer(math.MaxInt64)
		if v != nil {
			if next, ok := v.Next(last); ok {
				timer.Reset(time.Until(next))
			}
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
			return true
		case <-news:
			timer.Stop()
		}
	}
}
