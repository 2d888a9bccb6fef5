package mysql

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Where the columns of cdcsync's own table are: see the layout of [store.Store.Setup].
const (
	linkColumn = 0
	tagColumn  = 2
)

// tagOf reads the tag that a sink of the link has written first in its transaction: an update
// of the link's row that changes tag. It is false for every other update: markers are written
// alone, too, and other links have rows of their own.
func tagOf(rows *binlog.Rows, link string) (change.Tag, bool, error) {
	if rows.Action != binlog.Update || len(rows.After) <= tagColumn || len(rows.Before) <= tagColumn {
		return change.Tag{}, false, nil
	}
	columns := rows.Table.Columns
	name, err := own(&columns[linkColumn], rows.Before[linkColumn], &store.Type{Name: "varchar", Charset: "utf8mb4", Collation: "utf8mb4_bin"})
	if err != nil || name != change.TextValue(link) {
		return change.Tag{}, false, err
	}
	number := &store.Type{Name: "bigint", Unsigned: true}
	was, err := own(&columns[tagColumn], rows.Before[tagColumn], number)
	if err != nil {
		return change.Tag{}, false, err
	}
	is, err := own(&columns[tagColumn], rows.After[tagColumn], number)
	if err != nil || is == was || is.IsUnset() {
		return change.Tag{}, false, err
	}
	return change.Tag{Apply: is.Uint64()}, true, nil
}

// own decodes a cell of cdcsync's own table.
func own(c *binlog.Column, cell binlog.Cell, t *store.Type) (change.Value, error) {
	if cell.State != binlog.Present {
		return change.Value{}, nil
	}
	v, err := c.Value(t, cell.Data, func(_ string, b []byte) (string, error) { return string(b), nil })
	if err != nil {
		return v, fmt.Errorf("read table %s: %w", store.LinkTable, err)
	}
	return v, nil
}
