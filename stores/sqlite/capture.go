package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Capture says what the triggers log of a row.
type Capture uint8

const (
	// Keys logs the key. Triggers name key columns and unique columns only, so every
	// other column can be dropped while they are installed.
	Keys Capture = iota
	// Rows logs the key and the old values of the captured columns. A captured column
	// cannot be dropped while the triggers are installed.
	Rows
)

// String returns the name of c as the config writes it.
func (c Capture) String() string { return [...]string{"keys", "rows"}[c] }

// Op is what an entry of the log says of the row with its key.
type Op int64

const (
	// Inserted: the row was not there before, unless a Candidate of the same statement
	// says so; no old values.
	Inserted Op = 1
	// Updated and Deleted have the old values, with capture "rows".
	Updated Op = 2
	Deleted Op = 3
	// Candidate: a row that the statement may replace, for which no trigger would fire.
	// It has the old values, with capture "rows".
	Candidate Op = 4
	// Gap: changes of the table may have gone unlogged before this entry, for the reason in
	// its first value.
	Gap Op = 5
	// Echoes: the link's sink wrote rows whose keys are in the first value ([AppendKeys]), and
	// kept the triggers from logging them one by one.
	Echoes Op = 6
)

// AppendKeys appends a key to the value of an Echoes entry.
func AppendKeys(b []byte, key change.Row) []byte { return change.AppendRow(b, key) }

// EachKey calls f for every key in the value of an Echoes entry.
func EachKey(b []byte, f func(key change.Row)) error {
	for len(b) > 0 {
		key, rest, err := change.DecodeRow(b)
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		f(key)
		b = rest
	}
	return nil
}

// Layout is how the entries of one table lie in a link's log: the values of the key, in
// key order, and then those of the old columns.
type Layout struct {
	ID    int64
	Table string
	Mode  Capture
	Key   []string
	// Old is the other columns of which old values are logged; none with capture "keys".
	Old []string
}

// Width is how many columns of the log the entries take.
func (l *Layout) Width() int { return len(l.Key) + len(l.Old) }

// layoutOf returns the layout for a table of a link.
func layoutOf(t *change.Table, mode Capture) Layout {
	l := Layout{Table: t.Name, Mode: mode}
	for _, k := range t.Key {
		l.Key = append(l.Key, t.Columns[k].Name)
	}
	if mode == Rows {
		for i := range t.Columns {
			if !slices.Contains(t.Key, i) {
				l.Old = append(l.Old, t.Columns[i].Name)
			}
		}
	}
	return l
}

// same tells whether entries of l can be read as entries of o.
func (l *Layout) same(o *Layout) bool {
	return l.Table == o.Table && l.Mode == o.Mode && slices.Equal(l.Key, o.Key) && slices.Equal(l.Old, o.Old)
}

// LogTable returns the name of link's log.
func LogTable(link string) string { return Prefix + "log_" + link }

// ConflictTable returns the name of the table of link's conflicts.
func ConflictTable(link string) string { return Prefix + "conflict_" + link }

// TriggerPrefix returns what the names of link's triggers begin with.
func TriggerPrefix(link string) string { return Prefix + link + "." }

// Trigger is a capture trigger as it has to be in sqlite_schema.
type Trigger struct{ Name, SQL string }

// triggerWriter builds the triggers of one table for one link.
type triggerWriter struct {
	link   string
	number int64 // of the link
	layout *Layout
	table  *Table
	out    []Trigger
}

// Triggers returns the triggers that log table's changes for a link with this number.
//
// Old values are logged BEFORE the change: a trigger of the application that changes the
// row again would otherwise be logged first, with a row that nobody committed. A REPLACE
// fires no trigger for the rows that it deletes, so rows that stand in the way of a
// unique value are logged as candidates. The functions used are in every SQLite since
// 3.8, because they run in the application.
func Triggers(link string, number int64, layout *Layout, table *Table) []Trigger {
	w := &triggerWriter{link: link, number: number, layout: layout, table: table}
	key := table.Inexact() || layout.Mode == Rows // a row replaced under the same key
	w.add("insert", "AFTER INSERT", w.entry(Inserted, "NEW.", ""))
	w.add("guard_insert", "BEFORE INSERT", w.candidates(key, false))
	if layout.Mode == Rows {
		w.add("update", "BEFORE UPDATE", w.entry(Updated, "OLD.", ""))
		w.add("delete", "BEFORE DELETE", w.entry(Deleted, "OLD.", ""))
	} else {
		w.add("update", "AFTER UPDATE", w.entry(Updated, "NEW.", ""))
		w.add("delete", "AFTER DELETE", w.entry(Deleted, "OLD.", ""))
	}
	w.add("guard_update", "BEFORE UPDATE"+w.uniqueColumns(), w.candidates(false, true))
	moved := ""
	if key {
		moved = w.keyCandidate(" AND " + w.keyDiffers())
	}
	moved += w.entry(Deleted, "OLD.", w.keyDiffers())
	if layout.Mode == Rows { // with Keys the AFTER UPDATE logs the new key
		moved += w.entry(Inserted, "NEW.", w.keyDiffers())
	}
	w.add("key", "BEFORE UPDATE OF "+w.keyNames(), moved)
	return w.out
}

func (w *triggerWriter) add(name, when, body string) {
	if body == "" {
		return
	}
	full := Quote(fmt.Sprintf("%s%d.%s", TriggerPrefix(w.link), w.layout.ID, name))
	w.out = append(w.out, Trigger{
		Name: fmt.Sprintf("%s%d.%s", TriggerPrefix(w.link), w.layout.ID, name),
		SQL:  fmt.Sprintf("CREATE TRIGGER %s %s ON %s BEGIN %sEND", full, when, Quote(w.table.Name), body),
	})
}

