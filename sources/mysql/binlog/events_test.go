package binlog_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// history is what a server is told to do, for events of every kind. FOLDER is one that it may
// write to.
var history = []string{
	"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", // which statement format needs
	"CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, a varchar(20), b blob)",
	"INSERT INTO t VALUES (1, 'x', 'blob')",
	"SET binlog_row_image = MINIMAL; UPDATE t SET a = 'y'; SET binlog_row_image = NOBLOB; UPDATE t SET a = 'z'; SET binlog_row_image = FULL",
	"XA START 'a','b',7; INSERT INTO t(a) VALUES ('xa'); XA END 'a','b',7; XA PREPARE 'a','b',7; XA COMMIT 'a','b',7",
	"XA START x'00ff'; INSERT INTO t(a) VALUES ('xa1'); XA END x'00ff'; XA COMMIT x'00ff' ONE PHASE",
	"XA START 'r'; INSERT INTO t(a) VALUES ('xa2'); XA END 'r'; XA PREPARE 'r'; XA ROLLBACK 'r'",
	"SET binlog_format = STATEMENT; INSERT INTO t(a) VALUES ('st'); SET @a = 'uv'; INSERT INTO t(a) VALUES (@a)",
	"INSERT INTO t(a) VALUES (left(rand(), 5))",
	"SELECT 'l1' INTO OUTFILE 'FOLDER/f'; LOAD DATA INFILE 'FOLDER/f' INTO TABLE t (a); SET binlog_format = ROW",
	"CREATE TABLE t2 (id int PRIMARY KEY) SELECT 5 AS id",
	"TRUNCATE t2; REPLACE INTO t2 VALUES (1); BEGIN; SAVEPOINT a; DELETE FROM t2; ROLLBACK TO a; INSERT INTO t2 VALUES (9); COMMIT",
	"CREATE TABLE u (id int PRIMARY KEY, v int UNIQUE); INSERT INTO u VALUES (1, 1), (2, 2); REPLACE INTO u VALUES (1, 2)",
	"CREATE TABLE my (id int) ENGINE=MyISAM; INSERT INTO my VALUES (1); FLUSH LOGS; INSERT INTO t2 VALUES (10)",
	"CREATE TABLE part (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3; INSERT INTO part VALUES (1), (2); UPDATE part SET id = id + 5",
	"UPDATE t2, u SET t2.id = 90, u.v = 90 WHERE t2.id = 9 AND u.id = 1",
	"CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p(id) ON DELETE CASCADE)",
	"INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1), (2, 1); DELETE FROM p",
}

var mysqlHistory = []string{
	"CREATE TABLE own_key (a int); INSERT INTO own_key VALUES (1)",
	"CREATE TABLE j (id int PRIMARY KEY, j json); INSERT INTO j VALUES (1, '{}')",
	"SET binlog_row_value_options = PARTIAL_JSON; UPDATE j SET j = json_set(j, '$.a', 1) WHERE id = 1; SET binlog_row_value_options = ''",
	"SET gtid_next = 'AUTOMATIC:tag_a'; INSERT INTO t2 VALUES (11); SET gtid_next = 'AUTOMATIC'",
	"SET binlog_transaction_compression = 1; INSERT INTO t2 VALUES (12); SET binlog_rows_query_log_events = 1; INSERT INTO t2 VALUES (13)",
	"SET gtid_next = 'AUTOMATIC:tag_b'; INSERT INTO t2 VALUES (15); SET gtid_next = 'AUTOMATIC'",
	"SET binlog_transaction_compression = 0; INSERT INTO t2 VALUES (14)",
}

var mariaHistory = []string{
	"CREATE SEQUENCE seq; SELECT NEXT VALUE FOR seq",
	"SET skip_replication = 1; INSERT INTO t2 VALUES (11); SET skip_replication = 0",
	"SET gtid_domain_id = 5; INSERT INTO t2 VALUES (12); SET gtid_domain_id = 0",
}

// openFolder returns a folder that a server may write to.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "binlog")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEvents has servers do all that makes events, and compares these with transcripts. The
// flag record writes them.
func TestEvents(t *testing.T) {
	onServers(t, func(t *testing.T, s *site) {
		steps, engine := slices.Concat(history, mysqlHistory), "mysql"
		if s.MariaDB {
			steps, engine = slices.Concat(history, mariaHistory), "mariadb"
		}
		folder := openFolder(t)
		c := s.connect(t)
		events := s.logged(t, func() {
			for _, sql := range steps {
				do(t, c, strings.ReplaceAll(sql, "FOLDER", folder))
			}
		})
		var got transcript
		decodeAll(t, events, got.add)
		s.save(t, "events", events)
		compareTranscript(t, engine, got.lines, *record)
		checkGTIDs(t, s, events)
	})
}

// TestRecordedEvents decodes what servers logged when the transcripts were written.
func TestRecordedEvents(t *testing.T) {
	for _, file := range recorded(t, "*-events.events") {
		t.Run(filepath.Base(file.name), func(t *testing.T) {
			engine, _, _ := strings.Cut(filepath.Base(file.name), "-")
			var got transcript
			decodeAll(t, file.events, got.add)
			compareTranscript(t, engine, got.lines, false)
		})
	}
}

