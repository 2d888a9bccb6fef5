package sqlite

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// target is one table that is written to, with its statements.
type target struct {
	conn  *store.Conn
	table *change.Table
	have  *store.Table
	// isKey and affinity are by the columns of table.
	isKey    []bool
	affinity []store.Affinity
	inexact  bool
	// quiet: writing a row changes no other one, so the sink logs its echoes itself, in one
	// entry, and the capture triggers do nothing. layout is that of the log, or nil.
	quiet  bool
	layout *store.Layout
	// wrote tells whether the last write changed a row, and echoes is keys to be logged.
	wrote  bool
	echoes []byte
	stmts  map[string]*statement
	name   []byte // of the statement at hand, see statement
}

// statementsMax bounds the statements kept for a table: they differ by which columns
// change, and an application may change them in any combination.
const statementsMax = 256

// refresh reads the catalogue again if the schema has changed.
func (s *Sink) refresh(ctx context.Context) error {
	version, err := s.conn.Int(ctx, "PRAGMA schema_version")
	if err != nil || version == s.schema {
		return err
	}
	have, err := s.conn.Catalogue(ctx)
	if err != nil {
		return err
	}
	if s.logged, err = s.conn.Link(ctx, s.link); err != nil {
		return err
	}
	s.forget()
	s.have, s.rank, s.schema = have, ranks(have), version
	s.family = families(have)
	s.related = false
	for _, t := range have {
		s.related = s.related || len(t.References) > 0
	}
	return nil
}

func (s *Sink) forget() {
	for _, t := range s.targets {
		t.close()
	}
	s.targets = map[*change.Table]*target{}
}

// ranks returns how far each table is from the tables that refer to nothing: parents have
// lower ranks than their children, as far as there is no circle.
func ranks(have map[string]*store.Table) map[string]int {
	rank := map[string]int{}
	var visit func(name string, open []string) int
	visit = func(name string, open []string) int {
		if r, ok := rank[name]; ok {
			return r
		}
		r := 0
		for _, fk := range have[name].References {
			if !slices.Contains(open, fk.Table) {
				r = max(r, visit(fk.Table, append(open, fk.Table))+1)
			}
		}
		rank[name] = r
		return r
	}
	for name := range have {
		visit(name, []string{name})
	}
	return rank
}

// families gives tables that are related by foreign keys, however far, the same name.
func families(have map[string]*store.Table) map[string]string {
	family := map[string]string{}
	for name := range have {
		family[name] = name
	}
	for name, t := range have {
		for _, fk := range t.References {
			from, to := family[fk.Table], family[name]
			for other := range family {
				if family[other] == from {
					family[other] = to
				}
			}
		}
	}
	return family
}

func (s *Sink) target(table *change.Table) (*target, error) {
	if t := s.targets[table]; t != nil {
		return t, nil
	}
	have := s.have[table.Name]
	switch {
	case have == nil:
		return nil, &change.Error{Op: "write", Table: table.Name, Err: fmt.Errorf("there is no such table"), Hint: "it was dropped or renamed: change the config and run setup"}
	case have.Refused != nil:
		return nil, &change.Error{Op: "write", Table: table.Name, Err: have.Refused}
	}
	t := &target{conn: s.conn, table: table, have: have, inexact: have.Inexact(), stmts: map[string]*statement{},
		isKey: make([]bool, len(table.Columns)), affinity: make([]store.Affinity, len(table.Columns))}
	if s.logged != nil && s.logged.Generation != "" {
		t.layout = s.logged.Layout(table.Name)
	}
	t.quiet = t.layout != nil && !have.Cascades && len(have.Triggers) == 0
	for i := range table.Columns {
		j := have.Column(table.Columns[i].Name)
		if j < 0 {
			return nil, &change.Error{Op: "write", Table: table.Name, Err: fmt.Errorf("there is no column %s", table.Columns[i].Name), Hint: "it was dropped or renamed: change the config and run setup"}
		}
		t.affinity[i] = have.Affinity[j]
		t.isKey[i] = slices.Contains(table.Key, i)
	}
	s.targets[table] = t
	return t, nil
}

func (t *target) close() {
	for _, s := range t.stmts {
		_ = s.stmt.Close() // repeats the error of the last execution
	}
	t.stmts = map[string]*statement{}
}

