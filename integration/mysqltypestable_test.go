package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// flavour is a server of the tables in docs/mysql.md.
type flavour struct{ engine, version, name string }

// flavours are the newest MySQL and the newest MariaDB.
func flavours() []flavour {
	mysql, mariadb := servers.MySQLVersions(), servers.MariaDBVersions()
	return []flavour{{"mysql", mysql[len(mysql)-1], "MySQL"}, {"mariadb", mariadb[len(mariadb)-1], "MariaDB"}}
}

// lock keeps two tests from writing into a page at the same time.
var pageLock sync.Mutex

// crossBoth carries passages with MySQL and with MariaDB on one side, and compares what
// becomes of them with a table in docs/mysql.md.
func crossBoth(t *testing.T, name, head string, cross func(t *testing.T, f flavour) *crossing) {
	both := flavours()
	results := make([]*crossing, len(both))
	t.Run("servers", func(t *testing.T) {
		for i, f := range both {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				c := cross(t, f)
				c.run()
				results[i] = c
			})
		}
	})
	if results[0] == nil || results[1] == nil {
		return // one of them failed, or is not to be tried
	}
	pageLock.Lock()
	defer pageLock.Unlock()
	checkTable(t, "../docs/mysql.md", name, t.Name(), head+"| --- | --- | --- | --- |\n"+crossTable(both, results))
}

// crossTable prints what became of the values, with the server in front where it is not the
// same of both.
func crossTable(both []flavour, results []*crossing) string {
	type line struct{ head, text string }
	var lines []line
	of := map[string]int{} // by head, how many servers say the same
	for i, c := range results {
		at := 0 // where the line of this passage belongs
		for _, p := range c.passages {
			l := line{head: fmt.Sprintf("%s | %s", p.label(p.from), p.label(p.to)), text: fmt.Sprintf("%s | %s", p.example(), p.happens())}
			found := -1
			for j := range lines {
				if lines[j] == l && i > 0 && of[l.head+l.text] == 1 {
					found = j
				}
			}
			if found >= 0 {
				of[l.head+l.text]++
				at = found + 1
				continue
			}
			for at < len(lines) && i > 0 && lines[at].head == l.head {
				at++
			}
			if i == 0 {
				at = len(lines)
			}
			lines = append(lines[:at], append([]line{l}, lines[at:]...)...)
			of[l.head+l.text]++
			if i > 0 {
				of[l.head+l.text] = -1
			}
			at++
		}
	}
	var b strings.Builder
	for _, l := range lines {
		server := ""
		switch of[l.head+l.text] {
		case 1:
			server = both[0].name + ": "
		case -1:
			server = both[1].name + ": "
		}
		fmt.Fprintf(&b, "| %s%s | %s |\n", server, l.head, l.text)
	}
	return b.String()
}

func (p *passage) label(column string) string {
	if p.what != "" && column == p.from {
		return p.what
	}
	if column == sixtyFour {
		return "a `set` of 64 members"
	}
	return mdCode(strings.TrimSuffix(strings.TrimPrefix(column, "public."), " NULL"))
}

// mysqlPassages are the samples of a server in the columns that choose names.
func mysqlPassages(f flavour, choose func(*mysqlSample) []string) []*passage {
	var list []*passage
	for i := range mysqlSamples {
		s := &mysqlSamples[i]
		if s.only != "" && s.only != f.engine {
			continue
		}
		for _, column := range choose(s) {
			list = append(list, &passage{from: s.name, to: column, literals: s.literals})
		}
	}
	return list
}

// TestMySQLTypesInPostgres carries every sample of MySQL and MariaDB to PostgreSQL and back.
func TestMySQLTypesInPostgres(t *testing.T) {
	t.Parallel()
	crossBoth(t, "mysql-postgres", "| MySQL, MariaDB | PostgreSQL column | looks there like | what is not kept, and what happens then |\n", func(t *testing.T, f flavour) *crossing {
		versions := servers.Versions()
		to := newTypesEnd(t, "postgres", versions[len(versions)-1])
		to.exec(letterType)
		return &crossing{t: t, from: newTypesEnd(t, f.engine, f.version), to: to, passages: mysqlPassages(f, func(s *mysqlSample) []string { return s.postgres })}
	})
}

// TestMySQLTypesInSQLite carries every sample of MySQL and MariaDB to SQLite and back.
func TestMySQLTypesInSQLite(t *testing.T) {
	t.Parallel()
	crossBoth(t, "mysql-sqlite", "| MySQL, MariaDB | SQLite column | looks there like | what is not kept, and what happens then |\n", func(t *testing.T, f flavour) *crossing {
		return &crossing{t: t, from: newTypesEnd(t, f.engine, f.version), to: newTypesEnd(t, "sqlite", ""),
			passages: mysqlPassages(f, func(s *mysqlSample) []string { return s.sqlite })}
	})
}

// TestPostgresTypesInMySQL carries every sample of PostgreSQL to MySQL and MariaDB and back.
func TestPostgresTypesInMySQL(t *testing.T) {
	t.Parallel()
	crossBoth(t, "postgres-mysql", "| PostgreSQL | column in MySQL, MariaDB | looks there like | what is not kept, and what happens then |\n", func(t *testing.T, f flavour) *crossing {
		versions := servers.Versions()
		c := &crossing{t: t, from: newTypesEnd(t, "postgres", versions[len(versions)-1]), to: newTypesEnd(t, f.engine, f.version)}
		c.from.exec(sampleTypes + "CREATE TABLE public.other (id int)")
		c.passages = postgresPassages(f)
		return c
	})
}

// postgresPassages are the samples of PostgreSQL in columns of a server.
func postgresPassages(f flavour) []*passage {
	var list []*passage
	for _, s := range samples {
		if s.extension != "" {
			continue
		}
		columns := mysqlColumns[s.name]
		if columns == nil {
			columns = asLongtext
		}
		for _, column := range columns {
			if mysqlOnly[column] == "" || mysqlOnly[column] == f.engine {
				list = append(list, &passage{from: s.name, to: column, what: s.what, literals: s.literals, cast: true})
			}
		}
	}
	return list
}

// TestSQLiteTypesInMySQL carries values that SQLite's columns hold to MySQL and MariaDB.
func TestSQLiteTypesInMySQL(t *testing.T) {
	t.Parallel()
	crossBoth(t, "sqlite-mysql", "| SQLite | column in MySQL, MariaDB | looks there like | what is not kept, and what happens then |\n", func(t *testing.T, f flavour) *crossing {
		c := &crossing{t: t, from: newTypesEnd(t, "sqlite", ""), to: newTypesEnd(t, f.engine, f.version)}
		for _, s := range mysqlStrangers {
			for _, column := range s.columns {
				if mysqlOnly[column] == "" || mysqlOnly[column] == f.engine {
					c.passages = append(c.passages, &passage{from: s.column, to: column, literals: s.literals})
				}
			}
		}
		return c
	})
}
