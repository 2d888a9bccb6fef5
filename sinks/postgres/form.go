package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// verb is what is done with a row.
type verb byte

const (
	// verbInsert adds the row if there is none with its key.
	verbInsert verb = iota
	// verbPut writes the row whatever is there.
	verbPut
	// verbUpdate changes the row if it is as expected.
	verbUpdate
	// verbDelete removes the row if it is as expected.
	verbDelete
	// verbErase removes the row whatever it is.
	verbErase
	// verbGone looks whether there is no row.
	verbGone
	// verbMatch looks whether the row is as expected.
	verbMatch
	// verbPark gives columns of the row values that no other has, if it is as expected.
	verbPark
)

// How a column takes part in a statement.
const (
	sets    byte = 1 << iota // it gets the new value
	expects                  // it has to have the expected value
)

// form is one statement over many rows.
type form struct {
	*target
	verb  verb
	roles []byte // by column
	args  []arg
	sql   string
	// copy is the statement that does the same by COPY, for an insert.
	copy string
	// keyed: the keys of the rows that were written come back. counted: the number of rows
	// comes back as a value. Otherwise the places of the rows come back.
	keyed, counted bool
}

// arg is where a parameter comes from: a value of the key, or of one of the rows.
type arg struct {
	from  source
	index int
}

type source byte

const (
	fromKey source = iota
	fromNew
	fromExpect
)

func (a arg) of(w *sinks.Write) change.Value {
	switch a.from {
	case fromKey:
		return w.Key[a.index]
	case fromNew:
		return w.New[a.index]
	default:
		return w.Expect.Row[a.index]
	}
}

var (
	errKey    = errors.New("a value of the key is missing")
	errAlways = errors.New("column is GENERATED ALWAYS AS IDENTITY and takes no other value once the row is there")
)

// plan says what has to be done for a write, and sets the roles of the columns in it.
func (t *target) plan(w *sinks.Write, roles []byte) (verb, error) {
	for _, v := range w.Key {
		if v.IsNull() || v.IsUnset() {
			return 0, errKey
		}
	}
	known, absent := w.Expect.Known, w.Expect.Known && w.Expect.Row == nil
	v := verbUpdate
	switch {
	case !known && w.New == nil:
		v = verbErase
	case !known:
		v = verbPut
	case absent && w.New == nil:
		v = verbGone
	case absent:
		v = verbInsert
	case w.New == nil:
		v = verbDelete
	}
	changes := false
	for i, c := range t.columns {
		roles[i] = 0
		if t.isKey[i] || c == nil {
			continue
		}
		compare := (v == verbUpdate || v == verbDelete) && !w.Expect.Row[i].IsUnset()
		if compare {
			roles[i] |= expects
		}
		if w.New == nil || v == verbGone || w.New[i].IsUnset() {
			continue
		}
		if v == verbUpdate && c.Always {
			if compare && w.New[i] != w.Expect.Row[i] {
				return 0, fmt.Errorf("%s: %w", t.table.Columns[i].Name, errAlways)
			}
			continue
		}
		roles[i] |= sets
		changes = true
	}
	if v == verbUpdate && !changes {
		v = verbMatch
	}
	return v, nil
}

// formsMax bounds the forms of a table: beyond it, columns that did not change are written
// with those that did, and more rows share a form.
const formsMax = 64

// form returns the statement for a verb and roles.
func (t *target) form(v verb, roles []byte) *form {
	var name [64]byte
	key := append(append(name[:0], byte(v)), roles...)
	if f := t.forms[string(key)]; f != nil {
		return f
	}
	f := &form{target: t, verb: v, roles: append([]byte(nil), roles...)}
	f.compile()
	t.forms[string(key)] = f
	return f
}

// quoted is the column at i as SQL.
func (t *target) quoted(i int) string { return store.Quote(t.table.Columns[i].Name) }

// add adds a parameter and returns the column of u that has its values.
func (f *form) add(from source, index int) string {
	f.args = append(f.args, arg{from, index})
	return fmt.Sprintf("u.c%d", len(f.args)-1)
}

// typed is the parameter as a value of the column at i.
func (f *form) typed(from source, index, i int) string {
	return f.add(from, index) + "::" + f.columns[i].Cast
}

// unnest is the parameters as rows, with their place among them.
func (f *form) unnest() string {
	var params, names strings.Builder
	for i := range f.args {
		if i > 0 {
			params.WriteString(", ")
		}
		fmt.Fprintf(&params, "$%d::text[]", i+1)
		fmt.Fprintf(&names, "c%d, ", i)
	}
	return "unnest(" + params.String() + ") WITH ORDINALITY AS u(" + names.String() + "o)"
}

// key is the condition that a row t has the key in u. Where other keys may be equal, it has to
// be the same by content.
func (f *form) key() string {
	var all []string
	for i, c := range f.table.Key {
		u := f.add(fromKey, i)
		all = append(all, "t."+f.quoted(c)+" = "+u+"::"+f.columns[c].Cast)
		if !f.columns[c].Exact() {
			all = append(all, "("+f.columns[c].Same("t."+f.quoted(c), u)+")")
		}
	}
	return strings.Join(all, " AND ")
}

