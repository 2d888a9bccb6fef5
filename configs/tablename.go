package configs

import (
	"fmt"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// A catalogue of PostgreSQL has the tables of schema public by their bare names, and those
// of other schemas as schema.table. A config may also write public.table. What it names is
// brought into the catalogue's form here, so that everything else compares names as they
// are. In SQLite a dot is part of the name.
const publicSchema = "public."

// isPostgres tells whether s is a PostgreSQL store. S is nil where a link refers to none.
func (s *Store) isPostgres() bool { return s != nil && s.Engine == enginePostgres }

// tableName returns name as the catalogue of s has it. Names in which a dot or a quote is a
// character of the name are quoted there, and keep their schema.
func (s *Store) tableName(name string) string {
	if bare, ok := strings.CutPrefix(name, publicSchema); ok && s.isPostgres() && bare != "" && !strings.ContainsAny(bare, `."`) {
		return bare
	}
	return name
}

// matches tells whether the table called name in the catalogue of s matches p. A pattern
// with a dot is about schemas, so it is compared with public.name too; one without is not,
// or "p*" would take all of public.
func (s *Store) matches(p Pattern, name string) bool {
	if globMatch(p.Text, name) {
		return true
	}
	return s.isPostgres() && strings.Contains(p.Text, ".") && !strings.Contains(name, ".") &&
		globMatch(p.Text, publicSchema+name)
}

// firstMatch returns the first of patterns that the table called name in the catalogue of s
// matches, or nil.
func (s *Store) firstMatch(patterns []Pattern, name string) *Pattern {
	for i := range patterns {
		if s.matches(patterns[i], name) {
			return &patterns[i]
		}
	}
	return nil
}

// otherSchema is the sentence about a table of that name in another schema, to be put
// behind the one that s has no table called name; "" if there is none.
func (s *Store) otherSchema(name string, catalogue []string) string {
	if !s.isPostgres() || strings.Contains(name, ".") {
		return ""
	}
	for _, full := range catalogue {
		if strings.HasSuffix(full, "."+name) {
			return fmt.Sprintf(" Did you mean %q?", full)
		}
	}
	return ""
}

// commonName returns the name that a table listed in include has in the catalogues of both
// stores. The two are paired by it, so public.t is t on both sides if one is PostgreSQL.
func (l *Link) commonName(name string) string {
	for _, s := range l.Stores {
		name = s.tableName(name)
	}
	return name
}

// matchesPair tells whether p is about the two tables called name: it is enough that it
// names one of them.
func (l *Link) matchesPair(p Pattern, name string) bool {
	return l.Stores[change.Left].matches(p, name) || l.Stores[change.Right].matches(p, name)
}

// excludesPair returns the first entry of exclude that is about one of the two tables
// called name, or nil.
func (l *Link) excludesPair(name string) *Pattern {
	for i := range l.Exclude {
		if l.matchesPair(l.Exclude[i], name) {
			return &l.Exclude[i]
		}
	}
	return nil
}
