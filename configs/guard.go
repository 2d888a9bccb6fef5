package configs

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Breaker is when all tables of a link are paused.
type Breaker struct {
	// Amplification is how many rows the link may write to a side for each row that applications
	// change on the other. More than that comes of a loop: something else carries rows between the
	// two stores, too. 0: it is not looked at.
	Amplification float64
	// ConflictsPerMinute is how many conflicts a minute may have, 0: any number.
	ConflictsPerMinute float64
}

// DefaultBreaker is what a breaker block has that says nothing else. Without one there are no limits.
func DefaultBreaker() Breaker { return Breaker{Amplification: 3, ConflictsPerMinute: 1000} }

// DefaultWatchdog is for how long a link may get nowhere before it counts as stalled.
const DefaultWatchdog = time.Minute

// leastWatchdog is the shortest time that is not an alarm about nothing.
const leastWatchdog = 5 * time.Second

// DefaultKeepConflicts is how long conflicts stay on record.
const DefaultKeepConflicts = 90 * day

const (
	day = 24 * time.Hour
	// leastKept is the shortest time for which a conflict may be on record: whoever is called has to
	// be able to read it.
	leastKept = time.Hour
)

// breaker decodes a breaker block.
func (d *decoder) breaker(b *hclsyntax.Block) Breaker {
	d.check(b.Body, "a breaker block", schema{attrs: []string{"amplification", "conflicts_per_minute"}})
	limits := DefaultBreaker()
	d.limit(b.Body.Attributes["amplification"], 2, &limits.Amplification)
	d.limit(b.Body.Attributes["conflicts_per_minute"], 1, &limits.ConflictsPerMinute)
	return limits
}

// limit evaluates an attribute that is a number from least on, or 0 for no limit.
func (d *decoder) limit(attr *hclsyntax.Attribute, least float64, limit *float64) {
	if attr == nil {
		return
	}
	v, diags := attr.Expr.Value(nil)
	if !diags.HasErrors() && !v.IsNull() && v.Type() == cty.Number {
		if number, _ := v.AsBigFloat().Float64(); number == 0 || number >= least {
			*limit = number
			return
		}
	}
	d.errorf(attr.Expr.Range(), "Number expected", "Write a number of %v at least, or 0 for no limit: %s = %v.", least, attr.Name, *limit)
}

// keepConflicts evaluates the attribute of that name.
func (d *decoder) keepConflicts(attr *hclsyntax.Attribute) time.Duration {
	if attr == nil {
		return DefaultKeepConflicts
	}
	text, ok := d.text(attr.Expr)
	if !ok {
		return DefaultKeepConflicts
	}
	kept, ok := days(text)
	if !ok {
		var err error
		kept, err = time.ParseDuration(text)
		ok = err == nil
	}
	if !ok || kept != 0 && kept < leastKept {
		d.errorf(attr.Expr.Range(), "Duration expected", "Write for how long conflicts stay on record, an hour at least: keep_conflicts = \"90d\" or \"36h\", or \"0s\" for any time.")
	}
	return kept
}

// days reads a number of days, as in 90d, of a hundred years at the most.
func days(text string) (time.Duration, bool) {
	digits, ok := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(digits, 10, 64)
	return time.Duration(n) * day, ok && err == nil && n <= 36_525
}

// watchdog evaluates the attribute of that name.
func (d *decoder) watchdog(attr *hclsyntax.Attribute) time.Duration {
	if attr == nil {
		return DefaultWatchdog
	}
	text, ok := d.text(attr.Expr)
	if !ok {
		return DefaultWatchdog
	}
	limit, err := time.ParseDuration(text)
	if err != nil || limit != 0 && limit < leastWatchdog {
		d.errorf(attr.Expr.Range(), "Duration expected", "Write for how long the link may get nowhere, five seconds at least: watchdog = \"60s\", or \"0s\" for any time.")
	}
	return limit
}
