package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
)

// oddTable is a pair of tables of which a store might take a block otherwise than its rows.
type oddTable struct {
	name, left, right string
	rows              string // of an INSERT
	ignore            []string
	// blocks is what becomes of blocks: Done if they are taken.
	blocks sinks.Verdict
}

// oddMySQL are pairs between servers of MySQL or MariaDB.
var oddMySQL = []oddTable{
	{name: "noughts", left: "(id int PRIMARY KEY AUTO_INCREMENT, v text)", right: "(id int PRIMARY KEY AUTO_INCREMENT, v text)",
		rows: "(0, 'a'), (-1, 'b'), (7, 'c')", blocks: sinks.Done},
	{name: "counted", left: "(id int PRIMARY KEY, n int)", right: "(id int PRIMARY KEY, n int NOT NULL AUTO_INCREMENT UNIQUE)",
		rows: "(1, 5), (2, NULL), (3, 0)", blocks: sinks.Differs},
	{name: "stamped", left: "(id int PRIMARY KEY, n timestamp NULL)", right: "(id int PRIMARY KEY, n timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
		rows: "(1, '2020-01-01'), (2, NULL)", blocks: sinks.Differs},
	{name: "renewed", left: "(id int PRIMARY KEY, v text)", right: "(id int PRIMARY KEY, v text, at timestamp NOT NULL DEFAULT '2001-01-01' ON UPDATE CURRENT_TIMESTAMP, d int DEFAULT 7)",
		rows: "(1, 'a'), (2, NULL)", ignore: []string{"at", "d"}, blocks: sinks.Done},
	{name: "needed", left: "(id int PRIMARY KEY, v text)", right: "(id int PRIMARY KEY, v text, n int NOT NULL)",
		rows: "(1, 'a'), (2, NULL)", ignore: []string{"n"}, blocks: sinks.Refused},
	{name: "strict", left: "(id int PRIMARY KEY, v text, n int)", right: "(id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 3)",
		rows: "(1, 'a', 1), (2, 'b', NULL)", blocks: sinks.Differs},
	{name: "made", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v + 1) STORED)",
		rows: "(1, 5), (2, NULL)", blocks: sinks.Done},
	{name: "pairs", left: "(v int, a int, b varchar(9), extra text, PRIMARY KEY (a, b))", right: "(b varchar(9), a int, v int, PRIMARY KEY (b, a))",
		rows: "(1, 2, 'x', 'e'), (2, 1, 'y', 'e'), (3, 1, 'z', NULL)", ignore: []string{"extra"}, blocks: sinks.Done},
	{name: "named", left: "(`select` int PRIMARY KEY, `a ``b` text, `c\"d` text)", right: "(`c\"d` text, `a ``b` text, `select` int PRIMARY KEY)",
		rows: "(1, 'a', 'b'), (2, NULL, 'c')", blocks: sinks.Done},
	{name: "cased", left: "(id varchar(9) COLLATE utf8mb4_bin PRIMARY KEY, v text)", right: "(id varchar(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v text)",
		rows: "('x', '1'), ('y', '2'), ('z', '3')", blocks: sinks.Done},
	{name: "guarded", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v int CHECK (v > 0))",
		rows: "(1, 5), (2, -2)", blocks: sinks.Differs},
}

// oddPostgres are pairs between servers of PostgreSQL.
var oddPostgres = []oddTable{
	{name: "noughts", left: "(id int PRIMARY KEY, v text)", right: "(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)",
		rows: "(0, 'a'), (-1, 'b'), (7, 'c')", blocks: sinks.Done},
	{name: "counted", left: "(id int PRIMARY KEY, n int)", right: "(id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY)",
		rows: "(1, 5), (2, 6), (3, 0)", blocks: sinks.Done},
	{name: "stamped", left: "(id int PRIMARY KEY, n timestamptz)", right: "(id int PRIMARY KEY, n timestamptz NOT NULL DEFAULT now())",
		rows: "(1, '2020-01-01'), (2, NULL)", blocks: sinks.Differs},
	{name: "renewed", left: "(id int PRIMARY KEY, v text)", right: "(id int PRIMARY KEY, v text, d int DEFAULT 7)",
		rows: "(1, 'a'), (2, NULL)", ignore: []string{"d"}, blocks: sinks.Done},
	{name: "needed", left: "(id int PRIMARY KEY, v text)", right: "(id int PRIMARY KEY, v text, n int NOT NULL)",
		rows: "(1, 'a'), (2, NULL)", ignore: []string{"n"}, blocks: sinks.Differs},
	{name: "made", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v + 1) STORED)",
		rows: "(1, 5), (2, NULL)", blocks: sinks.Done},
	{name: "pairs", left: "(v int, a int, b varchar(9), extra text, PRIMARY KEY (a, b))", right: "(b varchar(9), a int, v int, PRIMARY KEY (b, a))",
		rows: "(1, 2, 'x', 'e'), (2, 1, 'y', 'e'), (3, 1, 'z', NULL)", ignore: []string{"extra"}, blocks: sinks.Done},
	{name: "named", left: `("select" int PRIMARY KEY, "a ""b" text, "c,d)" text)`, right: `("c,d)" text, "a ""b" text, "select" int PRIMARY KEY)`,
		rows: "(1, 'a', 'b'), (2, NULL, 'c')", blocks: sinks.Done},
	{name: "positive", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v above_zero)",
		rows: "(1, 5), (2, 2), (3, -2)", blocks: sinks.Refused},
	{name: "parted", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v int) PARTITION BY RANGE (id)",
		rows: "(1, 5), (2, 2), (11, 3), (12, 4)", blocks: sinks.Done},
	{name: "diverted", left: "(id int PRIMARY KEY, v int)", right: "(id int PRIMARY KEY, v int)",
		rows: "(1, 5), (2, 2), (3, 3)", blocks: sinks.Refused},
}

