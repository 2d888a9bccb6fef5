// Package mapping carries rows between the two tables of a pair. It is pure: a pair is
// compiled once from what the config says and the catalogues show, and then moves
// values.
//
// The router compares, merges and decides on rows in one form, the form of the pair: one
// value for each mapped column, in the kinds and the codes of the right table. A row of
// either store is brought into that form with [Pair.Canon], and out of it with
// [Pair.Native].
//
// A pair with a filter has no form for rows outside of it: they are to the link as if they
// were not there, on either side.
package mapping

import "github.com/cdcsync/cdcsync/change"

// Expression computes one value from columns of a row. Implementations are safe for
// concurrent use and deterministic.
type Expression interface {
	// Inputs are the names of the columns it reads: of the left table in to_right, of the
	// right one in to_left, and of the form in a filter.
	Inputs() []string
	// Eval gets the inputs in that order.
	Eval(inputs []change.Value) (change.Value, error)
}

// Spec is a table pair as the config has it, with the tables as the stores have them.
type Spec struct {
	Name string
	// Tables are the whole tables, left and right, with every column and the primary key.
	Tables [2]*change.Table
	// Columns are the columns that the config names.
	Columns []ColumnSpec
	// Where is true for the rows that the pair keeps the same; nil for all. It reads columns
	// of the form, by name, and is evaluated to a Bool, or to NULL for false.
	Where Expression
	// Ignore are names of columns (on either side) that are neither read nor written.
	Ignore []string
	// Writes tells which sides are written to: both for a two-way link.
	Writes [2]bool
}

// ColumnSpec is one column block of the config. Columns that the config does not name are
// paired by equal name.
type ColumnSpec struct {
	// Name is the label of the block, and the name of the column in conflicts and logs.
	Name string
	// Column is the column on each side, left and right; "" where the config does not say:
	// then it is Name where the table has a column called so, and none otherwise.
	Column [2]string
	// Values translates left values to right ones, one to one; nil for none.
	Values map[string]string
	// Convert is the expression that makes the value for that side ([change.Right] is
	// to_right, [change.Left] to_left); nil for none.
	Convert [2]Expression
	// Constant is what new rows have in a column that is written to and not read; Unset for
	// none. Rows that are there keep what they have.
	Constant change.Value
	// Default is written where the other side has NULL; Unset for none.
	Default change.Value
	// Mask makes the value that is written of the one that is read; nil for none.
	Mask Mask
	// KeyOf is the name of the pair whose keys the column holds, if these are translated; that of
	// the table itself for its own key. See [Keyed].
	KeyOf string
	// Sensitive columns are listed in the pair, for those who show rows.
	Sensitive bool
}

// Mask hides a value. It is deterministic and safe for concurrent use.
type Mask func(change.Value) (change.Value, error)

// Problem is a mistake in a Spec. Column and Attribute tell the config package which range
// to point at: Column is the label of the block ("" for the table block), Attribute the
// attribute in it ("" for the block itself).
type Problem struct {
	Column, Attribute string
	// Summary is a short title, Detail says what is wrong and how to mend it.
	Summary, Detail string
}
