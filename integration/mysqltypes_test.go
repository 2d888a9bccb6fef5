package integration

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// hostileMySQL is what a server may have set and a link has to do without. What it does not
// have, or not as a whole, is left out.
var hostileMySQL = []string{
	"sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_TRANS_TABLES,PIPES_AS_CONCAT,IGNORE_SPACE,PAD_CHAR_TO_FULL_LENGTH,REAL_AS_FLOAT'",
	"time_zone = '+05:30'", "sql_select_limit = 1", "autocommit = 0", "completion_type = CHAIN", "group_concat_max_len = 4", "max_allowed_packet = 1048576",
	"character_set_client = latin1", "character_set_connection = latin1", "character_set_results = latin1", "collation_connection = latin1_german2_ci",
	"character_set_database = latin1", "transaction_isolation = 'SERIALIZABLE'", "transaction_read_only = ON", "tx_isolation = 'SERIALIZABLE'", "tx_read_only = ON",
	"innodb_lock_wait_timeout = 1", "lock_wait_timeout = 1", "foreign_key_checks = 0", "sql_safe_updates = 1", "sql_auto_is_null = 1", "sql_big_selects = 0", "max_join_size = 1",
	"max_statement_time = 1", "div_precision_increment = 0", "lc_time_names = 'de_DE'", "default_week_format = 3", "max_sort_length = 8", "net_write_timeout = 1",
	"explicit_defaults_for_timestamp = OFF", "binlog_transaction_compression = ON", "log_bin_compress = ON", "low_priority_updates = ON", "updatable_views_with_limit = 0",
	"sql_quote_show_create = 0", "show_create_table_verbosity = ON", "information_schema_stats_expiry = 0", "binlog_row_value_options = ''", "default_storage_engine = MyISAM",
}

// mysqlPair is two databases of servers of MySQL and MariaDB with the same tables.
type mysqlPair struct {
	t       *testing.T
	ends    [2]*typesEnd
	tables  []*passage
	columns map[string]string
	want    map[string]map[int]row
}

// each runs statements for each table on one side.
func (p *mysqlPair) each(side int, statements func(*passage) string) {
	p.t.Helper()
	var b strings.Builder
	for _, s := range p.tables {
		b.WriteString(statements(s))
	}
	p.ends[side].exec(b.String())
}

// expect says that rows from base on have the values of the literals, beginning with that of
// number from.
func (p *mysqlPair) expect(values map[string]map[int]row, base, from int, note string) {
	for _, s := range p.tables {
		for i := range s.literals {
			p.want[s.table][base+i] = row{values[s.table][(i+from)%len(s.literals)].v, note}
		}
	}
}

func (p *mysqlPair) check(when string) {
	p.t.Helper()
	for side, e := range p.ends {
		have := e.read(p.columns)
		for _, s := range p.tables {
			for id, want := range p.want[s.table] {
				if got, ok := have[s.table][id]; got != want || !ok {
					p.t.Errorf("%s: %.40s, side %d, row %d is %.80q, not %.80q", when, s.from, side, id, got, want)
				}
			}
			if len(have[s.table]) != len(p.want[s.table]) {
				p.t.Errorf("%s: %.40s, side %d has %d rows, not %d", when, s.from, side, len(have[s.table]), len(p.want[s.table]))
			}
		}
	}
}

// TestMySQLTypes carries every sample that both servers have between them, one of which prints
// and reads values in other ways and logs less of its tables: by first contact and by the log,
// inserted, updated and deleted, both ways.
func TestMySQLTypes(t *testing.T) {
	t.Parallel()
	mysql, mariadb := servers.MySQLVersions(), servers.MariaDBVersions()
	for _, c := range []struct{ plain, hostile flavour }{
		{flavour{"mariadb", mariadb[0], ""}, flavour{"mysql", mysql[len(mysql)-1], "MySQL"}},
		{flavour{"mariadb", mariadb[0], ""}, flavour{"mariadb", mariadb[len(mariadb)-1], "MariaDB"}},
	} {
		t.Run(c.hostile.name, func(t *testing.T) {
			t.Parallel()
			p := &mysqlPair{t: t, columns: map[string]string{}, want: map[string]map[int]row{}}
			p.ends[0] = newTypesEnd(t, c.plain.engine, c.plain.version)
			p.ends[1] = hostileEnd(t, c.hostile)
			p.run(c.plain, c.hostile)
		})
	}
}

