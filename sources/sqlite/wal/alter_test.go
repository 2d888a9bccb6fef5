package wal

import (
	"fmt"
	"slices"
	"strings"
)

// altered are the tables of which single columns come and go, each with a column that stays.
var altered = [][2]string{{"t1", "n"}, {"t2", "b"}, {"t3", "v"}, {"t5", "z"}, {"t6", "i"}, {"t7", "v"}, {"t8", "y"}}

// core are the columns that are called something else for a while: table, name, other name.
var core = [][3]string{{"t5", "u", "u_b"}, {"t8", "id", "id_b"}, {"t3", "w", "w_b"}, {"t4", "x", "x_b"}, {"t7", "k2", "k2_b"}, {"t6", "y", "y_b"}}

// columns returns columns of a table, those that are computed as well.
func (w *work) columns(table, like string) []string {
	return w.ask(fmt.Sprintf("SELECT name FROM pragma_table_xinfo('%s') WHERE name GLOB '%s' ORDER BY cid", table, like))
}

// addedColumn returns a column that was added to some table, and can be written, if there is one.
func (w *work) addedColumn() (table, column string) {
	first := w.rand.IntN(len(altered))
	for i := range altered {
		table = altered[(first+i)%len(altered)][0]
		if list := w.columns(table, "e[0-9]*"); len(list) > 0 {
			return table, list[w.rand.IntN(len(list))]
		}
	}
	return "", ""
}

// restore gives what is called something else its name again, and makes what is gone.
func (w *work) restore() {
	for _, c := range core {
		if len(w.columns(c[0], c[2])) > 0 {
			w.runf("ALTER TABLE %s RENAME COLUMN %s TO %s", c[0], c[2], c[1])
		}
	}
	for _, name := range w.ask("SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB 't[0-9]_away' ORDER BY name") {
		w.runf("ALTER TABLE %s RENAME TO %s", name, strings.TrimSuffix(name, "_away"))
	}
	if len(w.columns("t9", "id")) == 0 {
		w.run("CREATE TABLE t9(id INTEGER PRIMARY KEY, x TEXT, y BLOB)" + oneOf(w.history, "", " WITHOUT ROWID"))
	}
}

// add adds a column to some table.
func (w *work) add(declared string) {
	t := oneOf(w.history, altered...)
	w.runf("ALTER TABLE %s ADD COLUMN e%d %s", t[0], w.extra, strings.ReplaceAll(declared, "?", t[1]))
}

// indexOn makes an index, unless the table is not there as it was.
func (w *work) indexOn(unique, on string) { w.runf("CREATE %sINDEX x%d ON %s", unique, w.extra, on) }

