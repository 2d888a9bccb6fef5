package keymap

import (
	"errors"

	"github.com/cdcsync/cdcsync/change"
)

// low is what the form keys begin at of rows whose own key is not above zero.
const low = 1 << 62

// errKey is of a key that no count comes to.
var errKey = errors.New("the key is out of the range of keys that can be translated, which is that of 62 bits")

// formOf returns the form key of a row that was born in the store of side s with its own key.
func formOf(s change.Side, own int64) (int64, error) {
	form := own
	if own <= 0 {
		form = low - own
	}
	if own >= low || form < 0 || own <= -low {
		return 0, errKey
	}
	if s == change.Right {
		return -form, nil
	}
	return form, nil
}

// birth returns where the row with a form key was born, and its own key there.
func birth(form int64) (s change.Side, own int64) {
	if form < 0 {
		s, form = change.Right, -form
	}
	if form >= low {
		form = low - form
	}
	return s, form
}
