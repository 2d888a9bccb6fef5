package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/configs"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
)

// downStore is a store whose catalogue cannot be read.
type downStore struct {
	store
	catalogue func() error
}

func (s *downStore) Catalogue(context.Context) (*catalogue, error) { return nil, s.catalogue() }
func (s *downStore) Journal(string) journal                        { return noJournal{} }

type noJournal struct{}

func (noJournal) Conflicts(context.Context, int) ([]checkpoint.Conflict, error) { return nil, nil }
func (noJournal) Prune(context.Context, time.Time) (int, error)                 { return 0, nil }
func (noJournal) Close() error                                                  { return nil }

// oneLink is a config with one link.
func oneLink(t *testing.T) *configs.Config {
	t.Helper()
	cfg, diags := configs.Parse("shop.hcl", []byte(`
store "a" {
  engine = "sqlite"
  dsn = "a.db"
}
store "b" {
  engine = "sqlite"
  dsn = "b.db"
}
link "shop" {
  left = store.a
  right = store.b
  tables { include = ["t"] }
}`))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return cfg
}

func downRunner(t *testing.T, catalogue func() error) *runner {
	cfg := oneLink(t)
	down := &downStore{catalogue: catalogue}
	return newRunner(cfg, cfg.Links[0], stores{"a": down, "b": down}, &overlaps{}, hclog.NewNullLogger())
}

// A store that is not up yet is waited for, and the status says why; one that will not come
// up stops the link.
func TestRunnerOpening(t *testing.T) {
	calls := make(chan error)
	r := downRunner(t, func() error { return <-calls })
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	waiting := make(chan error, 1)
	go func() { waiting <- r.Barrier(t.Context()) }()

	calls <- &change.Error{Op: "open", Class: change.Transient, Err: errors.New("the server starts")}
	calls <- &change.Error{Op: "open", Class: change.Transient, Err: errors.New("the server starts")}
	if st := r.Status(); st.State != router.Starting || st.Err == nil || !strings.Contains(st.Err.Error(), "the server starts") {
		t.Errorf("while it waits: %+v", st)
	}
	calls <- &change.Error{Op: "open", Err: errors.New("no such file")}
	if err := <-done; err == nil || !strings.Contains(err.Error(), `read the left store "a": open: no such file`) {
		t.Errorf("run: %v", err)
	}
	if err := <-waiting; !errors.Is(err, router.ErrStopped) {
		t.Errorf("the barrier that waited: %v", err)
	}
	if st := r.Status(); st.State != router.Stopped || st.Err == nil {
		t.Errorf("afterwards: %+v", st)
	}
	if _, err := r.Parked(t.Context()); !errors.Is(err, router.ErrStopped) {
		t.Errorf("parked: %v", err)
	}
}

// Asked to stop, a link that was not open stops without an error.
func TestRunnerStoppedWhileOpening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := downRunner(t, func() error {
		cancel()
		return &change.Error{Op: "open", Class: change.Transient, Err: errors.New("the server starts")}
	})
	if err := r.Run(ctx); err != nil {
		t.Error(err)
	}
	if st := r.Status(); st.State != router.Stopped || st.Err != nil {
		t.Errorf("afterwards: %+v", st)
	}
}

// A question that comes before the link is open waits for it, and no longer than it may.
func TestRunnerAskedBeforeOpen(t *testing.T) {
	r := downRunner(t, func() error { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("barrier: %v", err)
	}
}

// Every link that stopped is in the error, and the process ends when none is left.
func TestInstanceEnds(t *testing.T) {
	in := &instance{cfg: &configs.Config{}, log: hclog.NewNullLogger(), runners: []*runner{
		downRunner(t, func() error { return errors.New("the first is down") }),
		downRunner(t, func() error { return errors.New("the second is down") }),
	}}
	err := in.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the first is down") || !strings.Contains(err.Error(), "the second is down") {
		t.Errorf("got %v", err)
	}
}

