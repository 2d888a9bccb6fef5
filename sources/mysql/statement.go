package mysql

import (
	"bytes"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// token is a word, a quoted name, or a sign of a statement. Strings and comments are left out.
type token struct {
	text string
	name bool // may be a name
}

func (t token) is(word string) bool { return t.name && strings.EqualFold(t.text, word) }

// tokens splits a statement. What is in comments that the server executes is part of it.
func tokens(text []byte) []token {
	var list []token
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' || c == 0:
			i++
		case c == '#', c == '-' && i+2 < len(text) && text[i+1] == '-' && text[i+2] <= ' ':
			i = skipTo(text, i, "\n")
		case bytes.HasPrefix(text[i:], []byte("/*!")), bytes.HasPrefix(text[i:], []byte("/*M!")):
			i += bytes.IndexByte(text[i:], '!') + 1
			for i < len(text) && text[i] >= '0' && text[i] <= '9' {
				i++
			}
		case bytes.HasPrefix(text[i:], []byte("*/")):
			i += 2
		case bytes.HasPrefix(text[i:], []byte("/*")):
			i = skipTo(text, i+2, "*/")
		case c == '\'':
			_, i = quoted(text, i, true)
		case c == '"': // a name with ANSI_QUOTES
			var name string
			name, i = quoted(text, i, true)
			list = append(list, token{name, true})
		case c == '`':
			var name string
			name, i = quoted(text, i, false)
			list = append(list, token{name, true})
		case isWord(c):
			start := i
			for i < len(text) && isWord(text[i]) {
				i++
			}
			list = append(list, token{string(text[start:i]), true})
		default:
			list = append(list, token{string(c), false})
			i++
		}
	}
	return list
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func skipTo(text []byte, from int, end string) int {
	if n := bytes.Index(text[from:], []byte(end)); n >= 0 {
		return from + n + len(end)
	}
	return len(text)
}

// quoted reads what is between quotes, and returns where it goes on behind them.
func quoted(text []byte, i int, escapes bool) (string, int) {
	quote := text[i]
	var b []byte
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && escapes && i+1 < len(text):
			i++
			b = append(b, text[i])
		case c != quote:
			b = append(b, c)
		case i+1 < len(text) && text[i+1] == quote:
			i++
			b = append(b, quote)
		default:
			return string(b), i + 1
		}
	}
	return string(b), i
}

// sort is what a statement is, as far as the log matters.
type sort byte

const (
	other  sort = iota // DDL, grants, and the like
	begin              // of a transaction
	commit             //
	rollback
	savepoint
	xaStart
	xaEnd
	xaCommit
	xaRollback
	truncate
	dml
)

// sortOf tells what a statement is.
func sortOf(text []byte) sort {
	switch string(text) { // almost always
	case "BEGIN":
		return begin
	case "COMMIT":
		return commit
	case "ROLLBACK":
		return rollback
	}
	list := tokens(text[:min(len(text), 512)])
	if len(list) == 0 {
		return other
	}
	second := token{}
	if len(list) > 1 {
		second = list[1]
	}
	switch strings.ToUpper(list[0].text) {
	case "BEGIN":
		return begin
	case "START":
		if second.is("TRANSACTION") {
			return begin
		}
	case "COMMIT":
		return commit
	case "ROLLBACK":
		if second.is("TO") || len(list) > 2 && list[2].is("TO") {
			return savepoint
		}
		return rollback
	case "SAVEPOINT", "RELEASE":
		return savepoint
	case "XA":
		return xaSort(second)
	case "TRUNCATE":
		return truncate
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "DO", "WITH", "SELECT", "MERGE", "EXECUTE":
		return dml
	}
	return other
}

func xaSort(second token) sort {
	switch strings.ToUpper(second.text) {
	case "START", "BEGIN":
		return xaStart
	case "COMMIT":
		return xaCommit
	case "ROLLBACK":
		return xaRollback
	}
	return xaEnd
}

// xaID returns the id in a statement XA COMMIT or XA ROLLBACK, as [binlog.XA] has it.
func xaID(text []byte) string {
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return ""
	}
	return fields[2]
}

// names finds the tables of the link in a statement.
type names struct {
	database string
	tables   map[string]*change.Table
	fold     bool // letters of names do not differ by case
}

func (n *names) table(name string) *change.Table {
	if n.fold {
		name = strings.ToLower(name)
	}
	return n.tables[name]
}

func (n *names) isDatabase(name string) bool {
	return name == n.database || n.fold && strings.EqualFold(name, n.database)
}

// at reads the name at the front of list, in a session in the database schema. It returns what
// follows it.
func (n *names) at(list []token, schema string) (*change.Table, []token) {
	if len(list) == 0 || !list[0].name {
		return nil, list
	}
	if len(list) > 2 && list[1].text == "." && list[2].name {
		if n.isDatabase(list[0].text) {
			return n.table(list[2].text), list[3:]
		}
		return nil, list[3:]
	}
	if n.isDatabase(schema) {
		return n.table(list[0].text), list[1:]
	}
	return nil, list[1:]
}

