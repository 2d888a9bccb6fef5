package mysql

import "strings"

// Quote returns name as an identifier of SQL.
func Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Literal returns text as a string of SQL. The session must not have NO_BACKSLASH_ESCAPES set,
// and none of [Store.Connect] has.
func Literal(text string) string { return string(AppendQuoted(nil, text)) }

// AppendQuoted appends text as a string of SQL.
func AppendQuoted(b []byte, text string) []byte {
	b = append(b, '\'')
	for i := range len(text) {
		switch c := text[i]; c {
		case '\'', '\\':
			b = append(b, '\\', c)
		case 0:
			b = append(b, '\\', '0')
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
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
