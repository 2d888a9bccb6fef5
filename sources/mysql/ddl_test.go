package mysql_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

func TestAlter(t *testing.T) {
	on(t, items+"; CREATE TABLE more (id int PRIMARY KEY, v varchar(20)) ENGINE = InnoDB", func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.exec("ALTER TABLE items ADD COLUMN w int DEFAULT 7, ADD INDEX (w)")
		f.exec("INSERT INTO items (id, v, u) VALUES (2, 'b', 2)")
		f.exec("ALTER TABLE items ADD COLUMN x int FIRST")
		f.exec("INSERT INTO items (id, v, u) VALUES (3, 'c', 3)")
		f.want("+items(1, a, 1)", ";", "schema items: the table has new columns", ";", "+items(2, b, 2)", ";", "+items(3, c, 3)", ";")
		f.restart()
		f.exec("ALTER TABLE items DROP COLUMN x, MODIFY COLUMN w int AFTER id")
		f.exec("INSERT INTO items VALUES (4, 40, 'd', 4)")
		f.want("+items(4, d, 4)", ";")

		f.exec("ALTER TABLE more MODIFY v varchar(300); ALTER TABLE more MODIFY v varbinary(300)")
		f.exec("INSERT INTO items VALUES (5, 50, 'e', 5)")
		f.want("schema more: the type of column v has changed", ";", "+items(5, e, 5)", ";")
		f.exec("ALTER TABLE items RENAME COLUMN v TO name")
		f.exec("INSERT INTO items VALUES (6, 60, 'f', 6)")
		got := f.read()
		if len(got) < 2 || got[0] != "schema items: column v is gone, was renamed, or is generated now" {
			f.t.Errorf("got %v", got)
		}
	})
}

// MySQL's log has a statement before its catalogue has what it did, here by the time that it waits
// for a replica.
func TestAlteredLate(t *testing.T) {
	settings := map[string]string{
		"binlog_row_metadata": "FULL", "plugin_load_add": "semisync_source.so", "loose_rpl_semi_sync_source_wait_no_replica": "ON",
		"loose_rpl_semi_sync_source_timeout": "1000",
	}
	onMySQL(t, settings, items, func(f *fixture) {
		f.exec("SET GLOBAL rpl_semi_sync_source_enabled = ON")
		for _, c := range []struct{ clause, row, reason string }{
			{"ADD COLUMN w int", "(2, 'b', 2, 2)", "the table has new columns"},
			{"MODIFY v varbinary(99)", "(3, 'c', 3, 3)", "the type of column v has changed"},
		} {
			application, done := f.session(), make(chan struct{})
			go func() {
				defer close(done)
				application.Exec(f.t, "ALTER TABLE items "+c.clause+"; INSERT INTO items VALUES "+c.row)
			}()
			var got []string
			for len(got) == 0 { // while the statement still waits
				tx, err := f.source.Next(f.within())
				if err != nil {
					<-done
					f.t.Fatal(err)
				}
				f.at, got = tx.Position, lines([]*change.Tx{tx})
			}
			if want := []string{"schema items: " + c.reason, ";"}; !slices.Equal(got, want) {
				f.t.Errorf("first %q, want %q", got, want)
			}
			<-done
			f.exec("SET GLOBAL rpl_semi_sync_source_enabled = OFF; SET GLOBAL rpl_semi_sync_source_enabled = ON") // it had given up
			f.read()
		}
	})
}

// What was altered while nobody read is noticed, and no row is misread: the log has the names
// of columns, or else a table of another form pauses.
func TestAlteredWhileDown(t *testing.T) {
	for name, metadata := range map[string]string{"names": "FULL", "no names": "MINIMAL"} {
		t.Run(name, func(t *testing.T) {
			onPrivate(t, map[string]string{"binlog_row_metadata": metadata}, items, func(f *fixture) {
				f.exec("INSERT INTO items VALUES (1, 'a', 1)")
				f.want("+items(1, a, 1)", ";")
				f.source.Close()
				f.exec("INSERT INTO items VALUES (2, 'b', 2); ALTER TABLE items ADD COLUMN w varchar(20) AFTER id; INSERT INTO items VALUES (3, 'w', 'c', 3)")
				f.restart()
				got := f.read()
				if metadata == "FULL" {
					if want := []string{"+items(2, b, 2)", ";", "+items(3, c, 3)", ";"}; !slices.Equal(got, want) {
						f.t.Errorf("got %v, want %v", got, want)
					}
				} else if len(got) == 0 || got[0] != "schema items: the log has rows of another form than the table has" {
					f.t.Errorf("got %v", got)
				}
				f.source.Close()
				f.exec("INSERT INTO items VALUES (4, 'w', 'v', 4); ALTER TABLE items MODIFY COLUMN v varchar(20) AFTER id; INSERT INTO items VALUES (5, 'v', 'w', 5)")
				f.restart()
				got = f.read()
				if metadata == "FULL" {
					if want := []string{"+items(4, v, 4)", ";", "+items(5, v, 5)", ";"}; !slices.Equal(got, want) {
						f.t.Errorf("got %v, want %v", got, want)
					}
				} else if !strings.Contains(strings.Join(got, " "), "schema items: the table was altered while the link was down") {
					f.t.Errorf("got %v", got)
				}
			})
		})
	}
}

