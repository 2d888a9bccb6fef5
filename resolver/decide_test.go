package resolver

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

func num(i int64) change.Value              { return change.Int(i) }
func text(s string) change.Value            { return change.TextValue(s) }
func dec(s string) change.Value             { return change.Str(change.Decimal, s) }
func row(values ...change.Value) change.Row { return values }

var (
	null  = change.NullValue()
	unset = change.Value{}
	early = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late  = early.Add(time.Second)
)

func at(r change.Row, when time.Time) Version { return Version{Row: r, Changed: true, Time: when} }

// mirrored is p as seen from the other side.
func (p Policy) mirrored() Policy {
	switch p.Rule {
	case TakeLeft:
		p.Rule = TakeRight
	case TakeRight:
		p.Rule = TakeLeft
	}
	return p
}

func mirrored(v Verdict) Verdict { return [...]Verdict{RightWins, LeftWins, Merged, Park}[v] }

// decides checks one decision, and the same with the sides swapped.
func decides(t *testing.T, p Policy, base change.Image, left, right Version, want Decision) {
	t.Helper()
	if got := p.Decide(base, left, right); !sameDecision(got, want) {
		t.Errorf("base %s, left %s, right %s: got %s, want %s", base, left.Row, right.Row, show(got), show(want))
	}
	// Agreement is the left side's by definition.
	if !fill(left.Row, base.Row, right.Row).Equal(fill(right.Row, base.Row, left.Row)) {
		want.Verdict = mirrored(want.Verdict)
	}
	if got := p.mirrored().Decide(base, right, left); !sameDecision(got, want) {
		t.Errorf("swapped: base %s, left %s, right %s: got %s, want %s", base, right.Row, left.Row, show(got), show(want))
	}
}

func sameDecision(a, b Decision) bool {
	return a.Row.Equal(b.Row) && a.Verdict == b.Verdict && a.Conflict == b.Conflict
}

func show(d Decision) string {
	conflict := ""
	if d.Conflict {
		conflict = ", conflict"
	}
	return fmt.Sprintf("%s %s%s", d.Verdict, d.Row, conflict)
}

// The truth table of conflicts. Rows are (id, name, city); the left change is the earlier.
func TestConflictTable(t *testing.T) {
	var (
		ann   = row(num(1), text("Ann"), text("Rome"))
		bob   = row(num(1), text("Bob"), text("Rome"))
		oslo  = row(num(1), text("Ann"), text("Oslo"))
		eve   = row(num(1), text("Eve"), text("Rome"))
		mixed = row(num(1), text("Bob"), text("Oslo"))
		cross = row(num(1), text("Eve"), text("Oslo"))
		none  change.Row
	)
	unknown := change.Image{}
	type expected map[Rule]Decision
	left := func(r change.Row) Decision { return Decision{Row: r, Verdict: LeftWins, Conflict: true} }
	right := func(r change.Row) Decision { return Decision{Row: r, Verdict: RightWins, Conflict: true} }
	peace := func(v Verdict, r change.Row) expected {
		d := Decision{Row: r, Verdict: v}
		return expected{Latest: d, TakeLeft: d, TakeRight: d, Merge: d, Manual: d}
	}
	clash := func(l, r change.Row, merged Decision) expected {
		return expected{
			Latest: right(r), TakeLeft: left(l), TakeRight: right(r), Merge: merged,
			Manual: {Verdict: Park, Conflict: true},
		}
	}
	for _, c := range []struct {
		name        string
		base        change.Image
		left, right change.Row
		want        expected
	}{
		{"insert/insert, the same", change.Is(none), ann, ann, peace(LeftWins, ann)},
		{"insert/insert, different", change.Is(none), ann, bob, clash(ann, bob, right(bob))},
		{"insert/insert, base unknown", unknown, ann, bob, clash(ann, bob, right(bob))},
		{"update/update, the same", change.Is(ann), bob, bob, peace(LeftWins, bob)},
		{"update/update, one column", change.Is(ann), bob, eve, clash(bob, eve, right(eve))},
		{"update/update, two columns", change.Is(ann), bob, oslo, clash(bob, oslo, Decision{Row: mixed, Verdict: Merged})},
		{"update/update, one column of two", change.Is(ann), bob, cross, clash(bob, cross, right(cross))},
		{"update/update, base unknown", unknown, bob, oslo, clash(bob, oslo, right(oslo))},
		{"update/delete", change.Is(ann), bob, none, clash(bob, none, right(none))},
		{"delete/update", change.Is(ann), none, bob, clash(none, bob, right(bob))},
		{"delete/update, base unknown", unknown, none, bob, clash(none, bob, right(bob))},
		{"delete/delete", change.Is(ann), none, none, peace(LeftWins, none)},
		{"insert and delete/insert", change.Is(none), none, bob, peace(RightWins, bob)},
		{"there and back/update", change.Is(ann), ann, bob, peace(RightWins, bob)},
		{"there and back/delete", change.Is(ann), ann, none, peace(RightWins, none)},
		{"there and back/there and back", change.Is(ann), ann, ann, peace(LeftWins, ann)},
	} {
		for rule, want := range c.want {
			t.Run(c.name+"/"+rule.String(), func(t *testing.T) {
				decides(t, Policy{Rule: rule}, c.base, at(c.left, early), at(c.right, late), want)
			})
		}
	}
}