func compareTranscript(t *testing.T, engine string, lines []string, write bool) {
	t.Helper()
	name := filepath.Join("testdata", engine+".transcript")
	got := strings.Join(lines, "\n") + "\n"
	if write {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
	for i := range max(len(lines), len(wanted)) {
		switch {
		case i >= len(lines):
			t.Fatalf("line %d is missing: %s", i+1, wanted[i])
		case i >= len(wanted):
			t.Fatalf("line %d is too much: %s", i+1, lines[i])
		case lines[i] != wanted[i]:
			t.Fatalf("line %d is\n%s\nand not\n%s", i+1, lines[i], wanted[i])
		}
	}
}

// checkGTIDs compares the last of the log with what the server says is its last, and times
// with the clock.
func checkGTIDs(t *testing.T, s *site, events [][]byte) {
	t.Helper()
	last := map[string]binlog.GTID{}
	decodeAll(t, events, func(e *binlog.Event) error {
		if e.Kind != binlog.GTIDEvent {
			return nil
		}
		last[e.GTID.Tag+fmt.Sprint(e.GTID.Domain)] = e.GTID
		age := time.Since(time.Unix(int64(e.Timestamp), 0))
		if !s.MariaDB {
			age = time.Since(e.GTID.Time)
		}
		if s.MariaDB != e.GTID.Time.IsZero() || age < -time.Minute || age > time.Hour {
			t.Errorf("a GTID has the time %v, of the header %d", e.GTID.Time, e.Timestamp)
		}
		return nil
	})
	if s.MariaDB {
		pos, err := s.Text(t.Context(), "SELECT @@global.gtid_binlog_pos")
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range last {
			if want := fmt.Sprintf("%d-%d-%d", g.Domain, g.Server, g.Sequence); !slices.Contains(strings.Split(pos, ","), want) {
				t.Errorf("the log ends with %s, and the server is at %s", want, pos)
			}
		}
		return
	}
	executed, err := s.Text(t.Context(), "SELECT @@global.gtid_executed")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range last {
		id := hex.EncodeToString(g.UUID[:])
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		mine := strings.Split(executed[strings.Index(executed, id)+len(id)+1:], ",")[0]
		if g.Tag != "" {
			_, mine, _ = strings.Cut(mine, g.Tag+":")
		}
		mine, _, _ = strings.Cut(mine, ":")
		if want := fmt.Sprint(g.Number); mine != want && !strings.HasSuffix(mine, "-"+want) {
			t.Errorf("the log ends with %s:%s:%s, and the server has %s", id, g.Tag, want, executed)
		}
	}
}

// TestGroupCommit reads the GTIDs of transactions that MariaDB wrote together: they have one
// more field.
func TestGroupCommit(t *testing.T) {
	onMariaDB(t, func(t *testing.T, s *site) {
		s.do(t, "CREATE TABLE t (id int PRIMARY KEY)")
		s.global(t, "binlog_commit_wait_usec", "1000000")
		s.global(t, "binlog_commit_wait_count", "2")
		ids := []string{"one", "two"}
		var sessions []*store.Conn
		for i, id := range ids {
			c := s.connect(t)
			do(t, c, fmt.Sprintf("XA START '%s'; INSERT INTO t VALUES (%d); XA END '%s'", id, i, id))
			sessions = append(sessions, c)
		}
		events := s.logged(t, func() {
			var wait sync.WaitGroup
			errs := make([]error, len(ids))
			for i, id := range ids {
				wait.Go(func() { errs[i] = sessions[i].Do(t.Context(), "XA PREPARE '"+id+"'; XA ROLLBACK '"+id+"'") })
			}
			wait.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		})
		seen := map[string]int{}
		decodeAll(t, events, func(e *binlog.Event) error {
			if e.Kind == binlog.GTIDEvent {
				seen[string(e.GTID.XID)]++
			}
			return nil
		})
		for _, id := range ids {
			if want := "X'" + hex.EncodeToString([]byte(id)) + "',X'',1"; seen[want] != 2 {
				t.Errorf("%s was prepared and rolled back, and the log has it %d times: %v", want, seen[want], seen)
			}
		}
	})
}

// TestAnonymous reads the log of a MySQL without GTIDs.
func TestAnonymous(t *testing.T) {
	for _, version := range servers.MySQLVersions() {
		server := pool.PrivateMySQL(t, version, servers.Options{NoSync: true, Settings: map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}})
		s := newSite(t, server, "mysql-"+version)
		events := s.logged(t, func() { s.do(t, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)") })
		var got transcript
		decodeAll(t, events, got.add)
		if n := len(slices.DeleteFunc(got.lines, func(line string) bool { return line != "gtid anonymous" })); n != 2 {
			t.Errorf("%d of the transactions are anonymous", n)
		}
	}
}

// TestDamage flips each bit of events: the checksum does not match, or the header is wrong.
func TestDamage(t *testing.T) {
	for _, file := range recorded(t, "*-events.events") {
		d := binlog.NewDecoder()
		for i, raw := range file.events {
			if i > 1 && len(raw) < 100 { // the first two say whether there are checksums
				for bit := range 8 * len(raw) {
					damaged := bytes.Clone(raw)
					damaged[bit/8] ^= 1 << (bit % 8)
					err := d.Each(damaged, func(*binlog.Event) error { return nil })
					if !errors.Is(err, binlog.ErrChecksum) && !errors.Is(err, binlog.ErrMalformed) {
						t.Fatalf("%s: event %d with bit %d flipped: %v", file.name, i, bit, err)
					}
				}
			}
			if err := d.Each(raw, func(*binlog.Event) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
}