// hostileEnd is a database of a server of its own that has everything set otherwise.
func hostileEnd(t *testing.T, f flavour) *typesEnd {
	t.Helper()
	o := servers.Options{NoSync: true, Settings: map[string]string{"character_set_server": "latin1", "collation_server": "latin1_german2_ci", "default_time_zone": "+05:30"}}
	var server *servers.Server
	if f.engine == "mysql" {
		o.Settings["binlog_row_metadata"] = "MINIMAL"
		server = pool.PrivateMySQL(t, f.version, o)
	} else {
		o.Settings["binlog_row_metadata"] = "NO_LOG"
		server = pool.PrivateMariaDB(t, f.version, o)
	}
	e := openTypesEnd(t, site{engine: f.engine, dsn: server.Database(t).DSN, server: server})
	for _, setting := range hostileMySQL {
		if _, err := e.db.Exec("SET GLOBAL " + setting); err != nil {
			t.Logf("%s: %v", setting, err)
		}
	}
	t.Cleanup(func() { // or the database cannot be dropped
		for _, setting := range hostileMySQL {
			name, _, _ := strings.Cut(setting, " ")
			_, _ = e.db.Exec("SET GLOBAL " + name + " = DEFAULT")
		}
	})
	return e
}

// run does all of it.
func (p *mysqlPair) run(plain, hostile flavour) {
	t := p.t
	t.Helper()
	for i := range mysqlSamples {
		s := &mysqlSamples[i]
		same := plain.engine == hostile.engine
		if s.newer || s.only != "" && (!same || s.only != plain.engine) || s.apart && !same {
			continue
		}
		one := &passage{table: fmt.Sprintf("t%02d", i), from: s.name}
		for _, l := range s.literals {
			if l != "'nonsense'" && (same || l != "'-0'") { // no link can write the one, and MariaDB makes 0 of the other
				one.literals = append(one.literals, l)
			}
		}
		p.tables = append(p.tables, one)
		p.columns[one.table], p.want[one.table] = one.from, map[int]row{}
	}
	for side, e := range p.ends {
		p.each(side, func(s *passage) string {
			create, _ := strings.CutSuffix(e.createTyped(s.table, s.from, false), ";\n")
			return create + " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;\n"
		})
	}
	for side, base := range []int{1000, 2000} {
		p.each(side, func(s *passage) string { return s.insert(base) + s.insert(3000) })
	}
	values := map[string]map[int]row{}
	for name, rows := range p.ends[0].read(p.columns) {
		values[name] = map[int]row{}
		for id, r := range rows {
			values[name][id%1000] = r
		}
	}
	for _, base := range []int{1000, 2000, 3000} {
		p.expect(values, base, 0, "")
	}
	link := newTypesLinkOf(t, p.ends[0].site, p.ends[1].site)
	link.run(t)
	p.check("after first contact")
	p.changes(link, values)
	for table, rows := range link.parked() {
		for id, reason := range rows {
			t.Errorf("row %d of %s is parked: %s", id, table, reason)
		}
	}
	st := link.status()
	if st.State != "running" || st.Parked != 0 || st.Conflicts != 0 {
		t.Errorf("%+v", st)
	}
	for _, s := range []typesSide{st.Left, st.Right} {
		if c := s.Counters; c.Drift+c.Refused+c.Retries+c.Effects != 0 {
			t.Errorf("%+v", c)
		}
	}
	for _, table := range st.Tables {
		if table.Stage != "live" {
			t.Errorf("%+v", table)
		}
	}
	link.quiet()
	if err := link.stop(); err != nil {
		t.Error(err)
	}
}