func TestOnlyOneSideChanged(t *testing.T) {
	for _, p := range []Policy{{}, {Rule: Manual}, {Rule: TakeRight}, {Rule: Merge, Columns: []ColumnRule{ByRule, Sum}}} {
		for _, base := range []change.Image{{}, change.Is(row(num(1), num(5)))} {
			l, r := Version{Row: row(num(1), num(9)), Changed: true}, Version{Row: row(num(1), num(5)), Time: late}
			decides(t, p, base, l, r, Decision{Row: l.Row, Verdict: LeftWins})
			r.Row = l.Row
			if got := p.Decide(base, r, l); got.Verdict != RightWins || got.Conflict {
				t.Errorf("equal rows, right changed: %s", show(got))
			}
		}
	}
}

func TestDeletesAgainstUpdates(t *testing.T) {
	base, updated := change.Is(row(num(1), num(5))), row(num(1), num(6))
	columns := []ColumnRule{ByRule, Sum}
	for _, rule := range []Rule{Latest, TakeLeft, TakeRight, Merge, Manual} {
		decides(t, Policy{Rule: rule, Deletes: DeleteWins, Columns: columns}, base, at(updated, late), at(nil, early),
			Decision{Verdict: RightWins, Conflict: true})
		decides(t, Policy{Rule: rule, Deletes: UpdateWins, Columns: columns}, base, at(updated, early), at(nil, late),
			Decision{Row: updated, Verdict: LeftWins, Conflict: true})
	}
	decides(t, Policy{Deletes: DeleteWins}, change.Is(nil), at(updated, late), at(nil, early),
		Decision{Row: updated, Verdict: LeftWins})
}

func TestLatestAtTheSameTime(t *testing.T) {
	less, more := row(num(1), text("a")), row(num(1), text("b"))
	for _, rule := range []Rule{Latest, Merge} {
		for _, when := range []time.Time{{}, early} {
			p := Policy{Rule: rule}
			decides(t, p, change.Image{}, at(more, when), at(less, when), Decision{Row: more, Verdict: LeftWins, Conflict: true})
			decides(t, p, change.Image{}, at(nil, when), at(less, when), Decision{Row: less, Verdict: RightWins, Conflict: true})
		}
		decides(t, Policy{Rule: rule}, change.Image{}, at(more, time.Time{}), at(less, early),
			Decision{Row: less, Verdict: RightWins, Conflict: true})
	}
}

func TestDriftIsDecidedByTheRule(t *testing.T) {
	base := change.Is(row(num(1), num(5)))
	l, r := Version{Row: row(num(1), num(6))}, Version{Row: row(num(1), num(7)), Time: early}
	columns := []ColumnRule{ByRule, Sum}
	decides(t, Policy{Rule: TakeLeft, Columns: columns}, base, l, r, Decision{Row: l.Row, Verdict: LeftWins, Conflict: true})
	decides(t, Policy{Rule: Merge, Columns: columns}, base, l, r, Decision{Row: r.Row, Verdict: RightWins, Conflict: true})
	decides(t, Policy{Rule: Manual, Columns: columns}, base, l, r, Decision{Verdict: Park, Conflict: true})
	r.Row = l.Row
	decides(t, Policy{Rule: Manual, Columns: columns}, base, l, r, Decision{Row: l.Row, Verdict: LeftWins})
}

