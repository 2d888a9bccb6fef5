package wal

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

func (h *history) size() int {
	switch n := h.rand.IntN(100); {
	case n < 70:
		return h.rand.IntN(40)
	case n < 90:
		return h.rand.IntN(900)
	case n < 99:
		return h.rand.IntN(9000)
	default:
		return h.rand.IntN(100_000)
	}
}

func (h *history) blob() []byte {
	b := make([]byte, h.size())
	for i := range b {
		b[i] = byte(h.rand.Uint32())
	}
	return b
}

func (h *history) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnop qrst"[h.rand.IntN(21)]
	}
	if h.rand.IntN(4) == 0 {
		return string(b) + "é漢😀"
	}
	return string(b)
}

func (h *history) any() any {
	switch h.rand.IntN(6) {
	case 0:
		return nil
	case 1:
		return h.rand.Int64() >> h.rand.IntN(63)
	case 2:
		return -(h.rand.Int64() >> h.rand.IntN(63))
	case 3:
		return float64(h.rand.IntN(1000)) / 4
	case 4:
		return h.blob()
	}
	return h.text(h.size())
}

// executor is a transaction, or a connection.
type executor interface {
	Exec(query string, args ...any) (sql.Result, error)
}

// locked tells whether a statement was refused because of what others do.
func (h *history) locked(err error) bool {
	if h.shared && err != nil && (strings.Contains(err.Error(), "locked") || strings.Contains(err.Error(), "interrupted")) {
		h.refused = err
		return true
	}
	return false
}

// write runs one statement; those that a constraint refuses do nothing.
func (h *history) write(tx executor) {
	do := func(query string, args ...any) {
		if _, err := tx.Exec(query, args...); err != nil && !strings.Contains(err.Error(), "constraint") && !strings.Contains(err.Error(), "no such") && !h.locked(err) {
			h.t.Fatalf("seed %d: %s: %v", h.seed, query, err)
		}
	}
	pick := func(table, key string) string { // one row, by the history's own chance
		return fmt.Sprintf("(SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %d)", key, table, key, h.rand.IntN(400))
	}
	switch h.rand.IntN(22) {
	case 0, 1, 2:
		do("INSERT INTO t1(a,b,c,n) VALUES(?,?,?,?)", h.text(h.size()), h.blob(), float64(h.rand.IntN(100)), h.any())
	case 3:
		do("INSERT OR REPLACE INTO t1(id,a,b,c,n) VALUES(?,?,?,?,?)", h.rand.IntN(5000), h.text(h.size()), h.blob(), h.rand.NormFloat64(), h.any())
	case 4:
		do("UPDATE t1 SET a=?, n=? WHERE id="+pick("t1", "id"), h.text(h.size()), h.any())
	case 5: // the end of a long blob, in place
		do("UPDATE t1 SET b=CAST(substr(b,1,length(b)-3)||x'" + fmt.Sprintf("%06x", h.rand.IntN(1<<24)) + "' AS BLOB) WHERE id=(SELECT id FROM t1 WHERE length(b)>2000 ORDER BY id LIMIT 1 OFFSET " + strconv.Itoa(h.rand.IntN(20)) + ")")
	case 6:
		do("DELETE FROM t1 WHERE id>="+pick("t1", "id")+" AND id<="+pick("t1", "id")+"+?", h.rand.IntN(10))
	case 7:
		do("UPDATE OR IGNORE t1 SET id=id+? WHERE id="+pick("t1", "id"), h.rand.IntN(100_000))
	case 8, 9:
		do("INSERT OR IGNORE INTO t2(a,b,c) VALUES(?,?,?)", h.text(1+h.rand.IntN(h.shape.key)), h.any(), h.any())
	case 10:
		do("DELETE FROM t2 WHERE a=" + pick("t2", "a"))
	case 11:
		do("UPDATE t2 SET b=?, c=? WHERE a="+pick("t2", "a"), h.any(), h.any())
	case 12, 13:
		do("INSERT OR REPLACE INTO t3(v,k,w,k2) VALUES(?,?,?,?)", h.blob(), h.text(h.rand.IntN(h.shape.key)), h.any(), h.rand.IntN(500))
	case 14:
		do("DELETE FROM t3 WHERE k2=?", h.rand.IntN(500))
	case 15:
		do("UPDATE OR IGNORE t3 SET w=?, k2=k2+? WHERE k2=?", h.any(), h.rand.IntN(2), h.rand.IntN(500))
	case 16:
		do("INSERT INTO t4(x,r) VALUES(?,?)", h.text(h.size()), float64(h.rand.IntN(9)))
	case 17:
		do("UPDATE t4 SET x=? WHERE id="+pick("t4", "id"), h.text(h.size()))
	case 18:
		do("INSERT OR REPLACE INTO t5(p,u,z) VALUES("+pick("t1", "id")+",?,?)", h.text(h.rand.IntN(3)), h.blob())
	case 19:
		do("SAVEPOINT s")
		do("DELETE FROM t1 WHERE id%3=0")
		do("INSERT INTO other(x) SELECT b FROM t1 LIMIT 50")
		do("ROLLBACK TO s")
		do("RELEASE s")
	case 20:
		do("INSERT INTO other(x) VALUES(?)", h.blob())
		do("DELETE FROM other WHERE id<(SELECT max(id) FROM other)-20")
	case 21:
		switch h.rand.IntN(30) {
		case 0:
			do("DELETE FROM " + historyTables[h.rand.IntN(len(historyTables))])
		case 1, 2, 3:
			do("DELETE FROM t1 WHERE id%?=0", 2+h.rand.IntN(3))
			do("DELETE FROM t2 WHERE length(a)%?=0", 2+h.rand.IntN(3))
			do("DELETE FROM t3 WHERE k2%?=0", 2+h.rand.IntN(3))
		case 4, 5, 6:
			do("INSERT INTO t1(a,b,c,n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 300) SELECT hex(zeroblob(i%40)), zeroblob(i*7%300), i, i FROM c")
		}
	}
}