// changes inserts, updates and deletes rows while the link runs.
func (p *mysqlPair) changes(link *typesLink, values map[string]map[int]row) {
	p.t.Helper()
	for side, base := range []int{4000, 5000} {
		p.each(side, func(s *passage) string { return s.insert(base) })
		p.expect(values, base, 0, "")
	}
	link.barrier()
	p.check("after inserts")

	// From one value to another, on the side that wrote the row and on the other one.
	for side, base := range []int{2000, 4000} {
		p.each(side, func(s *passage) string {
			var b strings.Builder
			for i := range s.literals {
				fmt.Fprintf(&b, "UPDATE %s SET v = %s WHERE id = %d;\n", s.table, s.literals[(i+1)%len(s.literals)], base+i)
			}
			return b.String()
		})
		p.expect(values, base, 1, "")
		link.barrier()
	}
	p.each(0, func(s *passage) string {
		return fmt.Sprintf("UPDATE %s SET v = NULL WHERE id >= 5000; UPDATE %[1]s SET note = 'left' WHERE id BETWEEN 3000 AND 3999;\n", s.table)
	})
	p.each(1, func(s *passage) string {
		return fmt.Sprintf("UPDATE %s SET note = 'right' WHERE id BETWEEN 1000 AND 1999;\n", s.table)
	})
	link.barrier()
	p.expect(values, 3000, 0, "left")
	p.expect(values, 1000, 0, "right")
	for _, s := range p.tables {
		for i := range s.literals {
			p.want[s.table][5000+i] = row{v: isNull}
		}
	}
	p.check("after updates")

	for side, base := range []int{1000, 2000} {
		p.each(side, func(s *passage) string {
			return fmt.Sprintf("DELETE FROM %s WHERE id BETWEEN %d AND %d;\n", s.table, base, base+999)
		})
		for _, s := range p.tables {
			for i := range s.literals {
				delete(p.want[s.table], base+i)
			}
		}
	}
	link.barrier()
	p.check("after deletes")
}

// TestMySQLTypesInMariaDB carries what the two servers do not keep alike from one to the other.
func TestMySQLTypesInMariaDB(t *testing.T) {
	t.Parallel()
	both := flavours()
	results := make([]*crossing, 2)
	t.Run("servers", func(t *testing.T) {
		for i, f := range both {
			t.Run("from "+f.name, func(t *testing.T) {
				t.Parallel()
				other := both[1-i]
				c := &crossing{t: t, from: newTypesEnd(t, f.engine, f.version), to: newTypesEnd(t, other.engine, other.version)}
				for _, s := range mysqlSamples {
					if s.apart || s.only == f.engine || s.newer || s.name == "double" || s.name == "float" || strings.Contains(s.name, "enum('a'") {
						columns := []string{s.name}
						if f.engine == "mariadb" && s.only != "" {
							columns = []string{map[string]string{"uuid": "char(36)"}[s.name], "varchar(50)"}
						} else if s.name == "json" {
							columns = []string{"json", "longtext"}
						}
						for _, column := range columns {
							if column != "" {
								c.passages = append(c.passages, &passage{from: s.name, to: column, literals: s.literals})
							}
						}
					}
				}
				c.run()
				results[i] = c
			})
		}
	})
	if results[0] == nil || results[1] == nil {
		return
	}
	var b strings.Builder
	b.WriteString("| from | type | column | looks there like | what is not kept, and what happens then |\n| --- | --- | --- | --- | --- |\n")
	for i, c := range results {
		for _, p := range c.passages {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", both[i].name, p.label(p.from), p.label(p.to), cmp.Or(p.example(), "–"), p.happens())
		}
	}
	pageLock.Lock()
	defer pageLock.Unlock()
	checkTable(t, "../docs/mysql.md", "mysql-mariadb", "TestMySQLTypesInMariaDB", b.String())
}
