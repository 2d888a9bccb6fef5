package mem

import (
	"encoding/hex"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// Notation is how every value of a store is written in a [change.Block]: as the hexadecimal digits
// of its encoding.
var Notation = change.Notation{Type: "mem"}

// ParseLine returns the first n values of a line of a block.
func ParseLine(line []byte, n int) (change.Row, error) {
	row := make(change.Row, n)
	fields := change.Fields(line, n)
	if len(fields) < n {
		return nil, fmt.Errorf("read line of a block: %d fields, not %d", len(fields), n)
	}
	for i, field := range fields {
		b, err := hex.AppendDecode(nil, field)
		if err == nil {
			row[i], _, err = change.DecodeValue(b)
		}
		if err != nil {
			return nil, fmt.Errorf("read line of a block: %w", err)
		}
	}
	return row, nil
}