func TestReplaced(t *testing.T) {
	for name, c := range map[string]struct{ sql, reason string }{
		"dropped":   {"DROP TABLE items; " + items, "the table was dropped"},
		"renamed":   {"RENAME TABLE items TO other", "the table was renamed, or another one was given its name"},
		"swapped":   {"CREATE TABLE other LIKE items; RENAME TABLE items TO old, other TO items", "the table was renamed, or another one was given its name"},
		"alter":     {"ALTER TABLE items RENAME TO other", "the table was renamed, or another one was given its name"},
		"key":       {"ALTER TABLE items DROP PRIMARY KEY, ADD PRIMARY KEY (id, v)", "the key has changed"},
		"partition": {"ALTER TABLE items DROP KEY u; ALTER TABLE items PARTITION BY HASH (id) PARTITIONS 2; ALTER TABLE items TRUNCATE PARTITION p0", "rows came or went with a partition or a tablespace, which the log does not tell of one by one"},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, items, func(f *fixture) {
				f.exec("INSERT INTO items VALUES (1, 'a', 1)")
				f.read()
				f.exec(c.sql)
				if got := f.read(); !slices.Contains(got, "schema items: "+c.reason) {
					f.t.Errorf("got %v, want %q", got, c.reason)
				}
			})
		})
	}
}

// A table whose shadow takes its place, as gh-ost and pt-online-schema-change do it, is still the
// same one: what is written to the shadow before is not told, what is written to it afterwards is.
func TestShadowTable(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.read()
		f.exec("CREATE TABLE _items_gho LIKE items; ALTER TABLE _items_gho ADD KEY (v, id); INSERT INTO _items_gho SELECT * FROM items")
		f.exec("INSERT INTO _items_gho VALUES (2, 'b', 2)")
		f.exec("RENAME TABLE items TO _items_del, _items_gho TO items; INSERT INTO _items_del VALUES (8, 'x', 8); INSERT INTO items VALUES (3, 'c', 3); DROP TABLE _items_del")
		f.want("schema items: its shadow table _items_gho took its place", ";", "+items(3, c, 3)", ";")
		f.exec("CREATE TABLE _items_new LIKE items; ALTER TABLE _items_new ADD more int; RENAME TABLE items TO _items_old, _items_new TO items")
		f.exec("INSERT INTO items VALUES (4, 'd', 4, 9)")
		f.want("schema items: the table has new columns", ";", "+items(4, d, 4)", ";")
		f.exec("CREATE TABLE _items_gho LIKE items; ALTER TABLE _items_gho DROP v; RENAME TABLE items TO _items_del, _items_gho TO items")
		f.want("schema items: column v is gone, was renamed, or is generated now", ";")
	})
}

func TestMissing(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.source.Close()
		f.exec("INSERT INTO items VALUES (1, 'a', 1); DROP TABLE items")
		f.restart()
		f.want("schema items: the table is gone or was renamed", ";")
	})
}

func TestCreateOrReplace(t *testing.T) {
	on(t, items, func(f *fixture) {
		if !f.mariadb {
			return
		}
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.read()
		f.exec("CREATE OR REPLACE TABLE other (id int PRIMARY KEY)")
		f.want()
		f.exec(strings.Replace(items, "CREATE", "CREATE OR REPLACE", 1))
		f.want("schema items: the table was replaced by another one of its name", ";")
	})
}

// Foreign keys, views, triggers and routines come and go without anybody being told.
func TestHarmless(t *testing.T) {
	on(t, items, func(f *fixture) {
		f.exec("CREATE VIEW other_v AS SELECT * FROM items; DROP VIEW other_v")
		f.exec("CREATE TRIGGER tr BEFORE INSERT ON items FOR EACH ROW SET NEW.v = UPPER(NEW.v)")
		f.exec("INSERT INTO items VALUES (1, 'a', 1)")
		f.exec("DROP TRIGGER tr; CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY)")
		f.exec("CREATE PROCEDURE p() INSERT INTO items VALUES (2, 'b', 2)")
		f.exec("CALL p(); DROP PROCEDURE p; ALTER TABLE items COMMENT = 'x', ALGORITHM = INPLACE")
		f.want("+items(1, A, 1)", ";", "+items(2, b, 2)", ";")
	})
}
