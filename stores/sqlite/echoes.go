package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// EchoesPart is the part of a marker that lists the rows of the link's last transaction, where
// the link reads the write-ahead log.
const EchoesPart = 4

// AppendEchoes begins the list of the transaction with this number.
func AppendEchoes(b []byte, apply uint64) []byte { return binary.BigEndian.AppendUint64(b, apply) }

// AppendEcho adds a row to the list.
func AppendEcho(b []byte, table string, key change.Row) []byte {
	b = binary.AppendUvarint(b, uint64(len(table)))
	return change.AppendRow(append(b, table...), key)
}

var errEchoes = errors.New("the list of the link's own rows is cut")

// DecodeEchoes calls each for every row of a list and returns the number of its transaction.
func DecodeEchoes(b []byte, each func(table string, key change.Row)) (apply uint64, err error) {
	if len(b) < 8 {
		return 0, errEchoes
	}
	apply, b = binary.BigEndian.Uint64(b), b[8:]
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return 0, errEchoes
		}
		table := string(b[n : n+int(size)])
		key, rest, err := change.DecodeRow(b[n+int(size):])
		if err != nil {
			return 0, fmt.Errorf("read keys: %w", err)
		}
		each(table, key)
		b = rest
	}
	return apply, nil
}
