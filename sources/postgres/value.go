package postgres

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// keepsText tells whether values of a kind hold the text that they are decoded from.
func keepsText(kind change.Kind) bool {
	switch kind {
	case change.Bool, change.Int64, change.Float64, change.Bytes:
		return false
	}
	return true
}

// decodeField decodes data as a value of kind. What keeps its text shares text, a copy of data.
func decodeField(kind change.Kind, data []byte, text string) (change.Value, error) {
	if kind == change.Int64 {
		if n, ok := parseInt(data); ok {
			return change.Int(n), nil
		}
	}
	if keepsText(kind) {
		return store.Decode(kind, text)
	}
	return store.Decode(kind, string(data))
}

// parseInt reads most integers without a detour over text. Longer ones are left to others.
func parseInt(data []byte) (int64, bool) {
	digits := data
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if len(digits) < len(data) {
		n = -n
	}
	return n, true
}

// slab is values that rows are cut from: one allocation for many of them.
type slab []change.Value

// row returns a row of n values.
func (s *slab) row(n int) change.Row {
	if n > len(*s) {
		*s = make([]change.Value, max(n, 256))
	}
	row := (*s)[:n:n]
	*s = (*s)[n:]
	return change.Row(row)
}

// rowOf makes a row of the text of its columns, as a query returns them.
func rowOf(table *change.Table, values [][]byte, from *slab) (change.Row, error) {
	row := from.row(len(table.Columns))
	size := 0
	for i := range row {
		if keepsText(table.Columns[i].Kind) {
			size += len(values[i])
		}
	}
	var kept strings.Builder // one copy for the row
	kept.Grow(size)
	for i := range row {
		if values[i] == nil {
			row[i] = change.NullValue()
			continue
		}
		text := ""
		if keepsText(table.Columns[i].Kind) {
			kept.Write(values[i])
			text = kept.String()[kept.Len()-len(values[i]):]
		}
		var err error
		if row[i], err = decodeField(table.Columns[i].Kind, values[i], text); err != nil {
			return nil, fmt.Errorf("column %s: %w", table.Columns[i].Name, err)
		}
	}
	return row, nil
}
