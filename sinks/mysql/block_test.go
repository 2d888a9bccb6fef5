package mysql_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
)

const blockSchema = `
CREATE TABLE t (id bigint PRIMARY KEY, s text CHARACTER SET utf8mb4, d decimal(12,2), ts datetime(3), c char(5), l varchar(9) CHARACTER SET latin1, n tinyint unsigned);
`

// Blocks are read as COPY of PostgreSQL writes them, and what LOAD DATA would change of them is
// found out.
func TestBlock(t *testing.T) {
	kind := func(k change.Kind, digits int) change.Notation { return change.Notation{Kind: k, Digits: digits} }
	integer, words := kind(change.Int64, 0), kind(change.Text, 0)
	blanked := change.Notation{Kind: change.Text, Blanked: true}
	tests := []struct {
		name     string
		text     string
		rows     int
		columns  []int
		notation []change.Notation
		want     sinks.Verdict
		holds    string
	}{
		{"escapes", "1\ta\\tb\\nc\\\\d\\re\\bf\n2\t\\N\n3\t\n4\t\\\\N\n", 4, []int{0, 1}, []change.Notation{integer, words}, done,
			"6109620A635C640D650866,NULL,,5C4E"},
		{"an escape that LOAD DATA has not", "1\ta\\vb\n", 1, []int{0, 1}, []change.Notation{integer, words}, differs, "NULL"},
		{"times of fewer digits", "1\t2024-01-02 03:04:05.12\n", 1, []int{0, 3}, []change.Notation{integer, kind(change.Timestamp, 2)}, done, "NULL"},
		{"times of more digits", "1\t2024-01-02 03:04:05.1234\n", 1, []int{0, 3}, []change.Notation{integer, kind(change.Timestamp, 6)}, refused, "NULL"},
		{"blanks for a CHAR", "1\ta  \n", 1, []int{0, 4}, []change.Notation{integer, words}, refused, "NULL"},
		{"no blanks for a CHAR", "1\ta\n", 1, []int{0, 4}, []change.Notation{integer, blanked}, done, "NULL"},
		{"a letter that is not in the character set", "1\tŁ\n", 1, []int{0, 5}, []change.Notation{integer, words}, differs, "NULL"},
		{"too long", "1\t1234567890\n", 1, []int{0, 5}, []change.Notation{integer, words}, differs, "NULL"},
		{"too large", "1\t256\n", 1, []int{0, 6}, []change.Notation{integer, integer}, differs, "NULL"},
		{"no number", "1\tNaN\n", 1, []int{0, 2}, []change.Notation{integer, kind(change.Decimal, 0)}, differs, "NULL"},
		{"no date", "1\tinfinity\n", 1, []int{0, 3}, []change.Notation{integer, kind(change.Timestamp, 3)}, differs, "NULL"},
		{"a key twice", "1\ta\n1\tb\n", 2, []int{0, 1}, []change.Notation{integer, words}, differs, "NULL"},
		{"a field too few", "1\n", 1, []int{0, 1}, []change.Notation{integer, words}, differs, "NULL"},
	}
	eachLoading(t, func(t *testing.T, f *fixture) {
		f.do(t, "DROP TABLE t; "+blockSchema)
		f.have = f.tables(t)
		for _, test := range tests {
			f.do(t, "DELETE FROM t")
			f.number++
			batch := &sinks.Batch{Marker: f.marker, Prior: f.marker.Apply, Block: &sinks.Block{
				Block: change.Block{Text: []byte(test.text), Rows: test.rows}, Table: f.have["t"], Columns: test.columns, Notations: test.notation}}
			batch.Marker.Apply = f.number
			result, err := f.sink.Apply(t.Context(), batch)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			f.marker = batch.Settled(result.Outcomes)
			if got := result.Outcomes[0]; got.Verdict != test.want {
				t.Errorf("%s: got %s (%v), want %s", test.name, got.Verdict, got.Err, test.want)
			}
			f.holds(t, "SELECT GROUP_CONCAT(IFNULL(HEX(s), 'NULL') ORDER BY id) FROM t", test.holds)
		}
	})
}
