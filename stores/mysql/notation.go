package mysql

import "github.com/cdcsync/cdcsync/change"

// Notation says how the values of t are written in a [change.Block].
func (t *Type) Notation() change.Notation {
	n := change.Notation{Kind: t.Kind()}
	switch t.Name {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		n.Kind = change.Int64
	case "decimal", "date", "uuid", "varchar", "tinytext", "text", "mediumtext", "longtext":
	case "char":
		n.Blanked = true
	case "time", "datetime", "timestamp":
		n.Digits = t.Fraction
	default:
		n.Type = "mysql " + t.Name
	}
	return n
}

// Takes tells whether LOAD DATA takes text in a notation for the same value.
func (t *Type) Takes(n change.Notation) bool {
	own := t.Notation()
	switch {
	case own.Type != "":
		return n == own && t.Printable()
	case t.Name == "year":
		return false // the text 0 is 2000
	case own.Kind == change.Time, own.Kind == change.Timestamp, own.Kind == change.TimestampUTC:
		return n.Type == "" && n.Kind == own.Kind && n.Digits <= own.Digits
	case own.Kind == change.Text:
		return n.Type == "" && n.Kind == change.Text && (n.Blanked || !own.Blanked)
	}
	return n == own
}

// Printable tells whether a server prints values of t as the text that they are, in a query that
// selects the column itself.
func (t *Type) Printable() bool {
	switch t.Name {
	case "float", "double", "bit":
		return false
	}
	return t.Kind() != change.Bytes
}
