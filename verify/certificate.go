package verify

import (
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// Certificate is what a run found. The stores held the same, in all rows that stood still,
// between the two positions of each.
type Certificate struct {
	Link string `json:"link"`
	// Equal: no row differs, and none was too busy to tell.
	Equal bool `json:"equal"`
	// Running: the link ran, so what was on its way could be waited for exactly.
	Running bool `json:"running"`
	// Resumed: an earlier run that came to no end began it.
	Resumed bool      `json:"resumed"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Sides are the left and the right one.
	Sides  [2]Side `json:"sides"`
	Tables []Table `json:"tables"`
}

// Side is where the log of one store ended.
type Side struct {
	Start change.Position `json:"start"`
	End   change.Position `json:"end"`
}

// Verdict is what came of a table.
type Verdict string

// The verdicts. Busy: no row differs, but some did not stand still to be compared.
const (
	Same    Verdict = "equal"
	Differs Verdict = "differs"
	Busy    Verdict = "busy"
)

// Method is how a table was compared.
type Method string

// The methods. Digests are computed by a store and compared chunk by chunk; Rows are read from
// both stores in the order of the key and compared; with Keys they are read from one store and
// looked for in the other, both ways, because the stores sort the keys differently.
const (
	Digests Method = "digests"
	Rows    Method = "rows"
	Keys    Method = "keys"
)

// Table is the result of one table pair.
type Table struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Method  Method  `json:"method"`
	// Why says why no digests were used, or where one store reads its rows for them.
	Why string `json:"why,omitempty"`
	// Paused is why the link lets the table wait: what differs is not on its way, and nothing is
	// repaired.
	Paused string `json:"paused,omitempty"`
	// Rows is how many each side had, left and right, Read how many were read as rows, and
	// Chunks how many digests were compared.
	Rows   [2]int64 `json:"rows"`
	Read   int64    `json:"read"`
	Chunks int64    `json:"chunks"`
	// Moving rows differed at first and were on their way.
	Moving int64 `json:"moving"`
	// Different rows differ, of which Parked wait for a person or for a retry, as Differences
	// lists as far as there is room. Repaired rows differed and do no more.
	Different int64 `json:"different"`
	Parked    int64 `json:"parked"`
	Repaired  int64 `json:"repaired"`
	// Busy rows differed whenever they were looked at, and changed in between.
	Busy        int64        `json:"busy"`
	Differences []Difference `json:"differences,omitempty"`
	// Kept counts, by column, values that are not the same although one was made of the other:
	// a store cannot hold them as they were sent. They do not count as different.
	Kept    map[string]int64 `json:"kept,omitempty"`
	Seconds float64          `json:"seconds"`
}

// Difference is one row that differs.
type Difference struct {
	// Key is in the form of the pair.
	Key change.Row
	// What is "left only", "right only", "differs", or "busy".
	What string
	// Columns are the names of those that differ.
	Columns []string
	// Left and Right are the rows in the form of the pair, if they were asked for.
	Left, Right change.Row
	// Note says why a row is parked, or cannot be compared.
	Note string
}

// finish draws the conclusion of a table.
func (t *Table) finish() {
	switch {
	case t.Different > 0:
		t.Verdict = Differs
	case t.Busy > 0:
		t.Verdict = Busy
	default:
		t.Verdict = Same
	}
}

// finish draws the conclusion of the run.
func (c *Certificate) finish(now time.Time) {
	c.Equal, c.Ended = true, now
	for i := range c.Tables {
		c.Equal = c.Equal && c.Tables[i].Verdict == Same
	}
}