// numeric is text that a numeric column makes a number of.
var numeric = regexp.MustCompile(`^[ \t\n\v\f\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\v\f\r]*$`)

// keyFits returns an error if the store would make another key of this one: the row could
// never be found again.
func (t *target) keyFits(key change.Row) error {
	for i, c := range t.table.Key {
		v := key[i]
		ok := true
		switch affinity := t.affinity[c]; v.Kind() {
		case change.Null, change.Unset:
			return fmt.Errorf("key column %s has no value", t.table.Columns[c].Name)
		case change.Int64, change.Bool:
			ok = affinity != store.TextAffinity && affinity != store.RealAffinity
		case change.Float64:
			f := v.Float64()
			whole := f == math.Trunc(f) && math.Abs(f) < 1<<63
			ok = affinity == store.RealAffinity || affinity == store.BlobAffinity || affinity != store.TextAffinity && !whole
		case change.Bytes:
		default:
			ok = affinity == store.TextAffinity || affinity == store.BlobAffinity || !numeric.MatchString(v.Str())
		}
		if !ok {
			return fmt.Errorf("key column %s of type %s would store %s as another value", t.table.Columns[c].Name, t.table.Columns[c].Type, v.Kind())
		}
	}
	return nil
}

// arg is where an argument of a statement comes from.
type arg struct {
	from  source
	index int
}

type source uint8

const (
	fromKey source = iota
	fromNew
	fromExpect
)

// statement is a prepared statement for writes of one shape.
type statement struct {
	stmt *store.Stmt
	args []arg
	// looks: it reads, and writes nothing.
	looks bool
}

func (s *statement) bind(w *sinks.Write) error {
	for i, a := range s.args {
		var v change.Value
		switch a.from {
		case fromKey:
			v = w.Key[a.index]
		case fromNew:
			v = w.New[a.index]
		case fromExpect:
			v = w.Expect.Row[a.index]
		}
		if err := s.stmt.Set(i, v); err != nil {
			return err
		}
	}
	return nil
}

// The verbs of statements.
const (
	verbInsert = 'i' // only where the key is not taken
	verbPut    = 'p' // insert or update
	verbUpdate = 'u'
	verbDelete = 'd'
	verbMatch  = 'm' // look whether the row is as expected
)

// How a column takes part in a statement, two bits for each role.
const (
	sets       = 1      // its new value is written
	equals     = 1 << 1 // it has to be as expected
	equalsInt  = 2 << 1 // and an integer
	equalsReal = 3 << 1 // and a real number
	equalsMask = 3 << 1
)

// statement returns the statement for a write. An update that changes nothing becomes a look
// whether the row is as expected.
func (t *target) statement(verb byte, w *sinks.Write) (*statement, error) {
	t.name = append(t.name[:0], verb)
	var all byte
	for i := range t.table.Columns {
		r := t.role(verb, w, i)
		t.name = append(t.name, r)
		all |= r
	}
	if verb == verbUpdate && all&sets == 0 {
		verb, t.name[0] = verbMatch, verbMatch
	}
	if s := t.stmts[string(t.name)]; s != nil {
		return s, nil
	}
	if len(t.stmts) >= statementsMax {
		t.close()
	}
	query, args := t.compile(verb, t.name[1:])
	stmt, err := t.conn.Prepare(query)
	if err != nil {
		return nil, &change.Error{Op: "prepare write", Table: t.table.Name, Err: err}
	}
	s := &statement{stmt: stmt, args: args, looks: verb == verbMatch}
	t.stmts[string(t.name)] = s
	return s, nil
}

// role returns how the column at i takes part.
func (t *target) role(verb byte, w *sinks.Write, i int) byte {
	var r byte
	if t.isKey[i] {
		return 0
	}
	conditional := w.Expect.Known && w.Expect.Row != nil && verb != verbInsert && verb != verbPut
	if conditional && !w.Expect.Row[i].IsUnset() {
		r = equals
		switch w.Expect.Row[i].Kind() { // 1 IS 1.0 in SQL; most columns hold one of the two only
		case change.Int64, change.Bool:
			if t.affinity[i] == store.BlobAffinity || t.affinity[i] == store.RealAffinity {
				r = equalsInt
			}
		case change.Float64:
			if t.affinity[i] != store.RealAffinity {
				r = equalsReal
			}
		}
	}
	if verb == verbDelete || verb == verbMatch || t.table.Columns[i].Generated || w.New[i].IsUnset() {
		return r
	}
	if verb == verbUpdate && conditional && w.New[i] == w.Expect.Row[i] {
		return r
	}
	return r | sets
}

