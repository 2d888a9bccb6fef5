package mapping

import (
	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/change"
)

// Pair is a compiled table pair. It is immutable and safe for concurrent use.
type Pair struct {
	Name string
	// Tables are the tables, left and right, cut down to the columns that the pair reads
	// or writes, in the order in which sources deliver and sinks take them.
	Tables [2]*change.Table
	// Columns are the columns of the form of the pair.
	Columns []change.Column
	// Key is the indexes in Columns of the key.
	Key []int
	// Unmapped are the columns of each side that are neither read nor written although the
	// config does not ignore them.
	Unmapped [2][]string
	// Sensitive are the columns of the form whose values are not to be shown.
	Sensitive []string

	sides [2]plan
	keyOf []string // by columns of the form, the pair whose keys they hold; nil for none
	where *call    // the filter, of the form; nil for none
	given [2][]constant
}

// constant is a value of new rows, by its index in the columns of the table.
type constant struct {
	at    int
	value change.Value
}

// plan is how the rows and keys of one side are made from those of the form, and back.
type plan struct {
	canon, native []step
	// sameCanon: the columns of the form are the first ones of the side's rows, as they are.
	// sameNative: the side's rows are rows of the form.
	sameCanon, sameNative bool
	// canonKey and nativeKey move keys; nil where they are the same.
	canonKey, nativeKey []step
}

// Straight tells whether rows of side s are in the form of the pair already, so that Canon
// and Native return the very row that they are given, unless it is outside of the filter.
func (p *Pair) Straight(s change.Side) bool {
	return p.sides[s].sameCanon && p.sides[s].sameNative
}

// Canon returns a row of Tables[s] in the form of the pair, nil for a nil row and for one
// outside of the filter. Unset values stay Unset, as does what is computed from them, and
// the filter is not judged if it reads one. It fails for a value that the form cannot hold;
// errors never show the value.
func (p *Pair) Canon(s change.Side, row change.Row) (change.Row, error) {
	if row == nil {
		return nil, nil
	}
	if len(row) != len(p.Tables[s].Columns) {
		return nil, p.lengthError(s, len(row), len(p.Tables[s].Columns))
	}
	if p.where != nil {
		if outside, err := p.outsideNative(s, row); outside || err != nil {
			return nil, err
		}
	}
	return p.form(s, row)
}

// form is Canon without the filter, for a row that exists.
func (p *Pair) form(s change.Side, row change.Row) (change.Row, error) {
	if p.sides[s].sameCanon {
		n := len(p.Columns)
		return row[:n:n], nil
	}
	return move(p.sides[s].canon, row)
}

// Native returns a row in the form of the pair as a row of Tables[s], nil for a nil row.
// Columns of the table that the pair only reads, or that have a constant, are Unset. It fails for a value that the
// table cannot hold; errors never show the value.
func (p *Pair) Native(s change.Side, row change.Row) (change.Row, error) {
	if row == nil {
		return nil, nil
	}
	if len(row) != len(p.Columns) {
		return nil, p.lengthError(s, len(row), len(p.Columns))
	}
	if p.sides[s].sameNative {
		return row, nil
	}
	return move(p.sides[s].native, row)
}

// New returns native, a row of Tables[s] as Native makes it, with what a new row has besides: the
// constants.
func (p *Pair) New(s change.Side, native change.Row) change.Row {
	if native == nil || len(p.given[s]) == 0 {
		return native
	}
	row := slices.Clone(native)
	for _, c := range p.given[s] {
		row[c.at] = c.value
	}
	return row
}

// CanonKey returns a key of Tables[s], in that table's key order, as the key of the form.
func (p *Pair) CanonKey(s change.Side, key change.Row) (change.Row, error) {
	return p.moveKey(s, p.sides[s].canonKey, key)
}

// NativeKey returns a key of the form as a key of Tables[s], in that table's key order.
func (p *Pair) NativeKey(s change.Side, key change.Row) (change.Row, error) {
	return p.moveKey(s, p.sides[s].nativeKey, key)
}

func (p *Pair) moveKey(s change.Side, steps []step, key change.Row) (change.Row, error) {
	if key == nil {
		return nil, nil
	}
	if len(key) != len(p.Key) {
		return nil, p.lengthError(s, len(key), len(p.Key))
	}
	if steps == nil {
		return key, nil
	}
	return move(steps, key)
}

// KeyOf returns the key of a row in the form of the pair.
func (p *Pair) KeyOf(row change.Row) change.Row {
	key := make(change.Row, len(p.Key))
	for i, c := range p.Key {
		key[i] = row[c]
	}
	return key
}

// Origin returns the index in Tables[s].Columns of the column that Columns[i] is made of: as it
// is, or converted to the other kind. It is -1 where the value is translated or computed, or has
// a default, and for keys that are translated.
func (p *Pair) Origin(s change.Side, i int) int {
	st := &p.sides[s].canon[i]
	if p.keyOf != nil && p.keyOf[i] != "" || st.call != nil || st.codes != nil || !st.fallback.IsUnset() {
		return -1
	}
	return st.from
}

// RoundTrip maps a row of side s to the other side and back, and returns the names of the
// columns of side s that do not come back the same. What is only read, and so never comes
// back, is not listed, nor is anything of a row outside of the filter. The error is that of
// the first value that does not fit.
func (p *Pair) RoundTrip(s change.Side, row change.Row) (lossy []string, err error) {
	canon, err := p.Canon(s, row)
	if canon == nil || err != nil {
		return nil, err
	}
	there, err := p.Native(s.Other(), canon)
	if err != nil {
		return nil, err
	}
	if canon, err = p.form(s.Other(), there); err != nil {
		return nil, err
	}
	back, err := p.Native(s, canon)
	if err != nil {
		return nil, err
	}
	for i := range back {
		if back[i] != row[i] && !back[i].IsUnset() {
			lossy = append(lossy, p.Tables[s].Columns[i].Name)
		}
	}
	return lossy, nil
}

func (p *Pair) lengthError(s change.Side, got, want int) error {
	return fmt.Errorf("map %s of table %s: %d values where %d are mapped", s, p.Tables[s].Name, got, want)
}
