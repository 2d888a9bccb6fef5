package mysql_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// What a session has logged in another way than in whole rows stops the link, if it is about
// its tables.
func TestNotInWholeRows(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.exec("CREATE TABLE other (id int PRIMARY KEY, v varchar(20), w varchar(20))")
		s := f.session()
		s.Exec(f.t, "SET binlog_row_image = MINIMAL; INSERT INTO other VALUES (1, 'x', 'y'); UPDATE other SET v = 'z'")
		f.want("+items(1, a, 1)", ";")
		s.Exec(f.t, "UPDATE items SET v = 'b' WHERE id = 1")
		f.stops(change.Permanent, "of table items", "columns are left out", "binlog_row_image = FULL")
		f.start(f.at)
		f.stops(change.Permanent, "of table items") // again and again
	})
	on(t, items, func(f *fixture) {
		s := f.session()
		s.Exec(f.t, "SET binlog_format = STATEMENT")
		s.Exec(f.t, "INSERT INTO items VALUES (1, 'a', 1)")
		f.stops(change.Permanent, "of table items", "statement (INSERT)", "binlog_format = ROW")
	})
	on(t, items, func(f *fixture) {
		second := f.server.Database(f.t)
		second.SQL(f.t, "CREATE TABLE t (id int PRIMARY KEY); SET binlog_format = STATEMENT; INSERT INTO t VALUES (1); UPDATE t SET id = 2 WHERE id = 1")
		f.want()
		second.SQL(f.t, "SET binlog_format = STATEMENT; UPDATE t, "+f.db.Name+".items SET t.id = 3 WHERE false")
		f.stops(change.Permanent, "of table items", "statement (UPDATE)")
	})
}

func TestPartialJSON(t *testing.T) {
	onMySQL(t, nil, "CREATE TABLE items (id int PRIMARY KEY, j json, v text)", func(f *fixture) {
		f.exec(`INSERT INTO items VALUES (1, '{"a": 1, "b": "a long text that is not to be repeated"}', 'v')`)
		f.exec(`CREATE TABLE other AS SELECT * FROM items`)
		s := f.session()
		s.Exec(f.t, "SET binlog_row_value_options = 'PARTIAL_JSON'; UPDATE other SET j = JSON_SET(j, '$.a', 2)")
		f.read()
		s.Exec(f.t, "UPDATE items SET j = JSON_SET(j, '$.a', 2)")
		f.stops(change.Permanent, "of table items", "JSON in part", "binlog_row_value_options")
	})
}

// A session that loads a file with statements in the log.
func TestLoadData(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1), (2, 'b', 2)")
		file := filepath.Join(os.TempDir(), f.db.Name) // where the server may write, too
		f.t.Cleanup(func() { os.Remove(file) })
		f.exec("SELECT * FROM items INTO OUTFILE '" + file + "'")
		f.exec("DELETE FROM items")
		f.read()
		f.exec("LOAD DATA INFILE '" + file + "' INTO TABLE items")
		f.want("+items(1, a, 1)", "+items(2, b, 2)", ";")
		f.exec("DELETE FROM items")
		f.read()
		second := f.server.Database(f.t)
		second.SQL(f.t, items+"; SET binlog_format = STATEMENT; LOAD DATA INFILE '"+file+"' INTO TABLE items")
		f.want()
		f.session().Exec(f.t, "SET binlog_format = STATEMENT; LOAD DATA INFILE '"+file+"' INTO TABLE items")
		f.stops(change.Permanent, "of table items", "statement (LOAD)")
	})
}

// The server shuts the reader out, and goes on from where it was.
func TestKilled(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.want("+items(1, a, 1)", ";")
		f.kill()
		if err := f.ends(); change.ClassOf(err) != change.Transient {
			f.t.Errorf("got %v", err)
		}
		f.exec("INSERT INTO items VALUES (2, 'b', 2)")
		f.start(f.at)
		f.want("+items(2, b, 2)", ";")
	})
}

// Two readers of one link: one of them may be shut out, and nothing is lost.
func TestTwoReaders(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.read()
		first, at := f.source, f.at
		f.source = nil
		f.open()
		f.start(at)
		f.exec("INSERT INTO items VALUES (2, 'b', 2)")
		f.want("+items(2, b, 2)", ";")
		f.source, f.at = first, at
		txs, err := f.txs()
		if err == nil && len(lines(txs)) != 2 || err != nil && change.ClassOf(err) != change.Transient {
			f.t.Errorf("the first got %v, %v", lines(txs), err)
		}
	})
}

// A GTID with a tag is another one than that of the same number without.
func TestTaggedGTIDs(t *testing.T) {
	onMySQL(t, nil, items, func(f *fixture) {
		s := f.session()
		for i, sql := range []string{
			"SET gtid_next = 'AUTOMATIC:first'; INSERT INTO items VALUES (1, 'tagged', 1)",
			"SET gtid_next = 'AUTOMATIC'; INSERT INTO items VALUES (2, 'plain', 2)",
			"SET gtid_next = 'AUTOMATIC:first'; INSERT INTO items VALUES (3, 'tagged', 3)",
			"SET gtid_next = 'AUTOMATIC:second'; INSERT INTO items VALUES (4, 'tagged', 4); SET gtid_next = 'AUTOMATIC'; INSERT INTO items VALUES (5, 'plain', 5)",
		} {
			s.Exec(f.t, sql)
			if i%2 == 1 {
				f.kill()
				if err := f.ends(); change.ClassOf(err) != change.Transient {
					f.t.Fatal(err)
				}
				f.start(f.at)
			}
		}
		f.start("")
		f.want("+items(1, tagged, 1)", ";", "+items(2, plain, 2)", ";", "+items(3, tagged, 3)", ";", "+items(4, tagged, 4)", ";", "+items(5, plain, 5)", ";")
		f.restart()
		f.want()
	})
}

