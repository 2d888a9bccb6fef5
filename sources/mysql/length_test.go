package mysql_test

import (
	"context"
	"testing"
	"time"
)

// behind returns how much of the log is not given out.
func (f *fixture) behind() uint64 {
	f.t.Helper()
	found, err := f.looker.Measure(f.within())
	if err != nil || found.Given == 0 {
		f.t.Fatalf("the log is %+v (%v)", found, err)
	}
	return found.End - found.Given
}

// TestLengthOverFiles: what waits in several files counts, and once all is read nothing waits, although
// the last files have nothing in them that is given out.
func TestLengthOverFiles(t *testing.T) {
	test := func(f *fixture) {
		f.exec("INSERT INTO items VALUES (0, 'a', 0)")
		f.want("+items(0, a, 0)", ";")
		before := f.behind()
		f.exec("INSERT INTO items VALUES (1, 'b', 1); FLUSH BINARY LOGS; INSERT INTO items VALUES (2, 'c', 2); FLUSH BINARY LOGS; FLUSH BINARY LOGS")
		after := f.behind()
		if after < before+500 || after > before+10_000 {
			f.t.Errorf("%d bytes are not given out, and %d were before", after, before)
		}
		f.want("+items(1, b, 1)", ";", "+items(2, c, 2)", ";")
		for deadline := time.Now().Add(patience); f.behind() > 0; {
			if time.Now().After(deadline) {
				f.t.Fatalf("%d bytes are not given out", f.behind())
			}
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if tx, err := f.source.Next(short); err == nil {
				f.at = tx.Position
			}
			cancel()
		}
	}
	on(t, items, test)
	onMySQL(t, map[string]string{"gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"}, items, test)
	onMySQL(t, map[string]string{"binlog_transaction_compression": "ON"}, items, test)
}
