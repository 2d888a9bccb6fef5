package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
)

// Link is what the demo asks of a link. Its methods may be called from any goroutine.
type Link interface {
	// Run keeps the link running until ctx ends.
	Run(ctx context.Context) error
	Barrier(ctx context.Context) error
	Status() router.Status
	Parked(ctx context.Context) ([]router.Parked, error)
	// Conflicts returns the latest conflicts that were decided, newest first.
	Conflicts(ctx context.Context, limit int) ([]Conflict, error)
	Close() error
}

// Conflict is a conflict as the link recorded it.
type Conflict struct {
	checkpoint.Conflict
	// Columns name the values of the rows.
	Columns []string
}

// Options are how a demo is run.
type Options struct {
	// For is how long the writers write.
	For time.Duration
	// Dir is where the files are made; empty for a temporary directory, which is removed at
	// the end unless Keep says otherwise.
	Dir  string
	Keep bool
	// Seed is where the writers' randomness starts.
	Seed uint64
	// Rate is how many transactions per second all writers of one side try to make; 0 for as
	// many as they can.
	Rate float64
	// JSON prints the summary as one object to Out, and nothing else there.
	JSON bool
	// Progress is where the state is shown while the demo runs; as a live view of Columns
	// columns if there are any, else as lines.
	Out, Progress io.Writer
	Columns       int
	// Open opens the only link of a config file, which the demo closes.
	Open func(ctx context.Context, config string, log hclog.Logger) (Link, error)
	// BeforeCompare, if there is one, is called when the link has stopped. Tests damage a
	// database there.
	BeforeCompare func(paths [2]string) error
}

const (
	contactWithin = time.Minute // the first comparison of both sides
	settleWithin  = time.Minute // after the writers stopped
	legacyFile    = "legacy.db"
	modernFile    = "modern.db"
	configFile    = "shop.hcl"
)

// demo is one run.
type demo struct {
	Options
	dir       string
	paths     [2]string
	config    string
	link      Link
	shell     string // path of the sqlite3 shell, empty if there is none
	oldOrders map[int64]order
	writers   []*writer
	provoker  *provoker
	progress  *progress
	result    result
}

// Run runs a demo. It returns whether both sides are equal and everything that was committed
// is accounted for; the error is that the demo itself could not be run. When ctx ends the
// writers stop early, and both sides are compared all the same.
func Run(ctx context.Context, o Options) (equal bool, err error) {
	d := &demo{Options: o, shell: findShell()}
	if err := d.prepare(ctx); err != nil {
		return false, err
	}
	if o.Dir == "" && !o.Keep {
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	}
	// The link goes on after ctx, until everything is settled.
	if d.link, err = o.Open(context.WithoutCancel(ctx), d.config, d.logger()); err != nil {
		return false, err
	}
	err = d.run(ctx)
	err = errors.Join(err, d.link.Close())
	if err != nil {
		return false, err
	}
	return d.result.equal(), d.report()
}

// logger returns the link's logger: its warnings are a part of the show only where there is
// no live view.
func (d *demo) logger() hclog.Logger {
	o := &hclog.LoggerOptions{Name: "cdcsync", Level: hclog.Warn, Output: d.Progress}
	if d.Columns > 0 {
		o.Output = io.Discard // warnings would tear the view; what matters is in the status
	}
	return hclog.New(o)
}

// prepare makes the directory, the databases and the config.
func (d *demo) prepare(ctx context.Context) (err error) {
	if d.dir = d.Dir; d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "cdcsync-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo: %w", err)
		}
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	d.paths = [2]string{filepath.Join(d.dir, legacyFile), filepath.Join(d.dir, modernFile)}
	d.config = filepath.Join(d.dir, configFile)
	for _, path := range []string{d.paths[left], d.paths[right], d.config} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is there already: name an empty directory with --dir, or remove it", path)
		}
	}
	if d.oldOrders, err = createFiles(ctx, d.paths); err != nil {
		return err
	}
	if err := os.WriteFile(d.config, []byte(configText(d.paths)), 0o600); err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	return nil
}

// run runs the link, the writers and the view, and fills in the result.
func (d *demo) run(ctx context.Context) error {
	patient := context.WithoutCancel(ctx)
	running, stop := context.WithCancel(patient)
	defer stop()
	ended := make(chan error, 1)
	linkEnded, endLink := context.WithCancelCause(patient)
	defer endLink(nil)
	go func() {
		err := d.link.Run(running)
		endLink(fmt.Errorf("the link stopped: %w", errOr(err, "it was not asked to")))
		ended <- err
	}()
	d.progress = newProgress(d)
	shown := make(chan struct{})
	viewing, stopView := context.WithCancel(patient)
	go func() {
		d.progress.run(viewing)
		close(shown)
	}()
	err := d.act(ctx, linkEnded)
	stopView()
	<-shown
	if err == nil {
		err = d.collect(linkEnded)
	}
	stop()
	if e := <-ended; e != nil {
		err = errors.Join(err, fmt.Errorf("run the link: %w", e))
	}
	if err != nil {
		return err
	}
	if d.BeforeCompare != nil {
		if err := d.BeforeCompare(d.paths); err != nil {
			return err
		}
	}
	return d.compare(patient)
}

// errOr returns err, or an error with that text instead of nil.
func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// act lets first contact end, the writers write, and the link settle what they wrote. Link
// ends when the link does, with the reason as its cause.
func (d *demo) act(ctx, link context.Context) error {
	d.progress.enter("first contact")
	if err := d.awaitContact(link); err != nil {
		return err
	}
	if err := d.write(ctx, link); err != nil {
		return err
	}
	d.progress.enter("settling")
	return d.settle(link)
}

