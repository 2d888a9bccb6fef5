package mysql

import "strings"

// Quote returns name as an identifier of SQL.
func Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Literal returns text as a string of SQL. The session must not have NO_BACKSLASH_ESCAPES set,
// and none of [Store.Connect] has.
func Literal(text string) string { return string(AppendQuoted(nil, text)) }

// AppendQuoted appends text as a string of SQL.
func AppendQuoted(b []byte, text string) []byte {
	b = AppendEscaped(append(b, '\''), text, '\'', '\'')
	return append(b, '\'')
}

// AppendEscaped appends text with a backslash before each of the bytes x and y, and before backslashes; bytes
// of zero become \0. What lies between them is copied as a whole.
func AppendEscaped(b []byte, text string, x, y byte) []byte {
	from := 0
	for i := range len(text) {
		c := text[i]
		switch c {
		case '\\', x, y:
		case 0:
			c = '0'
		default:
			continue
		}
		b = append(append(b, text[from:i]...), '\\', c)
		from = i + 1
	}
	return append(b, text[from:]...)
}

// The tables that the links of a database keep in it. They are never part of a link.
const (
	LinkTable     = "cdcsync_link"
	ConflictTable = "cdcsync_conflict"
	// KeyTable has the keys that links drew for rows which were born in other stores.
	KeyTable = "cdcsync_key"
)

// IsOwn tells whether a table is one of cdcsync's own.
func IsOwn(table string) bool {
	return table == LinkTable || table == ConflictTable || table == KeyTable
}