func TestUnsetIsUnchanged(t *testing.T) {
	base := change.Is(row(num(1), text("a"), text("b")))
	l, r := row(num(1), text("x"), unset), row(num(1), unset, text("y"))
	decides(t, Policy{Rule: Merge}, base, at(l, early), at(r, late),
		Decision{Row: row(num(1), text("x"), text("y")), Verdict: Merged})
	// As a whole, the winner has the base's value where it changed nothing.
	decides(t, Policy{}, base, at(l, early), at(r, late),
		Decision{Row: row(num(1), text("a"), text("y")), Verdict: RightWins, Conflict: true})
	// Without a base, what one side does not say the other one does.
	decides(t, Policy{}, change.Image{}, at(l, early), at(r, late),
		Decision{Row: row(num(1), text("x"), text("y")), Verdict: LeftWins})
	decides(t, Policy{Rule: Merge}, base, at(row(num(1), unset, unset), late), at(r, early),
		Decision{Row: row(num(1), text("a"), text("y")), Verdict: RightWins})
	// A base that is not known where the right side changed nothing is no conflict.
	partly := change.Is(row(num(1), text("a"), unset))
	for _, p := range []Policy{{}, {Columns: []ColumnRule{Max, ByRule, ByRule}}, {Rule: Merge}, {Rule: Manual}} {
		decides(t, p, partly, at(row(num(1), text("x"), text("b")), early), at(row(num(1), text("a"), unset), late),
			Decision{Row: row(num(1), text("x"), text("b")), Verdict: LeftWins})
	}
	if l[2] != unset || r[1] != unset {
		t.Error("Decide wrote to its arguments")
	}
}

// Rows are (id, stock, name), and stock has the rule under test.
func TestCounters(t *testing.T) {
	r := func(stock change.Value, name string) change.Row { return row(num(1), stock, text(name)) }
	base := change.Is(r(num(10), "n"))
	merged := func(stock change.Value, name string) Decision {
		return Decision{Row: r(stock, name), Verdict: Merged}
	}
	for _, rule := range []Rule{Latest, TakeLeft, TakeRight, Merge, Manual} {
		p := Policy{Rule: rule, Columns: []ColumnRule{ByRule, Sum, ByRule}}
		check := func(base change.Image, l, r change.Row, want Decision) {
			t.Helper()
			decides(t, p, base, at(l, early), at(r, late), want)
		}
		// +1 and +1 is +2; +2 and -5 is -3.
		check(base, r(num(11), "n"), r(num(11), "n"), merged(num(12), "n"))
		check(base, r(num(12), "n"), r(num(5), "n"), merged(num(7), "n"))
		// The other columns do not hold it up if one side left them alone.
		check(base, r(num(11), "x"), r(num(12), "n"), merged(num(13), "x"))
		check(base, r(num(11), "x"), r(num(12), "x"), merged(num(13), "x"))
		// Nothing and NULL count as 0.
		check(change.Is(nil), r(num(3), "n"), r(num(3), "n"), merged(num(6), "n"))
		check(base, r(null, "n"), r(num(17), "n"), merged(num(7), "n"))
		check(base, r(null, "n"), r(null, "n"), Decision{Row: r(null, "n"), Verdict: LeftWins})
		check(change.Is(r(null, "n")), r(null, "n"), r(num(2), "n"), Decision{Row: r(num(2), "n"), Verdict: RightWins})
		// One side alone is taken as it is, and a base that is not known is agreement.
		check(base, r(num(10), "x"), r(num(12), "n"), merged(num(12), "x"))
		check(change.Image{}, r(num(11), "n"), r(num(11), "n"), Decision{Row: r(num(11), "n"), Verdict: LeftWins})
		check(change.Is(r(unset, "n")), r(num(11), "n"), r(num(11), "n"), Decision{Row: r(num(11), "n"), Verdict: LeftWins})
		check(base, nil, nil, Decision{Verdict: LeftWins})
		// Text that both sides made the same is no count.
		check(base, r(text("?"), "n"), r(text("?"), "n"), Decision{Row: r(text("?"), "n"), Verdict: LeftWins})
	}
	p := Policy{Rule: Manual, Columns: []ColumnRule{ByRule, Sum, ByRule}}
	parked := Decision{Verdict: Park, Conflict: true}
	decides(t, p, base, at(r(num(11), "x"), early), at(r(num(12), "y"), late), parked)
	decides(t, p, base, at(r(text("?"), "n"), early), at(r(num(12), "n"), late), parked)
	decides(t, p, change.Image{}, at(r(num(11), "n"), early), at(r(num(12), "n"), late), parked)
	p.Rule = TakeLeft
	decides(t, p, base, at(r(num(11), "x"), early), at(r(num(12), "y"), late),
		Decision{Row: r(num(13), "x"), Verdict: Merged, Conflict: true})
	decides(t, p, base, at(r(num(math.MaxInt64), "n"), early), at(r(num(12), "n"), late),
		Decision{Row: r(num(math.MaxInt64), "n"), Verdict: LeftWins, Conflict: true})
	decides(t, p, base, at(r(num(math.MaxInt64), "n"), early), at(r(num(math.MaxInt64), "n"), late),
		Decision{Row: r(num(math.MaxInt64), "n"), Verdict: LeftWins, Conflict: true})
}