// alterations are changes of the schema.
var alterations = []deed{
	{"ADD COLUMN", 1, func(w *work) {
		w.add(oneOf(w.history, "INT", "INT DEFAULT "+fmt.Sprint(w.rand.IntN(100)), "TEXT DEFAULT 'é漢'", "BLOB DEFAULT x'00ff'", "REAL DEFAULT 7", "TEXT DEFAULT -5", "INT DEFAULT TRUE"))
	}},
	{"ADD COLUMN, NOT NULL", 1, func(w *work) { w.add("TEXT NOT NULL DEFAULT 'there'") }},
	{"ADD COLUMN, CHECK", 1, func(w *work) { w.add(fmt.Sprintf("INT DEFAULT 3 CHECK(e%d IS NULL OR e%[1]d < 900)", w.extra)) }},
	{"ADD COLUMN, REFERENCES", 1, func(w *work) { w.add("INT REFERENCES t1(id) ON DELETE SET NULL") }},
	{"ADD COLUMN, generated", 1, func(w *work) {
		w.extra++
		w.runf("ALTER TABLE %s ADD COLUMN g%d INT AS (length(x))", oneOf(w.history, "t6", "t8"), w.extra)
	}},
	{"DROP COLUMN", 2, func(w *work) {
		table, column := w.addedColumn()
		if w.failed = column == ""; !w.failed {
			w.runf("ALTER TABLE %s DROP COLUMN %s", table, column)
		}
	}},
	{"ADD, UPDATE and DROP COLUMN", 1, func(w *work) {
		w.runf("ALTER TABLE t2 ADD COLUMN d%d", w.extra)
		w.runf("UPDATE t2 SET d%d = length(a) %% 7", w.extra)
		w.runf("ALTER TABLE t2 DROP COLUMN d%d", w.extra)
	}},
	{"DROP COLUMN, generated", 1, func(w *work) {
		for _, table := range []string{"t6", "t8"} {
			list := w.columns(table, "g[0-9]*")
			if len(list) == 0 && table == "t8" {
				w.runf("ALTER TABLE t8 ADD COLUMN g%d INT AS (length(x))", w.extra)
				list = w.columns(table, "g[0-9]*")
			}
			if len(list) > 0 {
				w.runf("ALTER TABLE %s DROP COLUMN %s", table, list[0])
				return
			}
		}
	}},
	{"RENAME COLUMN", 1, func(w *work) {
		table, column := w.addedColumn()
		if column == "" {
			table, column = "t3", fmt.Sprintf("e%d", w.extra)
			w.runf("ALTER TABLE t3 ADD COLUMN %s", column)
			w.extra++
		}
		w.runf("ALTER TABLE %s RENAME COLUMN %s TO e%d", table, column, w.extra)
	}},
	{"RENAME COLUMN, for a while", 2, func(w *work) {
		c := oneOf(w.history, core...)
		w.runf("ALTER TABLE %s RENAME COLUMN %s TO %s", c[0], c[1], c[2])
	}},
	{"RENAME TABLE, for a while", 2, func(w *work) {
		table := oneOf(w.history, "t2", "t3", "t5", "t6", "t7")
		w.runf("ALTER TABLE %s RENAME TO %[1]s_away", table)
	}},
	{"two tables swap their names", 3, func(w *work) {
		w.run("ALTER TABLE t8 RENAME TO swap")
		w.run("ALTER TABLE t9 RENAME TO t8")
		w.run("ALTER TABLE swap RENAME TO t9")
	}},
	{"CREATE TABLE", 1, func(w *work) {
		w.runf("CREATE TABLE n%d(id INTEGER PRIMARY KEY, q TEXT)", w.extra)
		w.runf("INSERT INTO n%d(q) SELECT a FROM t1 LIMIT 200", w.extra)
	}},
	{"CREATE TABLE AS SELECT", 1, func(w *work) { w.runf("CREATE TABLE n%d AS SELECT * FROM t1 LIMIT 100", w.extra) }},
	{"DROP TABLE", 1, func(w *work) {
		list := w.ask("SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB 'n[0-9]*' ORDER BY name")
		if w.failed = len(list) == 0; !w.failed {
			w.run("DROP TABLE " + oneOf(w.history, list...))
		}
	}},
	{"DROP TABLE, for a while", 1, func(w *work) { w.run("DROP TABLE t9") }},
	{"DROP TABLE, and made at once", 1, func(w *work) {
		w.run("DROP TABLE t5")
		w.run("CREATE TABLE t5(id INTEGER PRIMARY KEY, p INT REFERENCES t1(id) ON DELETE CASCADE ON UPDATE CASCADE, u TEXT UNIQUE, z BLOB)")
		w.run("INSERT INTO t5(p, u) SELECT id, id FROM t1 LIMIT 10")
		w.run("DROP TABLE other")
		w.run("CREATE TABLE other(id INTEGER PRIMARY KEY, x)")
	}},
	{"rebuild", 1, func(w *work) {
		w.run("CREATE TABLE t4b(id INTEGER PRIMARY KEY, x TEXT, g AS (length(x)), s INT AS (length(x)*2) STORED, r REAL)")
		w.run("INSERT INTO t4b(id,x,r) SELECT id,x,r FROM t4")
		w.run("DROP TABLE t4")
		w.run("ALTER TABLE t4b RENAME TO t4")
	}},
	{"rebuild, moved away first", 1, func(w *work) { w.rebuildText("") }},
	{"rebuild, WITHOUT ROWID", 1, func(w *work) { w.rebuildText(" WITHOUT ROWID") }},
	{"CREATE INDEX", 1, func(w *work) {
		w.indexOn("", oneOf(w.history, "t1(a)", "t2(b, c)", "t3(v)", "t7(w DESC)", "t6(b)", "t9(y)"))
	}},
	{"CREATE UNIQUE INDEX", 1, func(w *work) {
		w.run("DELETE FROM t9 WHERE id NOT IN (SELECT min(id) FROM t9 GROUP BY x)")
		w.indexOn("UNIQUE ", "t9(x)")
	}},
	{"CREATE INDEX WHERE", 1, func(w *work) {
		w.indexOn("", oneOf(w.history, "t1(n) WHERE n IS NOT NULL", "t6(i) WHERE i > 100", "t4(r) WHERE g > 20"))
	}},
	{"CREATE UNIQUE INDEX WHERE", 1, func(w *work) {
		w.run("DELETE FROM t8 WHERE length(x) < 3 AND id NOT IN (SELECT min(id) FROM t8 GROUP BY x)")
		w.indexOn("UNIQUE ", "t8(x) WHERE length(x) < 3")
	}},
	{"CREATE INDEX on an expression", 1, func(w *work) {
		w.indexOn("", oneOf(w.history, "t1(substr(a,1,3), length(b))", "t4(g, s)", "t7(upper(k2), w)"))
	}},
	{"DROP INDEX", 3, func(w *work) {
		list := w.ask("SELECT name FROM sqlite_schema WHERE type='index' AND sql IS NOT NULL AND tbl_name NOT GLOB 'f[tc]_*' ORDER BY name")
		if w.failed = len(list) == 0; !w.failed {
			w.run("DROP INDEX " + oneOf(w.history, list...))
		}
	}},
	{"CREATE TRIGGER", 3, func(w *work) {
		w.runf("CREATE TRIGGER r%d %s", w.extra, oneOf(w.history,
			"AFTER UPDATE OF a ON t1 BEGIN UPDATE t3 SET v=new.b WHERE k2=new.id%500; INSERT OR REPLACE INTO t3(v,k,k2) VALUES(new.b,'r',new.id%500); END",
			"AFTER DELETE ON t1 BEGIN INSERT INTO heard(what,n) VALUES('gone',old.n); DELETE FROM heard WHERE id=old.id; END",
			"BEFORE INSERT ON t6 WHEN new.i%3=0 BEGIN INSERT INTO heard(what,n) VALUES('before',new.y); END",
			"AFTER UPDATE ON t2 BEGIN INSERT INTO heard(what,n) SELECT 'was', old.b; UPDATE t7 SET w=1 WHERE k1=length(new.a)%40; END",
			"AFTER INSERT ON t8 WHEN length(new.x)=2 BEGIN SELECT RAISE(IGNORE); END",
			"AFTER DELETE ON t7 BEGIN INSERT INTO heard(what,n) VALUES(old.k2,old.v); END"))
	}},
	{"DROP TRIGGER", 1, func(w *work) {
		list := w.ask("SELECT name FROM sqlite_schema WHERE type='trigger' AND name GLOB 'r[0-9]*' ORDER BY name")
		if w.failed = len(list) == 0; !w.failed {
			w.run("DROP TRIGGER " + oneOf(w.history, list...))
		}
	}},
	{"CREATE VIEW", 1, func(w *work) { w.runf("CREATE VIEW v%d AS SELECT * FROM t1", w.extra) }},
	{"fts5, made anew", 1, func(w *work) {
		w.run("DROP TABLE ft")
		w.run("CREATE VIRTUAL TABLE ft USING fts5(x, y" + oneOf(w.history, "", ", prefix='1 2'", ", detail=none", ", tokenize='trigram'") + ")")
		w.run("INSERT INTO ft(rowid,x) SELECT id, a FROM t1 LIMIT 50")
	}},
	{"rtree, made anew", 1, func(w *work) {
		w.run("DROP TABLE rt")
		w.run("CREATE VIRTUAL TABLE rt USING rtree(id, least, most)")
		w.run("INSERT INTO rt SELECT id, id, id+1 FROM t1 LIMIT 100")
	}},
	{"ANALYZE", 1, func(w *work) { w.run(oneOf(w.history, "ANALYZE main", "ANALYZE t1", "ANALYZE t7")) }},
	{"REINDEX", 1, func(w *work) { w.run(oneOf(w.history, "REINDEX t1", "REINDEX t7", "REINDEX NOCASE", "REINDEX")) }},
	{"incremental_vacuum", 2, func(w *work) { w.freed(oneOf(w.history, "(5)", "(50)", "")) }},
	{"user_version", 1, func(w *work) { w.runf("PRAGMA main.user_version=%d", w.rand.Int32()) }},
	{"application_id", 1, func(w *work) { w.runf("PRAGMA main.application_id=%d", w.rand.Int32()) }},
}

