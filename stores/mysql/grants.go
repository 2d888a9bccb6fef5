package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// grant is what a user may do with a table, with all of a database, or with everything: then
// the pattern of the database is nil, or the table is "".
type grant struct {
	privileges []string
	database   *regexp.Regexp
	table      string
}

type grants []grant

var (
	grantForm     = regexp.MustCompile("(?s)^GRANT (.*) ON (\\*|`(?:[^`]|``)*`)\\.(\\*|`(?:[^`]|``)*`) TO ")
	privilegeForm = regexp.MustCompile(`[^,(]+(\([^)]*\))?`)
)

// readGrants reads what the user may, by itself or by the roles that are active.
func (c *Conn) readGrants(ctx context.Context) (g grants, err error) {
	err = c.Query(ctx, "SHOW GRANTS", func(v []driver.Value) error {
		if grant, ok := parseGrant(String(v[0])); ok {
			g = append(g, grant)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read privileges: %w", err)
	}
	return g, nil
}

// parseGrant reads a line of SHOW GRANTS. What is granted on some columns only, on routines, or
// as a role, is left out.
func parseGrant(line string) (grant, bool) {
	m := grantForm.FindStringSubmatch(line)
	if m == nil {
		return grant{}, false
	}
	var g grant
	for _, part := range privilegeForm.FindAllStringSubmatch(m[1], -1) {
		if part[1] == "" {
			g.privileges = append(g.privileges, strings.TrimSpace(part[0]))
		}
	}
	name := func(quoted string) string { return strings.ReplaceAll(quoted[1:len(quoted)-1], "``", "`") }
	if m[2] != "*" {
		g.database = like(name(m[2]))
	}
	if m[3] != "*" {
		g.table = name(m[3])
	}
	return g, true
}

// like returns a pattern of LIKE as a regular expression. Bytes that are no characters match nothing
// that has a name.
func like(pattern string) *regexp.Regexp {
	pattern = strings.ToValidUTF8(pattern, "\uFFFD")
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteString(".")
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case c >= 0x80: // a byte of a character
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile(b.String() + "$")
}

// has tells whether the user has a privilege on a table; "" is everything, or all tables of the
// database.
func (g grants) has(privilege, database, table string) bool {
	return slices.ContainsFunc(g, func(g grant) bool {
		return (g.database == nil || database != "" && g.database.MatchString(database)) && (g.table == "" || g.table == table) &&
			(slices.Contains(g.privileges, privilege) || slices.Contains(g.privileges, "ALL PRIVILEGES"))
	})
}
