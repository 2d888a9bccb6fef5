package mysqltest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sinks"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }

// TestLeastPrivilege has a user run a link, both ways, who may read and write rows, and read the
// log, and nothing else.
func TestLeastPrivilege(t *testing.T) {
	EachServer(t, &pool, func(t *testing.T, server *servers.Server) {
		db := server.Database(t)
		config, err := mysql.ParseDSN(db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		config.User, config.Passwd = strings.ReplaceAll(db.Name, "test", "user"), "none"
		name := "'" + config.User + "'@'127.0.0.1'"
		s := newStoreOf(t, db.DSN, func(app *Application) string {
			app.Exec(t, "CREATE USER "+name+" IDENTIFIED BY 'none'; GRANT REPLICATION SLAVE ON *.* TO "+name)
			for _, table := range append([]string{"cdcsync_link", "cdcsync_conflict"}, sourcetest.Tables...) {
				app.Exec(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+table+" TO "+name)
			}
			return config.FormatDSN()
		})
		t.Cleanup(func() {
			if _, err := server.SQL(context.Background(), "", "DROP USER "+name); err != nil {
				t.Error(err)
			}
		})
		reader, other, writer := s.Open(t, "a", ""), s.Open(t, "b", ""), s.OpenSink(t, "a")
		s.Write(t, true, sourcetest.Insert("items", sourcetest.Item(1, "local")...))
		row := sourcetest.Item(2, "link")
		outcomes := writer.Apply(t, writer.Put("items", sourcetest.ID(2), row), writer.Put("items", sourcetest.ID(1), nil))
		for _, o := range outcomes {
			if o.Verdict != sinks.Done {
				t.Errorf("%s: %v", o.Verdict, o.Err)
			}
		}
		s.Truncate(t, "names", nil, nil)
		txs, seen := reader.Drain(t), other.Drain(t)
		if len(txs) != 3 || txs[0].Tag.Echo() || txs[1].Tag.Apply != 1 || len(txs[2].Emptied) != 1 {
			t.Errorf("read %+v", txs)
		}
		if len(seen) != 3 || seen[1].Tag.Echo() || len(seen[1].Changes) != 2 {
			t.Errorf("the other link read %+v", seen)
		}
		look, err := reader.Looker.Look(t.Context(), s.Table("items"), []change.Row{sourcetest.ID(1), sourcetest.ID(2)})
		if err != nil || look.Rows[0] != nil || !look.Rows[1].Equal(row) {
			t.Errorf("a look shows %v (%v)", look.Rows, err)
		}
		// Only MariaDB tells everybody how long its log is.
		length, err := reader.Looker.(sources.Gauge).Measure(t.Context())
		if err != nil || strings.HasPrefix(t.Name(), "TestLeastPrivilege/MariaDB") != (length.End > 0) {
			t.Errorf("the log is %+v (%v)", length, err)
		}
		if _, err := s.Journal(t, "a").Conflicts(t.Context(), 10); err != nil {
			t.Error(err)
		}
	})
}
