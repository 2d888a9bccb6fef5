package mysql_test

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// A log without GTIDs is read by its files and offsets.
func TestWithoutGTIDs(t *testing.T) {
	off := map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}
	onMySQL(t, off, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (0, 'a', 0)")
		f.want("+items(0, a, 0)", ";")
		if !strings.Contains(string(f.at), ":f:binlog.") {
			f.t.Fatalf("the position is %q", f.at)
		}
		f.exec("CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1)")
		f.want()
		f.exec("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
		f.want() // and yet the end is reached
		f.exec("DELETE FROM items")
		f.want("-items(0, a, 0)", ";")
		f.restart()
		f.want()
		testXA(f)
		f.source.Close()
		f.exec("FLUSH BINARY LOGS; DELETE FROM items; FLUSH BINARY LOGS; INSERT INTO items VALUES (1, 'after', 1)")
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
		f.want("+items(1, after, 1)", ";")
	})
	onMySQL(t, off, items, testPartsRestart)
	onMySQL(t, map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF", "binlog_transaction_compression": "ON"}, items, func(f *fixture) {
		f.exec("BEGIN; INSERT INTO items VALUES (1, 'aaaaaaaaaaaaaaaaaaa', 1); UPDATE items SET v = 'b'; COMMIT; INSERT INTO items VALUES (2, 'c', 2)")
		f.want("+items(1, aaaaaaaaaaaaaaaaaaa, 1)", "items(1, aaaaaaaaaaaaaaaaaaa, 1)>(1, b, 1)", ";", "+items(2, c, 2)", ";")
		f.restart()
		f.want()
	})
}

// Positions of a log with GTIDs and without cannot be compared.
func TestGTIDModeChanged(t *testing.T) {
	onMySQL(t, map[string]string{"gtid_mode": "ON_PERMISSIVE"}, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.want("+items(1, a, 1)", ";")
		f.exec("SET GLOBAL gtid_mode = ON")
		if err := f.tryStart(f.at); change.ClassOf(err) != change.PositionLost {
			f.t.Errorf("got %v", err)
		}
	})
}
