package postgres

import "strings"

// Quote returns name as an identifier.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal returns text as a string constant. Sessions have standard_conforming_strings on.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// tableName is what the config calls a table: bare in schema public, else with its schema.
// Names in which a dot could be misread are quoted.
func tableName(schema, relation string) string {
	if schema == "public" && !strings.ContainsAny(relation, `."`) {
		return relation
	}
	plain := func(name string) string {
		if strings.ContainsAny(name, `."`) {
			return Quote(name)
		}
		return name
	}
	return plain(schema) + "." + plain(relation)
}

// arrayOf is the text of an array of texts.
func arrayOf(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}
