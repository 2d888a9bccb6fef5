package mysql

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// verb is what is done with a row.
type verb byte

const (
	// verbNone: nothing is to be done.
	verbNone verb = iota
	// verbInsert adds a row that is not there.
	verbInsert
	// verbPut writes a row whatever is there.
	verbPut
	// verbUpdate writes over a row that is there, and locked.
	verbUpdate
	// verbDelete removes a row.
	verbDelete
)

// form is how rows are written that have one thing done to the same columns.
type form struct {
	*target
	verb verb
	// sets are the columns that get the new value, without those of the key.
	sets []int
	// whole: an INSERT that sets these columns would do, so that one can write over rows that
	// are there.
	whole bool
	// head and tail are around the rows of a statement.
	head, tail string
}

var (
	errKey  = errors.New("a value of the key is missing")
	errNull = errors.New("column cannot be NULL")
	// errInfinite: the server has no such number, nor a way to write it.
	errInfinite = errors.New("NaN and infinities are no numbers of MySQL")
	// errYear: the server takes a number of two digits for a year of this century or the last.
	errYear = errors.New("a year has four digits")
	// errMember: the server takes a text with a number for the number of a member.
	errMember = errors.New("the value is no member of the column's type")
)

// check finds what the server would not refuse, but change.
func (t *target) check(w *sinks.Write) error {
	for _, v := range w.Key {
		if v.IsNull() || v.IsUnset() {
			return errKey
		}
		if !isFinite(v) {
			return errInfinite
		}
	}
	for i := range w.New {
		if t.types[i] == nil {
			continue
		}
		if !isFinite(w.New[i]) {
			return fmt.Errorf("%s: %w", t.table.Columns[i].Name, errInfinite)
		}
		if v := w.New[i]; t.types[i].Name == "year" && v.Kind() == change.Int64 && v.Int64() != 0 && v.Int64() < 100 {
			return fmt.Errorf("%s: %w", t.table.Columns[i].Name, errYear)
		}
		if !t.types[i].HasMember(w.New[i]) {
			return fmt.Errorf("%s: %w", t.table.Columns[i].Name, errMember)
		}
		if w.New[i].IsNull() && t.types[i] != nil && !t.table.Columns[i].Nullable {
			return fmt.Errorf("%s: %w", t.table.Columns[i].Name, errNull)
		}
	}
	return nil
}

func isFinite(v change.Value) bool {
	return v.Kind() != change.Float64 || !math.IsNaN(v.Float64()) && !math.IsInf(v.Float64(), 0)
}

// changes finds the columns that a write sets. The result is valid until the next call.
func (t *target) changes(w *sinks.Write) []byte {
	for i := range t.sets {
		t.sets[i] = 0
		if w.New != nil && t.types[i] != nil && !t.isKey[i] && !w.New[i].IsUnset() {
			t.sets[i] = 1
		}
	}
	return t.sets
}

// form returns how rows are written.
func (t *target) form(v verb, sets []byte) *form {
	var name [64]byte
	key := append(append(name[:0], byte(v)), sets...)
	if f := t.forms[string(key)]; f != nil {
		return f
	}
	f := &form{target: t, verb: v}
	for i, set := range sets {
		if set != 0 {
			f.sets = append(f.sets, i)
		}
	}
	f.compile()
	t.forms[string(key)] = f
	return f
}

// complete tells whether an INSERT of these columns breaks no rule that an UPDATE would keep.
func (f *form) complete() bool {
	if f.missing || f.inserting {
		return false
	}
	for _, i := range f.required {
		if !slices.Contains(f.sets, i) {
			return false
		}
	}
	if !f.have.Checked {
		return true
	}
	for i, t := range f.types {
		if t != nil && !f.isKey[i] && !slices.Contains(f.sets, i) {
			return false
		}
	}
	return len(f.have.Columns) <= len(f.types)
}

func (f *form) compile() {
	f.whole = f.complete() && len(f.sets) > 0
	var columns []string
	for _, k := range f.table.Key {
		columns = append(columns, f.names[k])
	}
	if f.verb == verbDelete {
		f.head, f.tail = "DELETE FROM t USING "+f.target.name+" AS t"+usingKey+"WHERE "+f.keys()+" IN (", ")"
		if f.beside != "" {
			f.tail += " AND " + f.beside + " >= 0"
		}
		return
	}
	for _, i := range f.sets {
		columns = append(columns, f.names[i])
	}
	f.head = "INSERT INTO " + f.target.name + " (" + strings.Join(columns, ", ") + ") VALUES "
}

// over is what makes an INSERT write over the rows that are there. Only columns of list are
// written.
func (f *form) over(list []int, server store.Server) string {
	value, alias := "VALUES(%s)", ""
	if !server.MariaDB && server.Version >= 80019 {
		value, alias = "n.%s", " AS n"
	}
	var set []string
	for _, i := range list {
		set = append(set, f.names[i]+" = "+fmt.Sprintf(value, f.names[i]))
	}
	return alias + " ON DUPLICATE KEY UPDATE " + strings.Join(append(set, f.kept()...), ", ")
}

// kept keeps columns as they are that an UPDATE would change by itself.
func (f *form) kept() []string {
	var set []string
	for _, i := range f.renewed {
		if !slices.Contains(f.sets, i) {
			own := f.target.name + "." + f.names[i]
			set = append(set, f.names[i]+" = "+own)
		}
	}
	return set
}

// usingKey has rows looked up one by one. Without it, a table of which many rows are asked for
// is read from one end to the other, and waits for every row that an application has locked.
// The index would still be read so if nothing but the key were asked for: see target.beside.
const usingKey = " FORCE INDEX (PRIMARY) "

// keys is the columns of the key as SQL.
func (t *target) keys() string {
	var list []string
	for _, k := range t.table.Key {
		list = append(list, t.names[k])
	}
	if len(list) == 1 {
		return list[0]
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// appendRow appends the new row of a write as values of an INSERT.
func (f *form) appendRow(b []byte, w *sinks.Write) []byte {
	b = append(b, '(')
	for i, k := range f.table.Key {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = f.types[k].AppendLiteral(b, w.Key[i])
	}
	for _, i := range f.sets {
		b = f.types[i].AppendLiteral(append(b, ", "...), w.New[i])
	}
	return append(b, ')')
}

// appendUpdate appends an UPDATE of one row that sets the columns of list.
func (f *form) appendUpdate(b []byte, w *sinks.Write, list []int) []byte {
	b = append(append(append(b, "UPDATE "...), f.target.name...), " SET "...)
	for n, i := range list {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, f.names[i]...), " = "...)
		b = f.types[i].AppendLiteral(b, w.New[i])
	}
	for _, set := range f.kept() {
		b = append(append(b, ", "...), set...)
	}
	return f.appendWhere(b, w.Key)
}

func (t *target) appendWhere(b []byte, key change.Row) []byte {
	for i, k := range t.table.Key {
		b = append(b, [2]string{" WHERE ", " AND "}[min(i, 1)]...)
		b = append(append(b, t.names[k]...), " = "...)
		b = t.types[k].AppendCompared(b, key[i])
	}
	return b
}

// size is about how many bytes a row takes as SQL, and not less.
func (f *form) size(w *sinks.Write) int {
	n := 2
	for _, v := range w.Key {
		n += 30 + 2*len(v.Str())
	}
	if f.verb != verbDelete {
		for _, i := range f.sets {
			n += 30 + 2*len(w.New[i].Str())
		}
	}
	return n
}