// expected is the condition that a row t is as expected, to be added to that of its key.
func (f *form) expected() string {
	var b strings.Builder
	for i, r := range f.roles {
		if r&expects != 0 {
			b.WriteString(" AND (" + f.columns[i].Same("t."+f.quoted(i), f.add(fromExpect, i)) + ")")
		}
	}
	return b.String()
}

// assigned are the columns that are set, and the values that they get.
func (f *form) assigned() string {
	var list []string
	for i, r := range f.roles {
		if r&sets != 0 {
			list = append(list, f.quoted(i)+" = "+f.typed(fromNew, i, i))
		}
	}
	return strings.Join(list, ", ")
}

// compile writes the statement. Parameters are numbered as they are met.
func (f *form) compile() {
	table := f.have.Qualified() + " AS t"
	switch f.verb {
	case verbInsert, verbPut:
		f.compileInsert()
	case verbUpdate:
		set, where := f.assigned(), f.key()+f.expected()
		f.sql = "UPDATE " + table + " SET " + set + " FROM " + f.unnest() + " WHERE " + where + " RETURNING u.o"
	case verbDelete, verbErase:
		where := f.key() + f.expected()
		f.sql = "DELETE FROM " + table + " USING " + f.unnest() + " WHERE " + where + " RETURNING u.o"
	case verbPark:
		var set []string
		for i, r := range f.roles {
			if r&sets != 0 {
				set = append(set, f.quoted(i)+" = "+f.parks[i])
			}
		}
		where := f.key() + f.expected()
		f.sql = "UPDATE " + table + " SET " + strings.Join(set, ", ") + " FROM " + f.unnest() + " WHERE " + where + " RETURNING u.o"
	case verbGone, verbMatch:
		where := f.key() + f.expected()
		f.sql = "SELECT u.o FROM " + f.unnest() + " WHERE EXISTS (SELECT FROM " + table + " WHERE " + where + ")"
	}
}

// isWhole tells whether a new row has every column that it has to have.
func (f *form) isWhole() bool {
	if f.missing {
		return false
	}
	for _, i := range f.required {
		if !f.isKey[i] && f.roles[i]&sets == 0 {
			return false
		}
	}
	return true
}

func (f *form) compileInsert() {
	var names, values, keys, returned, sames, updates []string
	overriding := ""
	column := func(i int, from source, index int) {
		names, values = append(names, f.quoted(i)), append(values, f.typed(from, index, i))
		if f.columns[i].Always {
			overriding = " OVERRIDING SYSTEM VALUE"
		}
	}
	for i, c := range f.table.Key {
		column(c, fromKey, i)
		keys, returned = append(keys, f.quoted(c)), append(returned, "t."+f.quoted(c))
		if !f.columns[c].Exact() {
			sames = append(sames, "("+f.columns[c].Same("t."+f.quoted(c), "excluded."+f.quoted(c)+"::text")+")")
		}
	}
	conflict := strings.Join(keys, ", ")
	for i, r := range f.roles {
		if r&sets == 0 {
			continue
		}
		column(i, fromNew, i)
		if !f.columns[i].Always {
			updates = append(updates, f.quoted(i)+" = excluded."+f.quoted(i))
		}
	}
	into := "INSERT INTO " + f.have.Qualified() + " AS t (" + strings.Join(names, ", ") + ")" + overriding +
		" SELECT " + strings.Join(values, ", ") + " FROM "
	switch {
	case f.verb == verbInsert:
		f.keyed = true
		f.sql = into + f.unnest() + " ON CONFLICT (" + conflict + ") DO NOTHING RETURNING " + strings.Join(returned, ", ")
		f.copy = "COPY " + f.have.Qualified() + " (" + strings.Join(names, ", ") + ") FROM STDIN"
		return
	case len(updates) == 0:
		conflict = " ON CONFLICT (" + conflict + ") DO NOTHING"
	default:
		conflict = " ON CONFLICT (" + conflict + ") DO UPDATE SET " + strings.Join(updates, ", ")
		if sames != nil {
			conflict += " WHERE " + strings.Join(sames, " AND ")
		}
	}
	if f.isWhole() {
		f.sql = into + f.unnest() + conflict
		return
	}
	f.counted = true
	f.sql = f.updateFirst(into, conflict)
}

// updateFirst puts rows that lack a column that a new row has to have: INSERT … ON CONFLICT
// would refuse them before it sees that they are there.
func (f *form) updateFirst(into, conflict string) string {
	found := "SELECT u.o FROM u WHERE EXISTS (SELECT FROM " + f.have.Qualified() + " AS t WHERE "
	end := ")"
	var set []string
	for i, a := range f.args {
		if a.from == fromNew && !f.columns[a.index].Always {
			set = append(set, fmt.Sprintf("%s = u.c%d::%s", f.quoted(a.index), i, f.columns[a.index].Cast))
		}
	}
	if set != nil {
		found = "UPDATE " + f.have.Qualified() + " AS t SET " + strings.Join(set, ", ") + " FROM u WHERE "
		end = " RETURNING u.o"
	}
	found += f.key() + end // the key is a parameter twice
	return "WITH u AS MATERIALIZED (SELECT * FROM " + f.unnest() + "), d AS (" + found + "), i AS (" +
		into + "u WHERE u.o NOT IN (SELECT o FROM d)" + conflict + " RETURNING 1)" +
		" SELECT (SELECT count(*) FROM d) + (SELECT count(*) FROM i)"
}
