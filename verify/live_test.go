package verify_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/verify"
)

// link plays the link that runs: what its functions do.
type link struct {
	barriers int
	barrier  func(n int) error
	parked   map[string]string
	paused   string
	repair   func(keys []change.Row, by change.Side) error
}

func (l *link) Barrier(context.Context) error {
	l.barriers++
	if l.barrier == nil {
		return nil
	}
	return l.barrier(l.barriers)
}

func (l *link) Parked(context.Context, string) (map[string]string, error) { return l.parked, nil }

func (l *link) Paused(string) string { return l.paused }

func (l *link) Repair(_ context.Context, _ string, keys []change.Row, by change.Side) error {
	return l.repair(keys, by)
}

// three returns stores of a thousand rows of which three differ, in b.
func three(t *testing.T) *duo {
	d := newDuo(t, compile(t, wide("t", 1), wide("t", 1)))
	d.digests = [2]bool{true, true}
	for i := range int64(1000) {
		row := append(ints(i, 0), change.TextValue("x"), change.NullValue())
		d.put(change.Left, row)
		d.put(change.Right, row)
	}
	d.put(change.Right, version(10, 1), version(500, 1), version(999, 1))
	return d
}

// version is a row of three, with another b.
func version(id, b int64) change.Row {
	return append(ints(id, b), change.TextValue("x"), change.NullValue())
}

// TestRowsOnTheirWay checks that a row which a barrier brings across is no difference.
func TestRowsOnTheirWay(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Live = &link{barrier: func(int) error {
		d.put(change.Left, version(10, 1))
		return nil
	}}
	c := d.run(cfg)
	if got := found(c); !maps.Equal(got, map[string]string{"(500)": "differs b", "(999)": "differs b"}) {
		t.Errorf("found %v", got)
	}
	if r := c.Tables[0]; r.Moving != 1 || !c.Running {
		t.Errorf("%d rows were on their way; running %t", r.Moving, c.Running)
	}
}

// TestRowsThatDoNotStandStill checks that a row which changes between all looks is busy, and
// that one which stands still in the end is judged.
func TestRowsThatDoNotStandStill(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Rounds = 5
	cfg.Live = &link{barrier: func(n int) error {
		d.put(change.Left, version(10, int64(100+n)))
		d.put(change.Left, version(500, int64(min(n, 3)+100)))
		return nil
	}}
	c := d.run(cfg)
	if got := found(c); !maps.Equal(got, map[string]string{"(10)": "busy b", "(500)": "differs b", "(999)": "differs b"}) {
		t.Errorf("found %v", got)
	}
	if r := c.Tables[0]; r.Busy != 1 || r.Verdict != verify.Differs {
		t.Errorf("%d rows were busy; the verdict is %s", r.Busy, r.Verdict)
	}
	d.put(change.Left, version(500, 1), version(999, 1))
	cfg = d.config()
	cfg.Live = &link{barrier: func(n int) error {
		d.put(change.Left, version(10, int64(100+n)))
		return nil
	}}
	if c = d.run(cfg); c.Equal || c.Tables[0].Verdict != verify.Busy {
		t.Errorf("with a busy row only: equal %t, %s", c.Equal, c.Tables[0].Verdict)
	}
}

// TestRowsThatGoBackAndForth checks that a row which looks the same twice, and then is the same on
// both sides, is no difference.
func TestRowsThatGoBackAndForth(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Live = &link{barrier: func(n int) error {
		if n == 3 {
			d.put(change.Left, version(10, 1))
		}
		return nil
	}}
	if got := found(d.run(cfg)); !maps.Equal(got, map[string]string{"(500)": "differs b", "(999)": "differs b"}) {
		t.Errorf("found %v", got)
	}
}

// TestBarrierThatTakesTooLong checks that rows which cannot be waited for are busy.
func TestBarrierThatTakesTooLong(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Live = &link{barrier: func(int) error { return context.DeadlineExceeded }}
	if c := d.run(cfg); c.Tables[0].Busy != 3 || c.Tables[0].Verdict != verify.Busy {
		t.Errorf("%+v", c.Tables[0])
	}
	broken := errors.New("broken")
	cfg.Live = &link{barrier: func(int) error { return broken }}
	if _, err := verify.Run(t.Context(), cfg); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestParkedRows checks that parked rows are reported as such.
func TestParkedRows(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Live = &link{parked: map[string]string{string(change.AppendRow(nil, ints(500))): "a unique clash"}}
	c := d.run(cfg)
	if r := c.Tables[0]; r.Parked != 1 || r.Different != 3 || r.Differences[1].Note != "parked: a unique clash" || c.Equal {
		t.Errorf("%+v", r)
	}
}

// TestRepair checks that rows which differ are handed over, and that those which then are the
// same count as repaired.
func TestRepair(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Repair, cfg.By = true, change.Right
	var asked []string
	cfg.Live = &link{repair: func(keys []change.Row, by change.Side) error {
		for _, key := range keys {
			asked = append(asked, key.String()+" by "+by.String())
			if key[0].Int64() != 999 {
				d.put(change.Left, d.stores[by].Get("t", key))
			}
		}
		return nil
	}}
	c := d.run(cfg)
	if r := c.Tables[0]; r.Repaired != 2 || !maps.Equal(found(c), map[string]string{"(999)": "differs b"}) || c.Equal {
		t.Errorf("repaired %d, found %v", r.Repaired, found(c))
	}
	for _, x := range asked {
		if x != "(10) by right" && x != "(500) by right" && x != "(999) by right" {
			t.Errorf("asked to repair %s", x)
		}
	}
	cfg.Live = nil
	if _, err := verify.Run(t.Context(), cfg); err == nil {
		t.Error("rows were repaired without a link")
	}
}

// TestPausedTables checks that a table that waits is compared, and not repaired.
func TestPausedTables(t *testing.T) {
	d := three(t)
	cfg := d.config()
	cfg.Repair, cfg.Live = true, &link{paused: "migration", repair: func([]change.Row, change.Side) error {
		return errors.New("it is paused")
	}}
	if r := d.run(cfg).Tables[0]; r.Different != 3 || r.Paused != "migration" {
		t.Errorf("%+v", r)
	}
}

// TestTransientErrors checks that what passes by itself is tried again.
func TestTransientErrors(t *testing.T) {
	d := three(t)
	failed := 0
	d.watch = func(_ change.Side, op string) error {
		if op == "look" && failed < 2 {
			failed++
			return &change.Error{Op: op, Class: change.Transient, Err: errors.New("gone for a moment")}
		}
		return nil
	}
	if c := d.run(d.config()); c.Tables[0].Different != 3 || failed != 2 {
		t.Errorf("%d rows differ, %d errors", c.Tables[0].Different, failed)
	}
}
