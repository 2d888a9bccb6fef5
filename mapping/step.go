package mapping

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// step makes one value of a row out of another row.
type step struct {
	// from is the column it takes its value from, -1 for none: then it is computed by call,
	// or Unset if that is nil.
	from int
	// same: the value is taken as it is. Otherwise it is translated by codes, if there are
	// any, or converted to column to.
	same  bool
	codes *codes
	call  *call
	to    change.Column
	// fallback is what NULL becomes; Unset for NULL.
	fallback change.Value
}

// codes translates values one to one. Both maps hold the same pairs.
type codes struct {
	// values is the usual way. texts serves values of a kind that is not the column's, as a
	// lax column may hold them, by how they print.
	values map[change.Value]change.Value
	texts  map[string]change.Value
}

// call is an expression with the columns that it reads.
type call struct {
	attribute string
	expr      Expression
	inputs    []int
}

// move makes a row by steps.
func move(steps []step, row change.Row) (change.Row, error) {
	out := make(change.Row, len(steps))
	for i := range steps {
		s := &steps[i]
		if s.same {
			out[i] = row[s.from]
			continue
		}
		var err error
		if out[i], err = s.value(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// value makes the value of s out of row.
func (s *step) value(row change.Row) (change.Value, error) {
	v, err := s.made(row)
	if err == nil && v.IsNull() && !s.fallback.IsUnset() {
		return s.fallback, nil
	}
	return v, err
}

func (s *step) made(row change.Row) (change.Value, error) {
	switch {
	case s.call != nil:
		v, err := s.call.eval(row)
		if err != nil {
			return change.Value{}, fmt.Errorf("column %s: %s: %w", s.to.Name, s.call.attribute, err)
		}
		return Convert(v, s.to)
	case s.from < 0:
		return change.Value{}, nil
	case s.codes != nil:
		v, ok := s.codes.translate(row[s.from])
		if !ok {
			return change.Value{}, fmt.Errorf("column %s: value has no entry in values", s.to.Name)
		}
		return v, nil
	default:
		return Convert(row[s.from], s.to)
	}
}

func (c *codes) translate(v change.Value) (change.Value, bool) {
	if v.IsNull() || v.IsUnset() {
		return v, true
	}
	if to, ok := c.values[v]; ok {
		return to, true
	}
	if v.Kind() == change.Bytes {
		return change.Value{}, false
	}
	to, ok := c.texts[v.String()]
	return to, ok
}

// eval computes the value. Without all of its inputs there is none.
func (c *call) eval(row change.Row) (change.Value, error) {
	inputs := make([]change.Value, len(c.inputs))
	for i, from := range c.inputs {
		if row[from].IsUnset() {
			return change.Value{}, nil
		}
		inputs[i] = row[from]
	}
	return c.expr.Eval(inputs)
}