func (t *target) column(i int) string { return store.Quote(t.table.Columns[i].Name) }

// where adds the condition that finds the row, and that it is as expected.
func (t *target) where(b *strings.Builder, roles []byte, args []arg) []arg {
	b.WriteString(" WHERE ")
	for i, c := range t.table.Key {
		if i > 0 {
			b.WriteString(" AND ")
		}
		fmt.Fprintf(b, "%s=?", t.column(c))
		if t.have.Rowid < 0 {
			b.WriteString(" COLLATE " + store.Quote(t.have.Collation[i]))
		}
		args = append(args, arg{fromKey, i})
	}
	if t.inexact {
		args = t.exactKey(b, "", args)
	}
	for i, r := range roles {
		if r&equalsMask == 0 {
			continue
		}
		fmt.Fprintf(b, " AND +%s IS ? COLLATE BINARY", t.column(i))
		args = append(args, arg{fromExpect, i})
		switch r & equalsMask {
		case equalsInt:
			fmt.Fprintf(b, " AND typeof(%s)='integer'", t.column(i))
		case equalsReal:
			fmt.Fprintf(b, " AND typeof(%s)='real'", t.column(i))
		}
	}
	return args
}

// exactKey adds that the key is the same by content, and not as its collation sees it.
func (t *target) exactKey(b *strings.Builder, prefix string, args []arg) []arg {
	for i, c := range t.table.Key {
		fmt.Fprintf(b, " AND +%s%s IS ? COLLATE BINARY AND typeof(%s%s)=typeof(?)", prefix, t.column(c), prefix, t.column(c))
		args = append(args, arg{fromKey, i}, arg{fromKey, i})
	}
	return args
}

// compile writes the statement. OR ABORT overrides what the table's constraints declare,
// which may be to replace other rows.
func (t *target) compile(verb byte, roles []byte) (string, []arg) {
	var b strings.Builder
	var args []arg
	switch verb {
	case verbMatch:
		b.WriteString("SELECT 1 FROM " + store.Quote(t.table.Name))
		args = t.where(&b, roles, nil)
	case verbDelete:
		b.WriteString("DELETE FROM " + store.Quote(t.table.Name))
		args = t.where(&b, roles, nil)
	case verbUpdate:
		b.WriteString("UPDATE OR ABORT " + store.Quote(t.table.Name) + " SET ")
		comma := ""
		for i, r := range roles {
			if r&sets != 0 {
				b.WriteString(comma + t.column(i) + "=?")
				args, comma = append(args, arg{fromNew, i}), ","
			}
		}
		args = t.where(&b, roles, args)
	default:
		args = t.compileInsert(&b, verb, roles)
	}
	return b.String(), args
}

func (t *target) compileInsert(b *strings.Builder, verb byte, roles []byte) []arg {
	var names, keys, updates []string
	var args []arg
	for i, c := range t.table.Key {
		names, keys, args = append(names, t.column(c)), append(keys, t.column(c)), append(args, arg{fromKey, i})
	}
	for i, r := range roles {
		if r&sets != 0 {
			names, args = append(names, t.column(i)), append(args, arg{fromNew, i})
			updates = append(updates, t.column(i)+"=excluded."+t.column(i))
		}
	}
	fmt.Fprintf(b, "INSERT OR ABORT INTO %s(%s) VALUES(?%s) ON CONFLICT(%s) DO ", store.Quote(t.table.Name),
		strings.Join(names, ","), strings.Repeat(",?", len(names)-1), strings.Join(keys, ","))
	if verb == verbInsert || updates == nil {
		b.WriteString("NOTHING")
		return args
	}
	b.WriteString("UPDATE SET " + strings.Join(updates, ","))
	if t.inexact {
		b.WriteString(" WHERE 1")
		args = t.exactKey(b, store.Quote(t.table.Name)+".", args)
	}
	return args
}
