package binlog

import (
	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Value returns the value of a cell that is Present, of a column that has type t in the
// database. Texts of other character sets than Unicode go through text.
func (c *Column) Value(t *store.Type, data []byte, text func(charset string, b []byte) (string, error)) (change.Value, error) {
	return change.Value{}, ErrUnknown
}
