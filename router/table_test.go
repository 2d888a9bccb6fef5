package router

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
	"github.com/cdcsync/cdcsync/stores/mem"
)

var update = flag.Bool("update", false, "write the conflict table into ARCHITECTURE.md")

// act is what an application does to one store.
type act struct {
	name string
	do   func(tx *mem.Tx, table string) error
}

func rowOf(id, a, b int64) change.Row {
	return change.Row{change.Int(id), change.Int(a), change.Int(b)}
}

func idOf(id int64) change.Row { return change.Row{change.Int(id)} }

var (
	insertA1 = act{"insert a=1", func(tx *mem.Tx, t string) error { return tx.Insert(t, rowOf(1, 1, 0)) }}
	insertA2 = act{"insert a=2", func(tx *mem.Tx, t string) error { return tx.Insert(t, rowOf(1, 2, 0)) }}
	setA1    = act{"a=1", func(tx *mem.Tx, t string) error { return tx.Update(t, idOf(1), rowOf(1, 1, 0)) }}
	setA2    = act{"a=2", func(tx *mem.Tx, t string) error { return tx.Update(t, idOf(1), rowOf(1, 2, 0)) }}
	setB2    = act{"b=2", func(tx *mem.Tx, t string) error { return tx.Update(t, idOf(1), rowOf(1, 0, 2)) }}
	remove   = act{"delete", func(tx *mem.Tx, t string) error { return tx.Delete(t, idOf(1)) }}
	rekey5   = act{"key 1→5", func(tx *mem.Tx, t string) error { return tx.Update(t, idOf(1), rowOf(5, 0, 0)) }}
	rekey6   = act{"key 1→6", func(tx *mem.Tx, t string) error { return tx.Update(t, idOf(1), rowOf(6, 0, 0)) }}
	nothing  = act{"nothing", func(*mem.Tx, string) error { return nil }}
	unique1  = act{"insert 1, a=7", func(tx *mem.Tx, t string) error { return tx.Insert(t, rowOf(1, 7, 0)) }}
	unique2  = act{"insert 2, a=7", func(tx *mem.Tx, t string) error { return tx.Insert(t, rowOf(2, 7, 0)) }}
)

// conflictCases are the rows of the table in ARCHITECTURE.md: what left does, and then
// right, neither knowing of the other.
var conflictCases = []struct {
	before      bool // there is a row (1, a=0, b=0) on both sides
	left, right act
	unique      bool // a is unique on both sides
}{
	{false, insertA1, nothing, false},
	{false, insertA1, insertA1, false},
	{false, insertA1, insertA2, false},
	{true, setA1, nothing, false},
	{true, setA1, setA1, false},
	{true, setA1, setA2, false},
	{true, setA1, setB2, false},
	{true, setA1, remove, false},
	{true, remove, setA2, false},
	{true, remove, remove, false},
	{true, rekey5, setA2, false},
	{true, setA1, rekey5, false},
	{true, rekey5, rekey6, false},
	{false, unique1, unique2, true},
}

var conflictPolicies = []struct {
	name   string
	policy resolver.Policy
}{
	{"`latest`", resolver.Policy{Rule: resolver.Latest}},
	{"`merge`", resolver.Policy{Rule: resolver.Merge}},
	{"`left`", resolver.Policy{Rule: resolver.TakeLeft}},
	{"`merge`, `delete_wins`", resolver.Policy{Rule: resolver.Merge, Deletes: resolver.DeleteWins}},
	{"`merge`, `update_wins`", resolver.Policy{Rule: resolver.Merge, Deletes: resolver.UpdateWins}},
	{"`merge`, a `sum`", resolver.Policy{Rule: resolver.Merge, Columns: []resolver.ColumnRule{0, resolver.Sum, 0}}},
	{"`manual`", resolver.Policy{Rule: resolver.Manual}},
}

// TestConflictTable does what each row of the conflict table in ARCHITECTURE.md says, with
// each policy, and compares what comes out with what the table says.
func TestConflictTable(t *testing.T) {
	var table strings.Builder
	table.WriteString("| before | left | then right |")
	for _, p := range conflictPolicies {
		table.WriteString(" " + p.name + " |")
	}
	table.WriteString("\n|" + strings.Repeat(" --- |", 3+len(conflictPolicies)) + "\n")
	for _, c := range conflictCases {
		before := "no row"
		if c.before {
			before = "a=0 b=0"
		}
		if c.unique {
			before += ", a unique"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |", before, c.left.name, c.right.name)
		for _, p := range conflictPolicies {
			b := newBench(t)
			b.pair.Policy = p.policy
			fmt.Fprintf(&table, " %s |", b.outcome(c.before, c.unique, c.left, c.right))
		}
		table.WriteString("\n")
	}
	checkDoc(t, "../ARCHITECTURE.md", "conflict table", table.String())
}

// outcome runs one case and describes what both stores hold at its end.
func (b *bench) outcome(before, unique bool, acts ...act) string {
	b.t.Helper()
	if unique {
		for s := range b.stores {
			b.stores[s].Unique(b.pair.Tables[s].Name, "a")
		}
	}
	l := b.link()
	stop := b.run(l)
	if before {
		b.put(change.Left, 1, 0, 0)
	}
	b.until(l, "running", func(s Status) bool { return s.State == Running })
	b.barrier(l)
	if err := stop(); err != nil {
		b.t.Fatal(err)
	}
	for s, a := range acts { // nobody syncs meanwhile
		if err := b.stores[s].Write(func(tx *mem.Tx) error { return a.do(tx, b.pair.Tables[s].Name) }); err != nil {
			b.t.Fatal(err)
		}
	}
	l = b.link()
	stop = b.run(l)
	b.barrier(l)
	if err := stop(); err != nil {
		b.t.Fatal(err)
	}
	st := l.Status()
	counted := uint64(0)
	for _, n := range st.ByPolicy {
		counted += n
	}
	if counted != st.Conflicts {
		b.t.Errorf("%d conflicts, by policy %v", st.Conflicts, st.ByPolicy)
	}
	left, right := b.describe(change.Left), b.describe(change.Right)
	switch {
	case st.Parked > 0:
		return "parked"
	case left != right:
		b.t.Fatalf("left holds %s, right %s", left, right)
	case st.Conflicts > 0:
		return left + " ⚡"
	}
	return left
}

func (b *bench) describe(s change.Side) string {
	var rows []string
	for _, row := range b.stores[s].Rows(b.pair.Tables[s].Name) {
		text := fmt.Sprintf("a=%v b=%v", row[1], row[2])
		if row[0] != change.Int(1) {
			text = fmt.Sprintf("%v: %s", row[0], text)
		}
		rows = append(rows, text)
	}
	if rows == nil {
		return "no row"
	}
	return strings.Join(rows, "; ")
}

// checkDoc compares the part of a document between two comments with text.
func checkDoc(t *testing.T, file, name, text string) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+": go test ./router -run TestConflictTable -update -->\n", "<!-- end of "+name+" -->"
	head, rest, ok := strings.Cut(string(doc), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", file, begin, end)
	}
	if old == text {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the %s in %s is not what happens:\n%s", name, file, text)
}
