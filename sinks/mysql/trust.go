package mysql

// mode is how a batch is written.
type mode byte

const (
	// trusting: rows that should not be there are inserted without looking for them, which the
	// server refuses if they are.
	trusting mode = iota
	// looking: all rows on condition are read first.
	looking
	// careful: every row is read first, and those that the store does not take are found.
	careful
)

// way is how a batch is tried to be written.
type way struct {
	mode mode
	// load: many new rows may be loaded.
	load bool
	// unasked: the first rows may be sent along with the claim, before it is answered.
	unasked bool
}

// trust says whether rows that should not be there are likely not to be: left is how many
// batches go by before that is believed again, and next how many after the next failure.
type trust struct{ left, next int }

// distrustMax bounds for how many batches rows are looked for.
const distrustMax = 256

func (t *trust) mode() mode {
	if t.left > 0 {
		t.left--
		return looking
	}
	return trusting
}

// lost says that a row was there.
func (t *trust) lost() {
	t.next = min(max(2*t.next, 4), distrustMax)
	t.left = t.next
}

// kept says that rows were inserted without looking.
func (t *trust) kept() { t.next = 0 }
