package wal

// richSchema has what applications use beside plain tables.
const richSchema = `
CREATE TABLE t6(id INTEGER PRIMARY KEY AUTOINCREMENT, i INT, r REAL, x TEXT UNIQUE, b BLOB, y ANY, p INT REFERENCES t1(id) ON DELETE SET NULL ON UPDATE SET NULL,
	g INT AS (i+1), s TEXT AS (x||'!') STORED) STRICT;
CREATE TABLE t7(v, k1 INT, k2 TEXT COLLATE NOCASE, w REAL, g AS (k1*2), s TEXT AS (k2||k1) STORED, PRIMARY KEY(k1, k2)) WITHOUT ROWID;
CREATE TABLE t8(id INTEGER PRIMARY KEY, x TEXT, y BLOB);
CREATE TABLE t9(id INTEGER PRIMARY KEY, x TEXT, y BLOB);
CREATE TABLE heard(id INTEGER PRIMARY KEY, what TEXT, n);
CREATE VIEW both AS SELECT a, b, length(b) AS l FROM t1;
CREATE TRIGGER both_in INSTEAD OF INSERT ON both BEGIN
	INSERT INTO t1(a, b) VALUES(new.a, new.b);
	INSERT OR REPLACE INTO t3(v, k, k2) VALUES(new.b, 'both', new.l % 500);
	INSERT INTO heard(what, n) VALUES('both', new.l);
END;
CREATE TRIGGER t1_in AFTER INSERT ON t1 BEGIN INSERT INTO heard(what, n) VALUES('in', new.a); END;
CREATE VIRTUAL TABLE ft USING fts5(x, y);
CREATE VIRTUAL TABLE fc USING fts5(a, content='t1', content_rowid='id');
CREATE VIRTUAL TABLE rt USING rtree(id, least, most);`

// richTables are followed too. Of the virtual tables it is those that they keep themselves in.
var richTables = []string{"t6", "t7", "t8", "t9", "heard", "ft_content", "ft_data", "ft_idx", "fc_data", "rt_node", "rt_rowid"}

// sideSchema is that of a second file, which is attached. It has a table of a name that is followed, with
// the rows of the first file.
const sideSchema = `CREATE TABLE side.s(id INTEGER PRIMARY KEY, x);
CREATE TABLE side.t5(id INTEGER PRIMARY KEY, p, u TEXT UNIQUE, z);`