func TestPurged(t *testing.T) {
	onPrivate(t, nil, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.read()
		f.source.Close()
		f.exec("INSERT INTO items VALUES (2, 'b', 2); FLUSH BINARY LOGS; INSERT INTO items VALUES (3, 'c', 3)")
		f.purge()
		f.open()
		err := f.tryStart(f.at)
		if err == nil {
			err = f.ends()
		}
		if change.ClassOf(err) != change.PositionLost {
			f.t.Errorf("got %v", err)
		}
		f.open()
		f.start("")
		f.want("+items(3, c, 3)", ";")

		f.source.Close()
		f.exec("FLUSH BINARY LOGS") // nothing is lost with a file of which all was read
		f.purge()
		f.restart()
		f.exec("INSERT INTO items VALUES (4, 'd', 4)")
		f.want("+items(4, d, 4)", ";")
	})
}

// A log that is damaged, as a disk that was full may leave it, is not read past that place.
func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func(log *os.File, size int64) error{
		"an event that ends in the middle": func(log *os.File, size int64) error { return log.Truncate(size - 60) },
		"an event with another byte": func(log *os.File, size int64) error {
			var b [1]byte
			if _, err := log.ReadAt(b[:], size-60); err != nil {
				return err
			}
			b[0] ^= 1
			_, err := log.WriteAt(b[:], size-60)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			onPrivate(t, nil, items, func(f *fixture) {
				f.exec("INSERT INTO items VALUES (1, 'a', 1)")
				f.read()
				f.source.Close()
				f.exec("FLUSH BINARY LOGS; INSERT INTO items VALUES (2, 'b', 2)")
				name := f.db.SQL(f.t, "SELECT @@log_bin_basename") + ".000002"
				f.exec("FLUSH BINARY LOGS; INSERT INTO items VALUES (3, 'c', 3)")
				log, err := os.OpenFile(name, os.O_RDWR, 0)
				if err != nil {
					f.t.Fatal(err)
				}
				defer func() { _ = log.Close() }()
				info, err := log.Stat()
				if err == nil {
					err = damage(log, info.Size())
				}
				if err != nil {
					f.t.Fatal(err)
				}
				f.open()
				err = f.tryStart(f.at)
				if err == nil {
					err = f.ends()
				}
				if change.ClassOf(err) != change.PositionLost || !strings.Contains(err.Error(), "the log is damaged at this place") {
					f.t.Errorf("got %v", err)
				}
			})
		})
	}
}

// The log of a server that was reset is not that of before.
func TestReset(t *testing.T) {
	onPrivate(t, nil, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO items VALUES (3, 'c', 3)")
		f.read()
		f.source.Close()
		if f.mariadb {
			f.exec("RESET MASTER")
		} else {
			f.exec("RESET BINARY LOGS AND GTIDS")
		}
		f.open()
		err := f.tryStart(f.at)
		if err == nil {
			err = f.ends()
		}
		if change.ClassOf(err) != change.PositionLost {
			f.t.Errorf("got %v", err)
		}
	})
}

// A domain that appears is read from its beginning, and is in the positions from then on.
func TestMariaDBDomains(t *testing.T) {
	onPrivate(t, nil, items, func(f *fixture) {
		if !f.mariadb {
			return
		}
		s := f.session()
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.want("+items(1, a, 1)", ";")
		at := f.at
		s.Exec(f.t, "SET gtid_domain_id = 7, server_id = 99; INSERT INTO items VALUES (2, 'other domain', 2)")
		f.exec("INSERT INTO items VALUES (3, 'c', 3)")
		s.Exec(f.t, "INSERT INTO items VALUES (4, 'other domain', 4)")
		f.want("+items(2, other domain, 2)", ";", "+items(3, c, 3)", ";", "+items(4, other domain, 4)", ";")
		f.restart()
		f.want()
		f.start(at)
		f.want("+items(2, other domain, 2)", ";", "+items(3, c, 3)", ";", "+items(4, other domain, 4)", ";")
		s.Exec(f.t, "SET skip_replication = 1; UPDATE items SET v = 'skipped' WHERE id = 1")
		f.want("items(1, a, 1)>(1, skipped, 1)", ";")
	})
}

func TestCompressed(t *testing.T) {
	test := func(f *fixture) {
		f.exec("CREATE TABLE other (id int PRIMARY KEY)")
		for range 2 {
			f.exec("BEGIN; INSERT INTO items VALUES (1, 'aaaaaaaaaaaaaaaaaaa', 1); INSERT INTO other VALUES (1); UPDATE items SET v = 'bbbbbbbbbbbbbbbbbbbb'; DELETE FROM items; DELETE FROM other; COMMIT")
			f.want("+items(1, aaaaaaaaaaaaaaaaaaa, 1)", "items(1, aaaaaaaaaaaaaaaaaaa, 1)>(1, bbbbbbbbbbbbbbbbbbbb, 1)", "-items(1, bbbbbbbbbbbbbbbbbbbb, 1)", ";")
			f.restart()
		}
	}
	onMySQL(t, map[string]string{"binlog_transaction_compression": "ON"}, items, test)
	on(t, items, func(f *fixture) {
		if !f.mariadb {
			return
		}
		f.exec("SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10")
		f.t.Cleanup(func() { f.server.SQL(f.t.Context(), "", "SET GLOBAL log_bin_compress = OFF") })
		test(f)
	})
}
