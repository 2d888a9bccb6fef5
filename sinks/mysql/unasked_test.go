package mysql_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// New rows go along with the claim, which fails if there is no link any more.
func TestUnaskedGone(t *testing.T) {
	for name, gone := range map[string]string{"row": "DELETE FROM cdcsync_link", "table": "DROP TABLE cdcsync_link"} {
		t.Run(name, func(t *testing.T) {
			each(t, plainTables, func(t *testing.T, f *fixture) {
				f.apply(t, nil, f.write("o", absent, otherRow(1, "a")))
				f.do(t, gone)
				_, err := f.sink.Apply(context.Background(), f.batch(f.write("o", absent, otherRow(2, "b"))))
				if err == nil || !strings.Contains(err.Error(), "the marker of the link is gone") {
					t.Errorf("got %v", err)
				}
				f.holds(t, "SELECT id FROM o", "1")
			})
		})
	}
}

// A row can be refused for a number that is too large, as the claim is.
func TestUnaskedOutOfRange(t *testing.T) {
	each(t, "CREATE TABLE t (id bigint PRIMARY KEY, v varchar(20), more bigint AS (id * 4611686018427387904) STORED)", func(t *testing.T, f *fixture) {
		o := f.apply(t, verdicts(done, refused), f.write("t", absent, change.Row{num(1), text("a")}), f.write("t", absent, change.Row{num(4), text("b")}))
		if !strings.Contains(o[1].Err.Error(), "out of range") {
			t.Error(o[1].Err)
		}
		f.holds(t, "SELECT id FROM t", "1")
	})
}
