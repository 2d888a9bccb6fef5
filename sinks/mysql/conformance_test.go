package mysql_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	sink "github.com/cdcsync/cdcsync/sinks/mysql"
	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

func TestSink(t *testing.T) {
	for _, s := range matrix() {
		t.Run(s.name, func(t *testing.T) {
			server := s.shared(t)
			sinktest.Run(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN) })
		})
	}
}

var types = strings.NewReplacer("INT64", "bigint", "FLOAT64", "double", "BYTES", "longblob", "two TEXT", "two varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "name TEXT", "name varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	"code TEXT", "code varchar(200) COLLATE utf8mb4_bin", "TEXT", "longtext COLLATE utf8mb4_bin", " ANY", " longtext COLLATE utf8mb4_bin", "parent INT64 REFERENCES parents (id)", "parent bigint, FOREIGN KEY (parent) REFERENCES parents (id)")

func newStore(t *testing.T, dsn string) *sourcetest.Store {
	app := newApplication(t, dsn)
	nopad := "utf8mb4_0900_bin"
	if app.MariaDB {
		nopad = "utf8mb4_nopad_bin"
	}
	app.do(t, strings.ReplaceAll(strings.ReplaceAll(types.Replace(sourcetest.Schema), "parent bigint, FOREIGN KEY (parent) REFERENCES parents (id), v", "parent bigint, FOREIGN KEY (parent) REFERENCES parents (id), v"), "utf8mb4_bin", nopad))
	have, err := app.Catalogue(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dsn)
	for _, link := range []string{"a", "b"} {
		if err := s.Setup(t.Context(), store.Need{Link: link, Writes: true}); err != nil {
			t.Fatal(err)
		}
	}
	return &sourcetest.Store{
		Capabilities: sourcetest.Capabilities{Transactions: true, BeforeImages: true, ForeignKeys: true, NUL: true},
		Table:        func(name string) *change.Table { return have[name].Table },
		Write: func(t testing.TB, commit bool, statements ...sourcetest.Statement) {
			app.do(t, "START TRANSACTION")
			for _, st := range statements {
				table := have[st.Table]
				sql, args := st.SQL(table.Table, sourcetest.QuestionMark)
				var b []byte
				for _, part := range strings.SplitAfter(sql, "?") {
					p, ok := strings.CutSuffix(part, "?")
					b = append(b, p...)
					if ok {
						b = (&store.Type{}).AppendLiteral(b, args[0])
						args = args[1:]
					}
				}
				app.do(t, string(b))
			}
			if commit {
				app.do(t, "COMMIT")
			} else {
				app.do(t, "ROLLBACK")
			}
		},
		Rows: func(t testing.TB, name string) []change.Row { return rowsOf(t, app, have[name]) },
		Sink: func(_ testing.TB, link string) sinks.Sink { return sink.New(s, link) },
		Journal: func(t testing.TB, link string) sinks.Journal {
			j := sink.NewJournal(s, link)
			t.Cleanup(func() { j.Close() })
			return j
		},
	}
}