// mentioned returns the tables of the link that a statement may name.
func (n *names) mentioned(list []token, schema string) []*change.Table {
	var found []*change.Table
	for len(list) > 0 {
		if !list[0].name {
			list = list[1:]
			continue
		}
		var t *change.Table
		if t, list = n.at(list, schema); t != nil {
			found = append(found, t)
		}
	}
	return found
}

// touches tells whether a statement of DML may write to a table of the database: unless it is
// in another one and does not name this one.
func (n *names) touches(list []token, schema string) bool {
	if n.isDatabase(schema) {
		return !n.clears(list, schema)
	}
	for i, t := range list {
		if t.name && n.isDatabase(t.text) && i+1 < len(list) && list[i+1].text == "." {
			return !n.clears(list, schema)
		}
	}
	return false
}

// clears tells whether a statement is the DELETE without a condition with which a server that
// was restarted empties a table in memory, of a table that is not of the link.
func (n *names) clears(list []token, schema string) bool {
	if len(list) < 3 || !list[0].is("DELETE") || !list[1].is("FROM") {
		return false
	}
	t, rest := n.at(list[2:], schema)
	return t == nil && len(rest) == 0
}

// truncated returns the table of the link that a statement TRUNCATE empties, or nil.
func (n *names) truncated(list []token, schema string) *change.Table {
	list = list[1:]
	if len(list) > 1 && list[0].is("TABLE") && list[1].name {
		list = list[1:]
	}
	t, _ := n.at(list, schema)
	return t
}

// effect is what a statement of DDL does to a table.
type effect struct {
	table *change.Table
	// reason says why the table is no longer the same; "" if that is for the catalogue to say.
	reason string
	// shadow is the table that took its place, one that a tool for changes of a schema made of it.
	shadow string
}

// effects returns what a statement of DDL may do to tables of the link.
func (n *names) effects(list []token, schema string) []effect {
	if len(list) < 2 {
		return nil
	}
	var found []effect
	all := func(reason string) []effect {
		for _, t := range n.mentioned(list[1:], schema) {
			found = append(found, effect{table: t, reason: reason})
		}
		return found
	}
	temporary := false
	for _, t := range list[1:min(len(list), 6)] {
		temporary = temporary || t.is("TEMPORARY")
	}
	switch verb := strings.ToUpper(list[0].text); {
	case temporary && (verb == "CREATE" || verb == "DROP"):
		return nil
	case verb == "DROP" && (list[1].is("DATABASE") || list[1].is("SCHEMA")):
		if !n.isDatabase(list[len(list)-1].text) {
			return nil
		}
		for _, t := range n.tables {
			found = append(found, effect{table: t, reason: "the database was dropped"})
		}
		return found
	case verb == "DROP" && list[1].is("TABLE"):
		return all("the table was dropped")
	case verb == "RENAME" && (list[1].is("TABLE") || list[1].is("TABLES")):
		return n.renamed(list[2:], schema)
	case verb == "CREATE" && list[1].is("OR") && isTable(list):
		t, _ := n.at(behindTable(list), schema)
		if t == nil {
			return all("")
		}
		return []effect{{table: t, reason: "the table was replaced by another one of its name"}}
	case verb == "ALTER" && isTable(list):
		return all(alters(list))
	}
	return all("")
}

// isTable tells whether the word TABLE is at the beginning of a statement.
func isTable(list []token) bool { return behindTable(list) != nil }

// behindTable returns what follows the word TABLE, and IF EXISTS, at the beginning.
func behindTable(list []token) []token {
	for i := range min(len(list), 6) {
		if !list[i].is("TABLE") {
			continue
		}
		rest := list[i+1:]
		for len(rest) > 0 && (rest[0].is("IF") || rest[0].is("NOT") || rest[0].is("EXISTS")) {
			rest = rest[1:]
		}
		return rest
	}
	return nil
}

// alters returns why a table that an ALTER TABLE names is not the same, if it is not.
func alters(list []token) string {
	const partition = "rows came or went with a partition or a tablespace, which the log does not tell of one by one"
	for i, t := range list {
		next := token{}
		if i+1 < len(list) {
			next = list[i+1]
		}
		switch {
		case t.is("RENAME") && !next.is("COLUMN") && !next.is("INDEX") && !next.is("KEY"):
			return "the table was renamed, or another one was given its name"
		case (t.is("TRUNCATE") || t.is("DROP")) && next.is("PARTITION"),
			(t.is("EXCHANGE") || t.is("CONVERT")) && (next.is("PARTITION") || next.is("TABLE")),
			(t.is("DISCARD") || t.is("IMPORT")) && (next.is("TABLESPACE") || next.is("PARTITION")):
			return partition
		}
	}
	return ""
}