// alter runs a statement that changes the schema.
func (h *history) alter(tx executor) {
	h.extra++
	statements := [][]string{
		{fmt.Sprintf("ALTER TABLE t2 ADD COLUMN x%d INT DEFAULT %d", h.extra, h.rand.IntN(100))},
		{fmt.Sprintf("ALTER TABLE t1 ADD COLUMN y%d REAL DEFAULT '7'", h.extra)},
		{fmt.Sprintf("CREATE TABLE n%d(id INTEGER PRIMARY KEY, q TEXT)", h.extra), fmt.Sprintf("INSERT INTO n%d(q) SELECT a FROM t1 LIMIT 200", h.extra)},
		{fmt.Sprintf("DROP TABLE IF EXISTS n%d", max(0, h.extra-1-h.rand.IntN(9)))},
		{"CREATE TABLE t4b(id INTEGER PRIMARY KEY, x TEXT, g AS (length(x)), s INT AS (length(x)*2) STORED, r REAL)",
			"INSERT INTO t4b(id,x,r) SELECT id,x,r FROM t4", "DROP TABLE t4", "ALTER TABLE t4b RENAME TO t4"},
		{fmt.Sprintf("ALTER TABLE t2 ADD COLUMN d%d", h.extra), fmt.Sprintf("UPDATE t2 SET d%d = length(a) %% 7", h.extra), fmt.Sprintf("ALTER TABLE t2 DROP COLUMN d%d", h.extra)},
		{"ALTER TABLE t2 RENAME TO t2b", "CREATE TABLE t2(a TEXT PRIMARY KEY, b, c NUMERIC)", "INSERT INTO t2 SELECT a, b, c FROM t2b", "DROP TABLE t2b"},
		{"ALTER TABLE t2 RENAME TO t2b", "CREATE TABLE t2(a TEXT PRIMARY KEY, b, c NUMERIC) WITHOUT ROWID", "INSERT INTO t2 SELECT a, b, c FROM t2b", "DROP TABLE t2b"},
		{"DROP INDEX IF EXISTS i1"}, {"CREATE INDEX IF NOT EXISTS i1 ON t1(a)"},
		{fmt.Sprintf("CREATE VIEW v%d AS SELECT * FROM t1", h.extra)},
		{"DROP TABLE other", "CREATE TABLE other(id INTEGER PRIMARY KEY, x)"},
		{"DROP TABLE t5", "CREATE TABLE t5(id INTEGER PRIMARY KEY, p INT REFERENCES t1(id) ON DELETE CASCADE ON UPDATE CASCADE, u TEXT UNIQUE, z BLOB)",
			"INSERT INTO t5(p, u) SELECT id, id FROM t1 LIMIT 10"},
		{"PRAGMA incremental_vacuum(20)"},
	}
	for _, s := range statements[h.rand.IntN(len(statements))] {
		if _, err := tx.Exec(s); h.locked(err) {
			return
		} else if err != nil {
			h.t.Fatalf("seed %d: %s: %v", h.seed, s, err)
		}
	}
}
