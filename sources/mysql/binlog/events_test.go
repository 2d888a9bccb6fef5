package binlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestPrint is for now.
func TestPrint(t *testing.T) {
	onServers(t, func(t *testing.T, s *site) {
		c := s.connect(t)
		do(t, c, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
		dir := t.TempDir()
		for d := dir; d != "/tmp"; d = filepath.Dir(d) {
			_ = os.Chmod(d, 0o777)
		}
		events := s.logged(t, func() {
			do(t, c, "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, a varchar(20), j json, b blob)")
			do(t, c, "INSERT INTO t VALUES (1, 'x', '{}', 'blob')")
			do(t, c, "SET binlog_row_image = MINIMAL; UPDATE t SET a = 'y'; SET binlog_row_image = NOBLOB; UPDATE t SET a = 'z'; SET binlog_row_image = FULL")
			do(t, c, "XA START 'a','b',7; INSERT INTO t(a) VALUES ('xa'); XA END 'a','b',7; XA PREPARE 'a','b',7; XA COMMIT 'a','b',7")
			do(t, c, "XA START x'00ff'; INSERT INTO t(a) VALUES ('xa1'); XA END x'00ff'; XA COMMIT x'00ff' ONE PHASE")
			do(t, c, "XA START 'r'; INSERT INTO t(a) VALUES ('xa2'); XA END 'r'; XA PREPARE 'r'; XA ROLLBACK 'r'")
			do(t, c, "SET binlog_format = STATEMENT; INSERT INTO t(a) VALUES ('st'); SET @a = 'uv'; INSERT INTO t(a) VALUES (@a);")
			do(t, c, "INSERT INTO t(a) VALUES (left(rand(), 5))")
			do(t, c, fmt.Sprintf("SELECT 'l1' INTO OUTFILE '%s/f'; LOAD DATA INFILE '%s/f' INTO TABLE t (a); SET binlog_format = ROW", dir, dir))
			do(t, c, "CREATE TABLE t2 (id int PRIMARY KEY) SELECT 5 AS id")
			do(t, c, "TRUNCATE t2; REPLACE INTO t2 VALUES (1); BEGIN; SAVEPOINT a; DELETE FROM t2; ROLLBACK TO a; INSERT INTO t2 VALUES (9); COMMIT")
			do(t, c, "CREATE TABLE my (id int) ENGINE=MyISAM; INSERT INTO my VALUES (1); FLUSH LOGS; INSERT INTO t2 VALUES (10)")
			if s.MariaDB {
				do(t, c, "SET skip_replication = 1; INSERT INTO t2 VALUES (11); SET skip_replication = 0")
			} else {
				do(t, c, "SET binlog_row_value_options = PARTIAL_JSON; UPDATE t SET j = json_set(j, '$.a', 1) WHERE id = 1; SET binlog_row_value_options = ''")
				do(t, c, "SET gtid_next = 'AUTOMATIC:tag_a'; INSERT INTO t2 VALUES (11); SET gtid_next = 'AUTOMATIC'")
				do(t, c, "SET binlog_transaction_compression = 1; INSERT INTO t2 VALUES (12); SET binlog_rows_query_log_events = 1; INSERT INTO t2 VALUES (13); SET binlog_transaction_compression = 0; INSERT INTO t2 VALUES (14)")
			}
		})
		var got transcript
		decodeAll(t, events, got.add)
		for _, l := range got.lines {
			t.Log(l)
		}
	})
}