func TestMaxAndMin(t *testing.T) {
	for _, rule := range []Rule{Latest, TakeLeft, TakeRight, Merge, Manual} {
		p := Policy{Rule: rule, Columns: []ColumnRule{ByRule, Max, Min}}
		for _, base := range []change.Image{{}, change.Is(nil), change.Is(row(num(1), num(0), num(0)))} {
			decides(t, p, base, at(row(num(1), num(5), num(5)), early), at(row(num(1), num(7), num(7)), late),
				Decision{Row: row(num(1), num(7), num(5)), Verdict: Merged})
			decides(t, p, base, at(row(num(1), null, num(5)), early), at(row(num(1), num(7), null), late),
				Decision{Row: row(num(1), num(7), num(5)), Verdict: Merged})
		}
	}
	p := Policy{Rule: Merge, Columns: []ColumnRule{ByRule, Max, Min}}
	// One side alone may lower a maximum.
	decides(t, p, change.Is(row(num(1), num(9), text("a"))),
		at(row(num(1), num(3), text("a")), early), at(row(num(1), num(9), text("b")), late),
		Decision{Row: row(num(1), num(3), text("b")), Verdict: Merged})
	// A number and a text have no order.
	decides(t, p, change.Is(nil), at(row(num(1), num(3), num(1)), early), at(row(num(1), text("x"), num(2)), late),
		Decision{Row: row(num(1), text("x"), num(1)), Verdict: Merged, Conflict: true})
}

func TestSums(t *testing.T) {
	float := change.Float
	for _, c := range []struct {
		l, r, b, want change.Value // want Unset: no sum
	}{
		{num(5), num(7), num(3), num(9)},
		{num(math.MaxInt64), num(math.MaxInt64), num(math.MaxInt64), num(math.MaxInt64)},
		{num(math.MaxInt64), num(1), num(0), unset},
		{num(math.MinInt64), num(-1), num(0), unset},
		{num(math.MaxInt64 - 1), num(5), null, unset},
		{num(math.MinInt64 + 2), num(5), num(9), unset},
		{change.Uint(math.MaxUint64), num(4), num(5), change.Uint(math.MaxUint64 - 1)},
		{change.Uint(math.MaxUint64), num(1), num(0), unset},
		{change.Uint(math.MaxUint64), num(1), change.Uint(math.MaxUint64), num(1)},
		{num(1), num(2), change.Uint(math.MaxUint64), unset},
		{dec("0.10"), dec("0.20"), dec("0.05"), dec("0.25")},
		{dec("1.5"), dec("2.25"), num(1), dec("2.75")},
		{dec("-1.50"), num(1), null, dec("-0.50")},
		{dec("99999999999999999999.9"), dec("0.1"), dec("0.0"), dec("100000000000000000000.0")},
		{dec("NaN"), dec("1"), dec("1"), unset},
		{dec("1e1000000000"), dec("1"), dec("0"), unset},
		{dec("1/3"), dec("1"), dec("0"), unset},
		{dec(""), dec("1"), dec("0"), unset},
		{float(0.1), float(0.2), float(0), float(0.30000000000000004)},
		{float(1e300), float(1), float(1e300), float(1)}, // rounded once, at the end
		{float(math.MaxFloat64), float(math.MaxFloat64), float(0), unset},
		{float(math.Inf(1)), float(1), float(0), unset},
		{float(math.NaN()), float(1), float(0), unset},
		{float(1.5), num(2), num(1), float(2.5)},
		{float(1.5), dec("0.1"), num(0), unset},
		{float(1 << 60), num(1), num(0), unset},
		{text("5"), num(7), num(3), unset},
		{change.BoolValue(true), num(7), num(3), unset},
		{num(5), num(7), unset, unset},
	} {
		for _, swap := range []bool{false, true} {
			if swap {
				c.l, c.r = c.r, c.l
			}
			if got, ok := sum(c.l, c.r, c.b); ok == c.want.IsUnset() || ok && got != c.want {
				t.Errorf("%s + %s - %s = %s, %v, want %s", c.l, c.r, c.b, got, ok, c.want)
			}
		}
	}
}

