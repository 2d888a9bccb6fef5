package mysql

import (
	"crypto/rand"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// index is a unique index in whose way rows are.
type index struct {
	// columns are places among those of the table, -1 for one that the link does not know.
	columns []int
	// column is where rows are parked so that the index takes them, -1 if there is none.
	column int
	// null: they are parked on NULL. Otherwise on values that are likely to be no other row's.
	null bool
	// length is how long the values may be.
	length int
}

// errNotSet: rows cannot be parked. It has no number of the server and so is no error of a row.
var errNotSet = errors.New("the row keeps its unique value")

// index returns what is known of a unique index. Rows are parked on NULL where that goes, else
// on a value. Children follow a key that they refer to only if it is a value.
func (t *target) index(name string) *index {
	if x := t.indexes[name]; x != nil {
		return x
	}
	x := &index{column: -1}
	t.indexes[name] = x
	at := slices.IndexFunc(t.have.Unique, func(u store.Index) bool { return u.Name == name })
	if at < 0 {
		return x
	}
	for _, column := range t.have.Unique[at].Columns {
		i := t.table.Column(column)
		x.columns = append(x.columns, i)
		if i < 0 || t.types[i] == nil || t.isKey[i] {
			continue
		}
		length := declaredLength(t.table.Columns[i].Type)
		switch parent, child := t.refers(column); {
		case t.table.Columns[i].Nullable && !parent && !x.null:
			x.column, x.null = i, true
		case !child && x.column < 0 && (&index{length: length}).spare(t.types[i], 0) != "":
			x.column, x.length = i, length
		}
	}
	return x
}

// refers tells whether columns of other tables refer to a column, and whether it refers to one.
func (t *target) refers(column string) (parent, child bool) {
	for _, other := range t.of.have {
		for _, key := range other.ForeignKeys {
			parent = parent || key.Parent == t.have.Name && slices.Contains(key.ParentColumns, column)
			child = child || other == t.have && slices.Contains(key.Columns, column)
		}
	}
	return parent, child
}

var lengthForm = regexp.MustCompile(`\(([0-9]+)`)

// declaredLength is the first number in brackets of a type, or many.
func declaredLength(declared string) int {
	if m := lengthForm.FindStringSubmatch(declared); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return math.MaxInt
}

// spare is a value of a column as SQL, another one for each n; "" if there is none for its type.
func (x *index) spare(t *store.Type, n int) string {
	if x.null {
		return "NULL"
	}
	bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[t.Name]
	kind := t.Kind()
	switch {
	case bits > 0 && t.Unsigned:
		return strconv.FormatUint(1<<bits-1-uint64(n), 10)
	case bits > 0:
		return strconv.FormatInt(int64(uint64(1)<<(bits-1)-1)-int64(n), 10)
	case kind == change.Decimal:
		return strconv.FormatInt(int64(math.Pow10(min(t.Precision-t.Scale, 15)))-1-int64(n), 10)
	case kind == change.UUID:
		return "UUID()"
	case kind == change.Date:
		return store.Literal(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -n).Format(time.DateOnly))
	case kind == change.Timestamp:
		return store.Literal(time.Date(9999, 12, 31, 0, 0, -n, 0, time.UTC).Format(time.DateTime))
	case kind == change.TimestampUTC:
		return store.Literal(time.Date(2038, 1, 19, 3, 14, 7-n, 0, time.UTC).Format(time.DateTime))
	case kind == change.Bytes && !t.IsGeometry() && t.Name != "vector",
		kind == change.Text && t.Name != "enum" && t.Name != "set" && t.Name != "inet4" && t.Name != "inet6":
		text := rand.Text()
		return store.Literal(text[:min(len(text), x.length)])
	}
	return ""
}