// rebuildText rebuilds the table whose key is a text. Columns that were added are gone with that.
func (w *work) rebuildText(kind string) {
	w.run("ALTER TABLE t2 RENAME TO t2b")
	w.run("CREATE TABLE t2(a TEXT PRIMARY KEY, b, c NUMERIC)" + kind)
	w.run("INSERT INTO t2 SELECT a, b, c FROM t2b")
	w.run("DROP TABLE t2b")
}

// freed gives free pages back: a page for each step of the statement. It fails where none are.
func (w *work) freed(pages string) {
	free := w.ask("PRAGMA main.freelist_count")
	w.ask("PRAGMA main.incremental_vacuum" + pages)
	w.failed = slices.Equal(free, w.ask("PRAGMA main.freelist_count"))
}

// settings are what applications do between their transactions.
var settings = []deed{
	{"secure_delete", 1, func(w *work) { w.ask("PRAGMA secure_delete=" + oneOf(w.history, "ON", "OFF", "FAST")) }},
	{"cache_size", 1, func(w *work) { w.run("PRAGMA cache_size=" + oneOf(w.history, "5", "10", "50", "-2000")) }},
	{"cache_spill", 1, func(w *work) { w.ask("PRAGMA cache_spill=" + oneOf(w.history, "ON", "OFF", "3", "30")) }},
	{"journal_size_limit", 1, func(w *work) { w.ask("PRAGMA journal_size_limit=" + oneOf(w.history, "0", "9000", "100000", "-1")) }},
	{"recursive_triggers", 1, func(w *work) { w.run("PRAGMA recursive_triggers=" + oneOf(w.history, "ON", "OFF")) }},
	{"user_version alone", 1, func(w *work) { w.runf("PRAGMA main.user_version=%d", w.rand.Int32()) }},
	{"application_id alone", 1, func(w *work) { w.runf("PRAGMA main.application_id=%d", w.rand.Int32()) }},
	{"optimize", 1, func(w *work) { w.ask("PRAGMA optimize(0x10002)") }},
	{"ANALYZE alone", 1, func(w *work) { w.run("ANALYZE main") }},
	{"incremental_vacuum alone", 2, func(w *work) { w.freed(oneOf(w.history, "(30)", "")) }},
	{"wal_checkpoint(PASSIVE)", 3, func(w *work) { w.ask("PRAGMA wal_checkpoint(PASSIVE)") }},
	{"wal_checkpoint(FULL)", 1, func(w *work) { w.ask("PRAGMA wal_checkpoint(FULL)") }},
	{"wal_checkpoint(RESTART)", 2, func(w *work) { w.ask("PRAGMA wal_checkpoint(RESTART)") }},
	{"wal_checkpoint(TRUNCATE)", 2, func(w *work) { w.ask("PRAGMA wal_checkpoint(TRUNCATE)") }},
}

