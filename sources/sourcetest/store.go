// Package sourcetest is what every source has to pass. An engine gives [Run] a way to make
// a new [Store], and the same one to sinktest.Run:
//
//	func TestSource(t *testing.T) { sourcetest.Run(t, newStore) }
//
//	func newStore(t *testing.T) *sourcetest.Store {
//		// create the tables of Schema, set up capture for the links "a" and "b"
//		return &sourcetest.Store{ ... }
//	}
package sourcetest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
)

// Schema is the tables that a store under test has, as SQL that every engine understands
// but for the types in capitals, which are: INT64; TEXT that is compared by its bytes;
// FLOAT64; BYTES; ANY, for which see [Capabilities.Untyped]; and COUNTED, for a column that
// the store counts up for new rows, never to the same number twice. An engine without
// foreign keys leaves those out. All tables are part of the links "a" and "b", except
// elsewhere.
const Schema = `
CREATE TABLE items    (id INT64 PRIMARY KEY, v TEXT, n INT64, f FLOAT64, b BYTES, x ANY);
CREATE TABLE names    (name TEXT PRIMARY KEY, v TEXT);
CREATE TABLE pairs    (one INT64 NOT NULL, two TEXT NOT NULL, v TEXT, PRIMARY KEY (two, one));
CREATE TABLE codes    (id INT64 PRIMARY KEY, code TEXT UNIQUE, v TEXT);
CREATE TABLE parents  (id INT64 PRIMARY KEY, v TEXT);
CREATE TABLE children (id INT64 PRIMARY KEY, parent INT64 REFERENCES parents (id), v TEXT);
CREATE TABLE counted  (id INT64 COUNTED PRIMARY KEY, code TEXT UNIQUE, v TEXT);
CREATE TABLE elsewhere (id INT64 PRIMARY KEY, v TEXT);
`

// Tables are the names of the tables that are part of the links.
var Tables = []string{"items", "names", "pairs", "codes", "parents", "children", "counted"}

// Store is one new store with empty tables, and the ways to it. What Source, Looker and
// Sink return is closed by the suite. To open one again is what a restart of the program
// does: whatever they remember has to be in the store.
type Store struct {
	Capabilities

	// Table returns a table of [Schema] with its columns and key, in that order.
	Table func(name string) *change.Table
	// Write runs the statements as one transaction of an application that knows nothing of
	// the links, and commits it, or rolls it back.
	Write func(t testing.TB, commit bool, statements ...Statement)
	// Rows returns what a table holds, in any order, without the code under test.
	Rows func(t testing.TB, table string) []change.Row

	Source  func(t testing.TB, link string) sources.Source
	Looker  func(t testing.TB, link string) sources.Looker
	Sink    func(t testing.TB, link string) sinks.Sink
	Journal func(t testing.TB, link string) sinks.Journal
	Keys    func(t testing.TB, link string) sinks.Keys

	// Truncate runs a transaction of an application that writes what is before, empties the
	// table with one statement, and writes what is behind. Nil: the engine has no such
	// statement, or its log tells of each row. The source gives a Tx that has the table in
	// Emptied behind all that was written before, in this transaction or earlier ones, and
	// before what was written after it; nothing but Emptied tells of the rows. A start from the
	// position of that Tx does not give it again. Looks that begin after that show it.
	Truncate func(t testing.TB, table string, before, behind []Statement)

	// Lose makes the log forget everything that it has, settled or not, as a purge by an
	// operator does. Nil: this cannot happen to the engine.
	Lose func(t testing.TB)
}

// Capabilities say what an engine can do that others cannot.
type Capabilities struct {
	// Transactions: every transaction of the store is a Tx of its own, and its images
	// are those of its commit. False: neighbouring transactions by the same writer may be
	// one Tx, several changes of a row one change, and a row is as it was found when the
	// log was read.
	Transactions bool
	// Net: the changes of a row in one transaction of the store are one, or none if the row is
	// as it was.
	Net bool
	// BeforeImages: every local change has one.
	BeforeImages bool
	// Untyped: the column of type ANY keeps integers, floats, texts and bytes as what they
	// are. False: it is a TEXT column.
	Untyped bool
	// NUL: a text may hold the byte zero.
	NUL bool
	// Infinity: a float may be infinite.
	Infinity bool
	// ForeignKeys: children.parent is checked.
	ForeignKeys bool
	// Measured: the looker says how long the log is.
	Measured bool
	// Blocks: rows can be written as text.
	Blocks bool
}

// Statement is one row written by an application.
type Statement struct {
	Table string
	// Key is the row to be updated or deleted, in key order; nil for an insert.
	Key change.Row
	// Row is the whole row to be inserted, or to be there instead, maybe under another key;
	// nil for a delete.
	Row change.Row
}

// Insert adds the row.
func Insert(table string, row ...change.Value) Statement { return Statement{Table: table, Row: row} }

// Update replaces the row with that key.
func Update(table string, key change.Row, row ...change.Value) Statement {
	return Statement{Table: table, Key: key, Row: row}
}

// Delete removes the row with that key.
func Delete(table string, key ...change.Value) Statement { return Statement{Table: table, Key: key} }

// SQL returns s as text with its arguments. Placeholder returns the n-th parameter, from 1:
// "?", or "$1".
func (s Statement) SQL(table *change.Table, placeholder func(n int) string) (string, []change.Value) {
	var args []change.Value
	bind := func(names []string, values change.Row) []string {
		list := make([]string, len(values))
		for i, v := range values {
			args = append(args, v)
			list[i] = placeholder(len(args))
			if names != nil {
				list[i] = names[i] + " = " + list[i]
			}
		}
		return list
	}
	columns := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		columns[i] = c.Name
	}
	key := make([]string, len(table.Key))
	for i, c := range table.Key {
		key[i] = table.Columns[c].Name
	}
	switch {
	case s.Key == nil:
		values := bind(nil, s.Row)
		return "INSERT INTO " + s.Table + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")", args
	case s.Row == nil:
		return "DELETE FROM " + s.Table + " WHERE " + strings.Join(bind(key, s.Key), " AND "), args
	default:
		set := strings.Join(bind(columns, s.Row), ", ")
		return "UPDATE " + s.Table + " SET " + set + " WHERE " + strings.Join(bind(key, s.Key), " AND "), args
	}
}

// QuestionMark returns "?", the placeholder of SQLite and MySQL.
func QuestionMark(int) string { return "?" }

// Dollar returns $n, the placeholder of PostgreSQL.
func Dollar(n int) string { return "$" + strconv.Itoa(n) }

// Short names for values in rows of the suites.
var (
	null = change.NullValue()
	text = change.TextValue
	num  = change.Int
)

// Item returns a row of items of which only the first columns matter.
func Item(id int64, v string) change.Row {
	return change.Row{num(id), text(v), null, null, null, null}
}

// ID returns a key of one integer.
func ID(id int64) change.Row { return change.Row{num(id)} }