// awaitContact waits until the link has compared what both sides held before it.
func (d *demo) awaitContact(link context.Context) error {
	limit, cancel := context.WithTimeout(link, contactWithin)
	defer cancel()
	for d.link.Status().State != router.Running {
		if !sleep(limit, 20*time.Millisecond) {
			if err := context.Cause(link); err != nil {
				return err
			}
			return fmt.Errorf("first contact did not end within %s: %v", contactWithin, d.link.Status().Err)
		}
	}
	return nil
}

// The writers of each side share its rate.
const (
	goWriters  = 2
	shellShare = 0.25
)

// write runs all writers until the time is up, ctx ends, or something fails.
func (d *demo) write(ctx, link context.Context) (err error) {
	if err := d.openWriters(); err != nil {
		return errors.Join(err, d.closeWriters())
	}
	defer func() { err = errors.Join(err, d.closeWriters()) }()
	d.progress.enter("writing") // from here on the writers are known and stay the same
	until, cancel := context.WithTimeout(ctx, d.For)
	defer cancel()
	defer context.AfterFunc(link, cancel)()
	group, until := errgroup.WithContext(until)
	for _, w := range d.writers {
		group.Go(func() error { return w.run(until) })
	}
	group.Go(func() error { return d.provoker.run(until) })
	begin := time.Now()
	err = group.Wait()
	d.result.wrote = time.Since(begin)
	return errors.Join(err, context.Cause(link))
}

// openWriters connects the applications of both sides.
func (d *demo) openWriters() (err error) {
	if d.provoker, err = newProvoker(d.paths, d.Seed); err != nil {
		return err
	}
	for s, path := range d.paths {
		rate := d.Rate
		if d.shell != "" {
			shell, err := newShellSession(d.shell, path)
			if err != nil {
				return err
			}
			d.addWriter(s, goWriters, "the sqlite3 shell", shell, d.Rate*shellShare)
			rate -= d.Rate * shellShare
		}
		for n := range goWriters {
			session, err := newGoSession(path)
			if err != nil {
				return err
			}
			d.addWriter(s, n, fmt.Sprintf("application %d", n+1), session, rate/goWriters)
		}
	}
	return nil
}

func (d *demo) addWriter(side, n int, name string, s session, rate float64) {
	d.writers = append(d.writers, &writer{
		name: name + " on the " + sideNames[side], application: newApplication(side, n, d.Seed), session: s, rate: rate,
	})
}

func (d *demo) closeWriters() error {
	var errs []error
	if d.provoker != nil {
		errs = append(errs, d.provoker.close())
	}
	for _, w := range d.writers {
		errs = append(errs, w.session.close())
	}
	return errors.Join(errs...)
}

// settle waits until everything that was written is on both sides and nothing is parked.
// What is parked when the time is up stays so, and is reported.
func (d *demo) settle(link context.Context) error {
	begin := time.Now()
	defer func() { d.result.settled = time.Since(begin) }()
	limit, cancel := context.WithTimeout(link, settleWithin)
	defer cancel()
	for {
		if err := d.link.Barrier(limit); err != nil {
			if cause := context.Cause(link); cause != nil {
				return cause
			}
			if limit.Err() != nil {
				d.result.problem("the link did not settle within %s: %d rows are open", settleWithin, d.link.Status().Unsettled)
				return nil
			}
			return fmt.Errorf("wait for the link to settle: %w", err)
		}
		// A row that is not parked any more has passed no barrier yet.
		sleep(limit, 100*time.Millisecond) // the status is renewed every 50 ms
		st := d.link.Status()
		if st.Parked == 0 && st.Unsettled == 0 {
			return nil
		}
		if limit.Err() != nil {
			return nil
		}
	}
}

// collect asks the link for what it knows, before it is stopped.
func (d *demo) collect(link context.Context) (err error) {
	r := &d.result
	r.status = d.link.Status()
	if r.parked, err = d.link.Parked(link); err != nil {
		return fmt.Errorf("list parked rows: %w", err)
	}
	if r.conflicts, err = d.link.Conflicts(link, 100_000); err != nil {
		return fmt.Errorf("list conflicts: %w", err)
	}
	return nil
}

// compare reads both databases and holds them against each other and against what the
// writers were told.
func (d *demo) compare(ctx context.Context) error {
	r := &d.result
	for s, path := range d.paths {
		shop, err := readShop(ctx, s, path)
		if err != nil {
			r.problem("%v", err) // a value that nobody wrote is a difference too
			shop = newShop()
		}
		r.shops[s] = shop
	}
	compare(r.shops[left], r.shops[right], r.problem)
	d.audit(r.shops[left], r.problem)
	return nil
}

// audit holds a shop against the ledgers, and against what was provoked.
func (d *demo) audit(s *shop, report func(format string, args ...any)) {
	stock := map[string]int64{}
	for _, w := range d.writers {
		w.ledger.check(w.name, s, report)
		add(stock, w.ledger.stock)
	}
	add(stock, d.provoker.ledger.stock)
	for i := range hotItems {
		id := hotItem(i)
		if want, got := firstStock+stock[id], s.items[id].stock; want != got {
			report("item %s: the stock has to be %d by what was committed, and is %d", id, want, got)
		}
	}
	for id, want := range d.oldOrders {
		if got, ok := s.orders[id]; !ok || got != want {
			report("order %d: nobody changed %s, and there is %s", id, show(want, true), show(got, ok))
		}
	}
	for _, e := range d.provoker.expected {
		if !e.holds(s) {
			got, ok := s.customers[e.id]
			report("provoked %q of customer %d did not end as it has to (%s): there is %s", kindNames[e.kind], e.id, kindRules[e.kind], show(got, ok))
		}
	}
}

func add(sum, more map[string]int64) {
	for k, n := range more {
		sum[k] += n
	}
}
