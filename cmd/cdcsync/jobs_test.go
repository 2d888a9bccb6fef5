package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/configs"
)

// running returns jobs that can be started until the test ends.
func running(t *testing.T) *jobs {
	t.Helper()
	j := &jobs{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		j.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for {
		x, err := j.start("wait", "l", func(context.Context, *job) error { return nil })
		if err == nil {
			<-x.done
			return j
		}
	}
}

func state(j *jobs, id string) (admin.Job, bool) {
	for _, x := range j.shown() {
		if x.ID == id {
			return x, true
		}
	}
	return admin.Job{}, false
}

func TestJobsEnd(t *testing.T) {
	j := running(t)
	broken := errors.New("broken")
	for want, do := range map[string]func(ctx context.Context, id string) error{
		admin.JobDone:   func(context.Context, string) error { return nil },
		admin.JobFailed: func(context.Context, string) error { return broken },
		admin.JobCanceled: func(ctx context.Context, id string) error {
			if !j.cancel(id) {
				t.Error("there is nothing to cancel")
			}
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		x, err := j.start("verify", "l", func(ctx context.Context, x *job) error { return do(ctx, x.ID) })
		if err != nil {
			t.Fatal(err)
		}
		<-x.done
		if got, ok := state(j, x.ID); !ok || got.State != want || got.Ended == nil || (got.Error != "") != (want == admin.JobFailed) {
			t.Errorf("%s: %+v", want, got)
		}
	}
	if j.cancel("none") {
		t.Error("a job that is not there was canceled")
	}
}

func TestOneJobOfAKindOnALink(t *testing.T) {
	j := running(t)
	resume := make(chan struct{})
	wait := func(context.Context, *job) error {
		<-resume
		return nil
	}
	first, err := j.start("verify", "l", wait)
	if err != nil {
		t.Fatal(err)
	}
	var refused *admin.RefusedError
	if _, err = j.start("verify", "l", wait); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	other, err := j.start("verify", "m", wait)
	if err != nil {
		t.Fatal(err)
	}
	close(resume)
	<-first.done
	<-other.done
	// The next is started, and old ones are forgotten.
	for range 2 * keptJobs {
		x, err := j.start("verify", "l", wait)
		if err != nil {
			t.Fatal(err)
		}
		<-x.done
	}
	if list := j.shown(); len(list) != keptJobs {
		t.Errorf("%d jobs are kept", len(list))
	}
	if _, ok := state(j, first.ID); ok {
		t.Error("the first is not forgotten")
	}
}

func TestNoJobsWhileNothingRuns(t *testing.T) {
	if _, err := new(jobs).start("verify", "l", nil); !errors.Is(err, admin.ErrStopped) {
		t.Errorf("got %v", err)
	}
}

// TestVerificationsBecomeDue checks that a schedule is kept, also one that comes with a config
// that is read again.
func TestVerificationsBecomeDue(t *testing.T) {
	r := downRunner(t, func() error { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	due := make(chan bool)
	go func() { due <- r.awaitDue(ctx, time.Now().Add(-time.Hour)) }()
	r.update(func() {}) // something else changed
	link := *r.link
	link.Verify = &configs.Verify{Every: time.Minute, At: -1}
	r.update(func() { r.link = &link })
	if !<-due {
		t.Error("it never became due")
	}
	go func() { due <- r.awaitDue(ctx, time.Now()) }()
	cancel()
	if <-due {
		t.Error("it is due before its time")
	}
}