var richWrites = []deed{
	{"ON CONFLICT DO UPDATE", 1, func(w *work) {
		w.runf("INSERT INTO t2(a,b,c) SELECT a, %d, 'again' FROM t2 WHERE true ORDER BY a LIMIT 3 OFFSET %d ON CONFLICT(a) DO UPDATE SET b=excluded.b, c=excluded.c", w.rand.IntN(1000), w.rand.IntN(30))
	}},
	{"ON CONFLICT DO UPDATE WITHOUT ROWID", 2, func(w *work) {
		w.run("INSERT INTO t7(k1,k2,v,w) VALUES(?,?,?,?) ON CONFLICT(k1,k2) DO UPDATE SET v=excluded.v, w=ifnull(t7.w,0)+1 WHERE t7.w IS NOT 3",
			w.rand.IntN(40), oneOf(w.history, "a", "A", "b", w.text(w.rand.IntN(w.shape.key))), w.any(), w.rand.IntN(9))
	}},
	{"RETURNING", 1, func(w *work) {
		w.ask("UPDATE t1 SET n=ifnull(length(b),0)+? WHERE id IN (SELECT id FROM t1 ORDER BY id LIMIT 5 OFFSET ?) RETURNING id, n", w.rand.IntN(1000), w.rand.IntN(100))
		w.ask("INSERT INTO t8(x,y) VALUES(?,?) RETURNING id", w.text(w.rand.IntN(4)), w.blob())
		w.ask("DELETE FROM t4 WHERE id=" + w.pick("t4", "id") + " RETURNING *")
	}},
	{"UPDATE FROM", 1, func(w *work) {
		w.run("UPDATE t1 SET n=t8.x, c=t8.id FROM t8 WHERE t8.id=t1.id%50 AND t1.id%5=?", w.rand.IntN(5))
	}},
	{"STRICT", 3, func(w *work) {
		w.run("INSERT INTO t6(i,r,x,b,y,p) VALUES(?,?,?,?,?,"+w.pick("t1", "id")+")", w.rand.IntN(1000), float64(w.rand.IntN(50)), w.text(w.rand.IntN(30)), w.blob(), w.any())
		w.run("INSERT INTO t6(i) VALUES('no number')")
	}},
	{"UPDATE of a STRICT table", 1, func(w *work) {
		w.run("UPDATE t6 SET y=?, r=r+1, i=i*2%1000 WHERE id IN (SELECT id FROM t6 ORDER BY id LIMIT 4 OFFSET ?)", w.any(), w.rand.IntN(60))
	}},
	{"REPLACE of two rows by one", 1, func(w *work) {
		w.run("INSERT OR REPLACE INTO t6(id,i,x) SELECT a.id, 7, b.x FROM t6 a, t6 b WHERE a.id<b.id ORDER BY a.id, b.id LIMIT 1 OFFSET ?", w.rand.IntN(50))
	}},
	{"generated columns WITHOUT ROWID", 1, func(w *work) {
		w.run("UPDATE OR REPLACE t7 SET k1=k1+1, w=? WHERE k1 BETWEEN ?2 AND ?2+3", w.rand.NormFloat64(), w.rand.IntN(40))
	}},
	{"DELETE of what was replaced", 1, func(w *work) {
		w.run("DELETE FROM t7 WHERE k1=?", w.rand.IntN(45))
		w.run("DELETE FROM t6 WHERE id IN (SELECT id FROM t6 ORDER BY id DESC LIMIT 2 OFFSET ?)", w.rand.IntN(20))
	}},
	{"INSERT OR FAIL, half of it", 1, func(w *work) {
		u := w.text(5)
		w.run("INSERT OR FAIL INTO t5(u,z) SELECT column1, column2 FROM (VALUES(?1||1, x'01'), (?1||2, x'02'), (?1||1, x'03'), (?1||4, x'04'))", u)
	}},
	{"INSTEAD OF", 1, func(w *work) { w.run("INSERT INTO both(a,b) VALUES(?,?)", w.text(w.size()), w.blob()) }},
	{"what triggers heard", 1, func(w *work) {
		w.run("DELETE FROM heard WHERE id<(SELECT max(id) FROM heard)-?", 100+w.rand.IntN(100))
		w.run("UPDATE heard SET n=? WHERE id="+w.pick("heard", "id"), w.any())
	}},
	{"fts5", 3, func(w *work) {
		w.run("INSERT OR REPLACE INTO ft(rowid,x,y) VALUES(?,?,?)", w.rand.IntN(200), w.text(w.size()), w.text(w.rand.IntN(40)))
	}},
	{"fts5, changed", 1, func(w *work) {
		w.run("UPDATE ft SET y=? WHERE rowid="+w.pick("ft_content", "id"), w.text(w.rand.IntN(90)))
		w.run("DELETE FROM ft WHERE rowid=" + w.pick("ft_content", "id"))
	}},
	{"fts5, kept in order", 1, func(w *work) {
		w.run(oneOf(w.history, "INSERT INTO ft(ft) VALUES('optimize')", "INSERT INTO ft(ft) VALUES('rebuild')", "INSERT INTO ft(ft,rank) VALUES('merge',100)",
			"INSERT INTO fc(fc) VALUES('rebuild')", "INSERT INTO ft(ft,rank) VALUES('pgsz',64)", "INSERT INTO ft(ft,rank) VALUES('crisismerge',4)"))
	}},
	{"rtree", 2, func(w *work) {
		w.run("INSERT OR REPLACE INTO rt VALUES(?1,?2,?2+?3)", w.rand.IntN(300), w.rand.IntN(1000), w.rand.IntN(9))
		w.run("DELETE FROM rt WHERE id=?", w.rand.IntN(300))
	}},
	{"temp tables", 1, func(w *work) {
		// The second hides one that is followed.
		w.run("CREATE TEMP TABLE IF NOT EXISTS work(a, b)")
		w.run("DELETE FROM work")
		w.run("INSERT INTO work SELECT a, b FROM t1 ORDER BY id LIMIT 20")
		w.run("INSERT OR IGNORE INTO t2(a,b) SELECT substr(a,1,20), b FROM work LIMIT 3")
		w.run("CREATE TEMP TABLE t5(id INTEGER PRIMARY KEY, p, u, z)")
		w.run("INSERT INTO t5(p,u,z) SELECT 1, a, b FROM work")
		w.run("UPDATE main.t5 SET z=(SELECT z FROM temp.t5 LIMIT 1) WHERE id=" + w.pick("main.t5", "id"))
		w.run("DROP TABLE temp.t5")
	}},
	{"savepoints in savepoints", 1, func(w *work) {
		w.run("SAVEPOINT outside")
		w.run("INSERT INTO t8(x,y) VALUES('outside',?)", w.blob())
		w.run("SAVEPOINT inside")
		w.run("INSERT INTO t9(id,x,y) SELECT id+1000, x, y FROM t8 WHERE true ORDER BY id LIMIT 30 ON CONFLICT DO NOTHING")
		w.run("DELETE FROM t8 WHERE id%2=0")
		if w.rand.IntN(2) == 0 {
			w.run("ROLLBACK TO inside")
		}
		w.run("RELEASE inside")
		w.run("UPDATE t9 SET x=x||'.' WHERE id IN (SELECT id FROM t9 ORDER BY id LIMIT 5)")
		if w.rand.IntN(3) == 0 {
			w.run("ROLLBACK TO outside")
		}
		w.run("RELEASE outside")
	}},
	{"two files in one transaction", 1, func(w *work) {
		w.run("INSERT INTO side.s(x) SELECT b FROM t1 ORDER BY id LIMIT 5")
		w.run("INSERT OR REPLACE INTO side.t5(u,z) VALUES(?,?)", w.text(2), w.blob())
		w.run("INSERT INTO t9(x,y) SELECT 'side', x FROM side.s ORDER BY id DESC LIMIT 2")
		w.run("DELETE FROM side.s WHERE id<(SELECT max(id) FROM side.s)-50")
	}},
	{"rows that are swapped", 1, func(w *work) {
		w.run("INSERT OR REPLACE INTO t9(id,x,y) SELECT id, x, y FROM t8 ORDER BY id LIMIT 9")
		w.run("UPDATE t8 SET x=CASE id%2 WHEN 0 THEN (SELECT x FROM t8 o WHERE o.id=t8.id+1) ELSE (SELECT x FROM t8 o WHERE o.id=t8.id-1) END WHERE id<50")
		w.run("DELETE FROM t9 WHERE id>(SELECT min(id) FROM t9)+150")
		w.run("DELETE FROM t8 WHERE id<(SELECT max(id) FROM t8)-150")
	}},
	{"a column that was added", 2, func(w *work) {
		table, column := w.addedColumn()
		if column != "" {
			w.run("UPDATE "+table+" SET "+column+"=? WHERE rowid IN (SELECT rowid FROM "+table+" ORDER BY 1 LIMIT 4 OFFSET ?)", w.rand.IntN(1000), w.rand.IntN(9))
			w.runf("UPDATE %s SET %s=1 WHERE %[2]s IS NULL", table, column) // those WITHOUT ROWID have no other name for a row
		}
	}},
}
