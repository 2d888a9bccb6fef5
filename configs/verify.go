package configs

import (
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Verify is when a link is verified, and where it keeps how far that is.
type Verify struct {
	// Every is how long after one verification the next begins; 0: not by that.
	Every time.Duration
	// At is the time of day at which one begins, since midnight, in the time zone of the
	// machine; negative: at none.
	At time.Duration
	// State is the directory from whose files a verification goes on that was ended; "" for
	// none.
	State string
}

// leastEvery is the shortest time between two verifications.
const leastEvery = time.Minute

// Next returns when a verification begins that is due after now. Ok is false if none is.
func (v *Verify) Next(now time.Time) (next time.Time, ok bool) {
	switch {
	case v.Every > 0:
		return now.Add(v.Every), true
	case v.At < 0:
		return next, false
	}
	for day := 0; ; day++ { // a day may have no such hour
		next = time.Date(now.Year(), now.Month(), now.Day()+day, int(v.At.Hours()), int(v.At.Minutes())%60, 0, 0, now.Location())
		if next.After(now) {
			return next, true
		}
	}
}

// verify decodes a verify block.
func (d *decoder) verify(b *hclsyntax.Block) *Verify {
	d.check(b.Body, "a verify block", schema{attrs: []string{"every", "at", "state"}, later: []string{"repair", "by", "tables"}})
	v := &Verify{At: -1}
	every, at := b.Body.Attributes["every"], b.Body.Attributes["at"]
	switch {
	case every != nil && at != nil:
		d.errorf(at.NameRange, "Two schedules", "Write every or at, not both: there is every = … already, at %s.", line(every.SrcRange))
	case every != nil:
		if text, ok := d.text(every.Expr); ok {
			var err error
			if v.Every, err = time.ParseDuration(text); err != nil || v.Every < leastEvery {
				d.errorf(every.Expr.Range(), "Duration expected", "Write how long it is from one verification to the next, a minute at least: every = \"24h\" or \"90m\".")
			}
		}
	case at != nil:
		if text, ok := d.text(at.Expr); ok {
			clock, err := time.Parse("15:04", text)
			if err != nil {
				d.errorf(at.Expr.Range(), "Time of day expected", "Write hours and minutes, in the time zone of the machine: at = \"02:30\".")
				break
			}
			v.At = time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute
		}
	}
	v.State = d.name(b.Body.Attributes["state"])
	if len(b.Body.Attributes) == 0 {
		d.warnf(b.DefRange(), "Empty verify block", "It changes nothing. Write every or at, or take it out.")
	}
	return v
}
