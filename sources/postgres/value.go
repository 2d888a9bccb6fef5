package postgres

import (
	"fmt"

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

// rowOf makes a row of the text of its columns, as a query returns them.
func rowOf(table *change.Table, values [][]byte) (change.Row, error) {
	row := make(change.Row, len(table.Columns))
	for i := range row {
		if values[i] == nil {
			row[i] = change.NullValue()
			continue
		}
		var err error
		if row[i], err = store.Decode(table.Columns[i].Kind, string(values[i])); err != nil {
			return nil, fmt.Errorf("column %s: %w", table.Columns[i].Name, err)
		}
	}
	return row, nil
}
