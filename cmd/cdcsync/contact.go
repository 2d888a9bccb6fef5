package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cdcsync/cdcsync/checkpoint"
	"github.com/cdcsync/cdcsync/router"
)

// How often the progress of first contact is looked at and logged.
const (
	contactEvery  = time.Second
	contactLogged = 10 * time.Second
)

// contact is how far first contact with one table is.
type contact struct {
	began time.Time
	// first are the rows that an earlier start compared, rows all of them, of about total; 0: that is
	// not known yet.
	first, rows, total uint64
	logged             time.Time
}

// perSecond is how many rows are compared in a second since the start.
func (c *contact) perSecond(now time.Time) float64 {
	seconds := now.Sub(c.began).Seconds()
	if seconds < 1 || c.rows < c.first {
		return 0
	}
	return float64(c.rows-c.first) / seconds
}

// left is how long the rest takes at that pace; 0 if that is not known.
func (c *contact) left(now time.Time) time.Duration {
	pace := c.perSecond(now)
	if pace == 0 || c.total <= c.rows {
		return 0
	}
	return time.Duration(float64(c.total-c.rows) / pace * float64(time.Second)).Round(time.Second)
}

// watchContact follows the tables that are being compared, until ctx ends: for the status, for the
// log, and for a terminal.
func (r *runner) watchContact(ctx context.Context, link *router.Link, b *binding) error {
	defer r.meter.clear(r.name)
	for sleep(ctx, contactEvery) {
		first := true
		for _, t := range link.Status().Tables {
			switch comparing := t.Stage.Comparing() && t.Hold == checkpoint.Free; {
			case !comparing && r.contact(t.Pair) != nil:
				r.endContact(t)
			case comparing && (first || t.Rows > 0): // the others wait for their turn
				first = false
				r.followContact(ctx, b, t)
			}
		}
		r.meter.show(r.name, r.contactLine())
	}
	return nil
}

// followContact notes how far first contact with a table is.
func (r *runner) followContact(ctx context.Context, b *binding, t router.TableStatus) {
	c, now := r.contact(t.Pair), time.Now()
	if c == nil {
		c = &contact{began: now, first: t.Rows, total: b.rowsToCompare(ctx, t), logged: now}
	}
	next := *c
	if next.rows = t.Rows; now.Sub(c.logged) >= contactLogged {
		next.logged = now
		r.log.Info("comparing what both sides hold", "table", t.Pair, "rows", next.rows, "of", next.total,
			"rows per second", int(next.perSecond(now)), "left", next.left(now))
	}
	r.mu.Lock()
	r.contacts[t.Pair] = &next
	r.mu.Unlock()
}

// rowsToCompare is about how many rows first contact meets in a table, 0 if they cannot be counted:
// those of the left table, then those of the right one. What only the left one has is met again
// in the right one, unless that was empty.
func (b *binding) rowsToCompare(ctx context.Context, t router.TableStatus) uint64 {
	var rows [2]int64
	for _, p := range b.pairs {
		for s := range rows {
			if p.Pair.Name != t.Pair {
				continue
			}
			var err error
			if rows[s], err = b.stores[s].Count(ctx, p.Pair.Tables[s].Name); err != nil {
				return 0
			}
		}
	}
	if t.Bare {
		return uint64(rows[0])
	}
	return uint64(rows[0] + max(rows[0], rows[1]))
}

// endContact says that first contact with a table is done.
func (r *runner) endContact(t router.TableStatus) {
	c := r.contact(t.Pair)
	r.log.Info("compared what both sides hold", "table", t.Pair, "rows", t.Rows, "took", time.Since(c.began).Round(time.Second).String())
	r.mu.Lock()
	delete(r.contacts, t.Pair)
	r.mu.Unlock()
}

// contact returns how far first contact with a table is; nil if it is not under way. What it
// returns is not written to.
func (r *runner) contact(pair string) *contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.contacts[pair]
}

// contactLine says in one line how far first contact is, "" if there is none.
func (r *runner) contactLine() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, p := range r.pairs {
		c := r.contacts[p.Name]
		if c == nil || c.rows == 0 && len(r.contacts) > 1 {
			continue
		}
		text := fmt.Sprintf("%s: comparing %s: %d rows", r.name, p.Name, c.rows)
		if c.total > 0 {
			text = fmt.Sprintf("%s: comparing %s %s %d of %d", r.name, p.Name, bar(c.rows, c.total), c.rows, c.total)
		}
		text += fmt.Sprintf(", %.0f/s", c.perSecond(now))
		if left := c.left(now); left > 0 {
			text += fmt.Sprintf(", %s left", left)
		}
		return text
	}
	return ""
}
