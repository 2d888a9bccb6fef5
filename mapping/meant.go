package mapping

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// meant returns a sentence that says which column name was probably meant, or "".
func meant(name string, tables ...*change.Table) string {
	var columns []string
	for _, table := range tables {
		for i := range table.Columns {
			columns = append(columns, table.Columns[i].Name)
		}
	}
	return meantOf(name, columns)
}

// meantOf is meant among these names.
func meantOf(name string, columns []string) string {
	best, least := "", min(len(name), 1+max(1, (len(name)+1)/3))
	for _, column := range columns {
		if d := distance(strings.ToLower(name), strings.ToLower(column)); d < least {
			best, least = column, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// distance is how many bytes are to be inserted, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