// entry returns the statement that logs one row of which the values are at hand as
// prefix, on condition.
func (w *triggerWriter) entry(op Op, prefix, condition string) string {
	values := w.values(prefix, op != Inserted && w.layout.Mode == Rows)
	into := fmt.Sprintf("INSERT INTO %s(tbl,op,apply,at%s)", Quote(LogTable(w.link)), w.slots(len(values)))
	row := fmt.Sprintf("%d,%d,%s,julianday('now'),%s", w.layout.ID, op, w.apply(), strings.Join(values, ","))
	if condition == "" {
		return into + " VALUES(" + row + "); "
	}
	return into + " SELECT " + row + " WHERE " + condition + "; "
}

// fromTable returns the statement that logs the rows of the table for which condition
// holds as candidates.
func (w *triggerWriter) fromTable(condition string) string {
	values := w.values("", w.layout.Mode == Rows)
	return fmt.Sprintf("INSERT INTO %s(tbl,op,apply,at%s) SELECT %d,%d,%s,julianday('now'),%s FROM %s WHERE %s; ",
		Quote(LogTable(w.link)), w.slots(len(values)), w.layout.ID, Candidate, w.apply(),
		strings.Join(values, ","), Quote(w.table.Name), condition)
}

func (w *triggerWriter) apply() string {
	return fmt.Sprintf("(SELECT apply FROM %slink WHERE id=%d)", Prefix, w.number)
}

func (w *triggerWriter) values(prefix string, old bool) []string {
	var values []string
	for _, c := range w.layout.Key {
		values = append(values, prefix+Quote(c))
	}
	if old {
		for _, c := range w.layout.Old {
			values = append(values, prefix+Quote(c))
		}
	}
	return values
}

func (w *triggerWriter) slots(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",c%d", i)
	}
	return b.String()
}

// keyDiffers is true if an update changes the key, by content and not as the key's
// collation sees it.
func (w *triggerWriter) keyDiffers() string {
	var terms []string
	for i, c := range w.layout.Key {
		q := Quote(c)
		terms = append(terms, fmt.Sprintf("OLD.%s IS NOT NEW.%s COLLATE BINARY", q, q))
		if w.table.Affinity[w.table.Key[i]] == BlobAffinity {
			terms = append(terms, fmt.Sprintf("typeof(OLD.%s)<>typeof(NEW.%s)", q, q))
		}
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// keyNames lists the names under which an UPDATE can set the key.
func (w *triggerWriter) keyNames() string {
	var names []string
	for _, c := range w.layout.Key {
		names = append(names, Quote(c))
	}
	if w.table.Rowid >= 0 {
		names = append(names, "rowid", "oid", "_rowid_")
	}
	return strings.Join(names, ",")
}

// keyCandidate logs the row that has the new key already.
func (w *triggerWriter) keyCandidate(condition string) string {
	var terms []string
	for i, c := range w.layout.Key {
		q := Quote(c)
		term := fmt.Sprintf("%s=NEW.%s", q, q)
		if w.table.Rowid < 0 {
			term += " COLLATE " + Quote(w.table.Collation[i])
		}
		terms = append(terms, term)
	}
	return w.fromTable(strings.Join(terms, " AND ") + condition)
}

// candidates logs the rows that stand in the way of the new row's unique values.
func (w *triggerWriter) candidates(key, update bool) string {
	var b strings.Builder
	if key {
		b.WriteString(w.keyCandidate(""))
	}
	other := ""
	if update { // the row itself is none
		var terms []string
		for _, c := range w.layout.Key {
			terms = append(terms, fmt.Sprintf("%s IS NOT OLD.%s", Quote(c), Quote(c)))
		}
		other = " AND (" + strings.Join(terms, " OR ") + ")"
	}
	for i := range w.table.Unique {
		if clash, ok := w.clash(&w.table.Unique[i]); ok {
			b.WriteString(w.fromTable(clash + other))
		}
	}
	return b.String()
}

// clash is true for rows that have the same values in a unique index as the new row. The
// condition of a partial index is left out: a candidate too many does no harm.
func (w *triggerWriter) clash(index *Index) (string, bool) {
	var terms []string
	for _, p := range index.Parts {
		switch {
		case p.Column >= 0:
			q := Quote(w.table.Columns[p.Column].Name)
			terms = append(terms, fmt.Sprintf("%s=NEW.%s COLLATE %s", q, q, Quote(p.Collation)))
		case p.Expr == "":
			return "", false
		default:
			terms = append(terms, fmt.Sprintf("(%s\n)=(SELECT %s\n FROM (%s))", p.Expr, p.Expr, w.newRow(p.Expr)))
		}
	}
	return strings.Join(terms, " AND "), len(terms) > 0
}

// newRow is the new row as a query, so that the expression of an index can be used as it
// is written. It has no more columns than the expression may name.
func (w *triggerWriter) newRow(expr string) string {
	var columns []string
	for i := range w.table.Columns {
		name := w.table.Columns[i].Name
		if strings.Contains(strings.ToLower(expr), strings.ToLower(name)) {
			columns = append(columns, fmt.Sprintf("NEW.%s AS %s", Quote(name), Quote(name)))
		}
	}
	if columns == nil {
		return "SELECT 1"
	}
	return "SELECT " + strings.Join(columns, ",")
}

// uniqueColumns is the OF clause of the trigger that guards unique columns in updates: none
// if an index has an expression, which may depend on any column.
func (w *triggerWriter) uniqueColumns() string {
	var names []string
	for i := range w.table.Unique {
		for _, p := range w.table.Unique[i].Parts {
			if p.Column < 0 {
				return ""
			}
			if n := Quote(w.table.Columns[p.Column].Name); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return " OF " + strings.Join(names, ",")
}