func boundPair(left, right string) *configs.BoundPair {
	return &configs.BoundPair{Pair: &mapping.Pair{Name: left, Tables: [2]*change.Table{{Name: left}, {Name: right}}}}
}

// Parents come before their children, whichever side says so; what is free keeps its place,
// and so does a circle.
func TestParentsFirst(t *testing.T) {
	pairs := func() []*configs.BoundPair {
		return []*configs.BoundPair{boundPair("line", "L"), boundPair("order", "O"), boundPair("customer", "C"), boundPair("free", "F")}
	}
	for name, c := range map[string]struct {
		parents [2]map[string][]string
		want    []string
	}{
		"none":  {[2]map[string][]string{{}, {}}, []string{"line", "order", "customer", "free"}},
		"left":  {[2]map[string][]string{{"line": {"order"}, "order": {"customer"}}, {}}, []string{"customer", "order", "line", "free"}},
		"right": {[2]map[string][]string{nil, {"L": {"O", "C"}}}, []string{"order", "customer", "line", "free"}},
		"both":  {[2]map[string][]string{{"line": {"order"}}, {"O": {"F"}}}, []string{"free", "order", "line", "customer"}},
		"self":  {[2]map[string][]string{{"line": {"line"}}, {}}, []string{"line", "order", "customer", "free"}},
		"ring":  {[2]map[string][]string{{"line": {"order"}, "order": {"line"}}, {}}, []string{"order", "line", "customer", "free"}},
		"alien": {[2]map[string][]string{{"line": {"elsewhere"}}, {}}, []string{"line", "order", "customer", "free"}},
	} {
		var got []string
		var keys [2]map[string][]foreignKey
		for s, tables := range c.parents {
			keys[s] = map[string][]foreignKey{}
			for table, parents := range tables {
				for _, parent := range parents {
					keys[s][table] = append(keys[s][table], foreignKey{parent: parent})
				}
			}
		}
		for _, p := range parentsFirst(pairs(), keys) {
			got = append(got, p.Pair.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Conflicts are shown with the names that their values have; those of a time when the pair
// had other columns are numbered rather than misnamed.
func TestShownConflict(t *testing.T) {
	pair := &mapping.Pair{Columns: []change.Column{{Name: "id"}, {Name: "name"}}, Key: []int{0}}
	c := &conflict{pair: pair, side: change.Right, Conflict: checkpoint.Conflict{
		Key: change.Row{change.Int(1)}, Left: change.Row{change.Int(1), change.TextValue("a")},
		Base: change.Is(nil), Result: change.Row{change.Int(1), change.TextValue("a"), change.NullValue()},
	}}
	got := shownConflict(c, curtainOf(pair))
	for _, x := range []struct{ got, want string }{
		{got.Key.String(), "id=1"}, {got.Left.String(), "id=1 name=a"}, {got.Right.String(), "absent"},
		{got.Base.String(), "absent"}, {got.Result.String(), "#1=1 #2=a #3=NULL"}, {got.Side, "right"},
	} {
		if x.got != x.want {
			t.Errorf("%q, want %q", x.got, x.want)
		}
	}
	if got.LeftTime != nil {
		t.Errorf("a time that is not known is %v", got.LeftTime)
	}
	c.Base, c.pair = change.Image{}, nil
	if got := shownConflict(c, curtain{}); got.Base != nil || got.Key.String() != "#1=1" {
		t.Errorf("of a pair that is gone: %+v", got)
	}
}

// What a terminal might obey is not printed from other people's databases.
func TestCell(t *testing.T) {
	row := shownConflict(&conflict{Conflict: checkpoint.Conflict{Left: change.Row{change.TextValue("\x1b[31m\n" + strings.Repeat("x", 100))}}}, curtain{}).Left
	if got := cell(row); strings.ContainsAny(got, "\x1b\n") || len([]rune(got)) != cellWidth {
		t.Errorf("%q", got)
	}
}