// alone are settings of one who writes alone: those below are transactions of their own, too.
var alone = slices.Concat(settings, []deed{
	{"VACUUM", 2, func(w *work) { w.run("VACUUM") }},
	{"rebuild of a table that others refer to", 1, func(w *work) {
		w.run("PRAGMA foreign_keys=OFF")
		w.run("PRAGMA legacy_alter_table=ON")
		w.run("BEGIN")
		w.run("CREATE TABLE t1b(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL, n INT)")
		w.run("INSERT INTO t1b SELECT id, a, b, c, n FROM t1")
		w.run("DROP TABLE t1")
		w.run("ALTER TABLE t1b RENAME TO t1")
		w.run("COMMIT")
		w.run("PRAGMA legacy_alter_table=OFF")
		w.run("PRAGMA foreign_keys=ON")
	}},
	{"the schema, written by hand", 1, func(w *work) {
		w.run("PRAGMA writable_schema=ON")
		w.runf("UPDATE sqlite_schema SET sql='CREATE TABLE t4(id INTEGER PRIMARY KEY, x VARCHAR(%d), g AS (length(x)), s INT AS (length(x)*2) STORED, r REAL)' WHERE name='t4' AND sql NOT LIKE '%%x\\_b%%' ESCAPE '\\'", 100+w.rand.IntN(100))
		w.run("PRAGMA writable_schema=RESET")
	}},
})