const oddDomain = "CREATE DOMAIN above_zero AS int CHECK (VALUE > 0);"

// oddParts are what comes with tables of the right side.
const oddParts = `CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (10); CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (10) TO (20);
CREATE TABLE elsewhere (id int); CREATE RULE divert AS ON INSERT TO diverted DO ALSO INSERT INTO elsewhere VALUES (NEW.id);`

// TestBlocksOfOddTables has first contact fill tables that are not as those on the left, row by row
// and in blocks. It has to come to the same.
func TestBlocksOfOddTables(t *testing.T) {
	t.Parallel()
	versions := servers.MariaDBVersions()
	for _, test := range []struct {
		at     flavour
		tables []oddTable
		after  string
	}{
		{flavour{engine: "postgres", version: servers.Versions()[0]}, oddPostgres, oddParts},
		{flavour{engine: "mysql", version: servers.MySQLVersions()[0]}, oddMySQL, ""},
		{flavour{engine: "mariadb", version: versions[len(versions)-1]}, oddMySQL, ""},
	} {
		t.Run(test.at.engine+test.at.version, func(t *testing.T) {
			rows, _ := carryOdd(t, test.at, test.tables, test.after, router.Limits{})
			blocks, verdicts := carryOdd(t, test.at, test.tables, test.after, router.Limits{Rows: 12_000, Bytes: 16 << 20, Chunk: 1})
			for _, o := range test.tables {
				if rows[o.name] != blocks[o.name] {
					t.Errorf("%s: by blocks\n%s\nand else\n%s", o.name, blocks[o.name], rows[o.name])
				}
				if verdicts[o.name][o.blocks] == 0 {
					t.Errorf("%s: rows of blocks %v, want some with %v", o.name, verdicts[o.name], o.blocks)
				}
				t.Logf("%s: %v\n%s", o.name, verdicts[o.name], blocks[o.name])
			}
		})
	}
}

// carryOdd fills tables at one end, links them to empty ones at another, and returns what those
// have in the end.
func carryOdd(t *testing.T, at flavour, tables []oddTable, after string, limits router.Limits) (map[string]string, map[string]map[sinks.Verdict]int) {
	t.Helper()
	ends := [2]*typesEnd{newTypesEnd(t, at.engine, at.version), loadingEnd(t, at)}
	left, right := "", ""
	if at.engine == "postgres" {
		left, right = oddDomain, oddDomain
	} else {
		left = "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';"
	}
	var specs []mapping.Spec
	for _, o := range tables {
		specs = append(specs, mapping.Spec{Name: o.name, Ignore: o.ignore})
		left += "CREATE TABLE " + o.name + o.left + "; INSERT INTO " + o.name + " VALUES " + o.rows + ";"
		right += "CREATE TABLE " + o.name + o.right + ";"
	}
	ends[0].exec(left)
	ends[1].exec(right + after)
	d := newDuoOf(t, [2]site{ends[0].site, ends[1].site}, [2]bool{false, true}, router.InitialLeft, specs)
	counter := &blockCounter{verdicts: map[string]map[sinks.Verdict]int{}}
	d.limits, d.onSink = limits, func(s sinks.Sink) sinks.Sink { counter.Sink = s; return counter }
	link, stop := d.run()
	err := link.Barrier(t.Context())
	stop()
	d.must(err)
	all := map[string]string{}
	for _, o := range tables {
		all[o.name] = ends[1].listed("SELECT * FROM " + o.name)
	}
	return all, counter.verdicts
}

// listed is what a query shows, in the order of its lines.
func (e *typesEnd) listed(query string) string {
	e.t.Helper()
	var lines []string
	for _, values := range valuesOf(e.t, e.db, query) {
		var fields []string
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			fields = append(fields, fmt.Sprint(v))
		}
		lines = append(lines, strings.Join(fields, "|"))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