func TestOrder(t *testing.T) {
	utc := func(s string) change.Value { return change.Str(change.TimestampUTC, s) }
	float := change.Float
	inf := math.Inf(1)
	for _, c := range []struct {
		less, more change.Value
		ok         bool
	}{
		{num(-1), num(1), true},
		{num(math.MaxInt64), change.Uint(math.MaxUint64), true},
		{num(math.MaxInt64 - 1), float(math.MaxInt64), true},
		{dec("9.5"), dec("10"), true},
		{dec("-10"), dec("-9.5"), true},
		{float(-inf), dec("-5"), true},
		{dec("5"), float(inf), true},
		{dec("-Infinity"), dec("Infinity"), true},
		{float(math.NaN()), num(1), false},
		{float(math.NaN()), float(inf), false},
		{dec("NaN"), num(1), false},
		{text("a"), text("b"), true},
		{text("1"), num(2), false},
		{change.BoolValue(false), change.BoolValue(true), true},
		{utc("2026-01-01 00:00:00Z"), utc("2026-01-01 00:00:00.5Z"), true},
		{utc("2026-01-01 00:00:00.5Z"), utc("2026-01-01 00:00:01Z"), true},
		{change.Str(change.Date, "2026-01-01"), change.Str(change.Date, "2026-02-01"), true},
		{change.Str(change.JSON, "1"), change.Str(change.JSON, "2"), false},
	} {
		for _, swap := range []bool{false, true} {
			l, r := c.less, c.more
			if swap {
				l, r = r, l
			}
			if got, ok := extreme(Max, l, r); ok != c.ok || ok && got != c.more {
				t.Errorf("max of %s and %s is %s, %v", l, r, got, ok)
			}
			if got, ok := extreme(Min, l, r); ok != c.ok || ok && got != c.less {
				t.Errorf("min of %s and %s is %s, %v", l, r, got, ok)
			}
		}
	}
	// Equal numbers that are not the same: whichever, but the same from both sides.
	for _, pair := range [][2]change.Value{{num(1), dec("1.0")}, {float(0), float(math.Copysign(0, -1))}} {
		a, _ := extreme(Max, pair[0], pair[1])
		b, _ := extreme(Max, pair[1], pair[0])
		if a != b {
			t.Errorf("%s or %s, from the other side", a, b)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"latest", "left", "right", "merge", "manual"} {
		if r, ok := ParseRule(name); !ok || r.String() != name {
			t.Errorf("rule %q is %s, %v", name, r, ok)
		}
	}
	for _, name := range []string{"delete_wins", "update_wins"} {
		if d, ok := ParseDeletes(name); !ok || d.String() != name {
			t.Errorf("deletes %q is %s, %v", name, d, ok)
		}
	}
	for _, name := range []string{"sum", "max", "min"} {
		if r, ok := ParseColumnRule(name); !ok || r.String() != name {
			t.Errorf("column rule %q is %s, %v", name, r, ok)
		}
	}
	for _, name := range []string{"", "Latest", "by_rule", "parked"} {
		_, rule := ParseRule(name)
		_, deletes := ParseDeletes(name)
		_, column := ParseColumnRule(name)
		if rule || deletes || column {
			t.Errorf("%q is a name", name)
		}
	}
}

func TestOneSidedChangeAllocatesNothing(t *testing.T) {
	p := Policy{Rule: Merge, Columns: []ColumnRule{ByRule, Sum}}
	base := change.Is(row(num(1), num(5)))
	l, r := at(row(num(1), num(6)), early), Version{Row: base.Row}
	if n := testing.AllocsPerRun(100, func() { p.Decide(base, l, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	wide := func(name string, stock int64) change.Row {
		r := row(num(1), text(name), num(stock))
		for i := range 17 {
			r = append(r, num(int64(i)))
		}
		return r
	}
	base := change.Is(wide("n", 1))
	columns := make([]ColumnRule, 20)
	columns[2] = Sum
	for _, c := range []struct {
		name        string
		policy      Policy
		left, right Version
	}{
		{"one side", Policy{}, at(wide("x", 1), early), Version{Row: base.Row}},
		{"agreement", Policy{}, at(wide("x", 1), early), at(wide("x", 1), late)},
		{"latest", Policy{}, at(wide("x", 1), early), at(wide("y", 1), late)},
		{"merge", Policy{Rule: Merge}, at(wide("x", 1), early), at(wide("n", 2), late)},
		{"sum", Policy{Columns: columns}, at(wide("n", 2), early), at(wide("n", 3), late)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.policy.Decide(base, c.left, c.right)
			}
		})
	}
}
