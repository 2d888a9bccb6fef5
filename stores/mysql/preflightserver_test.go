package mysql

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// eachPrivate runs a test on a server of its own of every version, with settings of its
// flavour besides those of both.
func eachPrivate(t *testing.T, both, ofMySQL, ofMariaDB map[string]string, test func(t *testing.T, server *servers.Server, mariadb bool)) {
	t.Helper()
	t.Parallel()
	options := func(of map[string]string) servers.Options {
		settings := map[string]string{}
		maps.Copy(settings, both)
		maps.Copy(settings, of)
		return servers.Options{Settings: settings}
	}
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) {
			t.Parallel()
			test(t, pool.PrivateMySQL(t, version, options(ofMySQL)), false)
		})
	}
	for _, version := range servers.MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) {
			t.Parallel()
			test(t, pool.PrivateMariaDB(t, version, options(ofMariaDB)), true)
		})
	}
}

// A server that is set up for nothing of the kind: everything is said at once, and after the
// statements nothing is in the way, nor after a restart of one that can remember.
func TestPreflightServer(t *testing.T) {
	both := map[string]string{"binlog_format": "STATEMENT", "binlog_row_image": "MINIMAL", "binlog_expire_logs_seconds": "3600", "max_allowed_packet": "65536",
		"sync_binlog": "1000", "innodb_flush_log_at_trx_commit": "2"}
	ofMySQL := map[string]string{"binlog_row_metadata": "MINIMAL", "binlog_row_value_options": "PARTIAL_JSON", "gtid_mode": "OFF", "enforce_gtid_consistency": "OFF",
		"server_id": "0", "binlog_error_action": "IGNORE_ERROR"}
	eachPrivate(t, both, ofMySQL, map[string]string{"binlog_row_metadata": "NO_LOG"}, func(t *testing.T, server *servers.Server, mariadb bool) {
		db := server.Database(t)
		db.SQL(t, "CREATE TABLE a (id int AUTO_INCREMENT PRIMARY KEY, e enum('😀','x'), f enum('😀'))")
		s := open(t, db.DSN)
		n := Need{Link: "l", Tables: tables(t, s), Reads: true, Writes: true}
		n.Tables[0] = &change.Table{Name: "a", Columns: n.Tables[0].Columns[:2], Key: n.Tables[0].Key}
		if found := blockers(preflightOf(t, s, Need{Link: "l", Tables: n.Tables, Writes: true})); len(found) != 1 || !strings.Contains(found[0], "binlog_format is STATEMENT") {
			t.Errorf("in the way of a link that writes: %q", found)
		}
		found := preflightOf(t, s, n)
		want := map[string]bool{"binlog_format is STATEMENT": true, "binlog_row_image is MINIMAL": true, "binlog_row_metadata is": false, "keeps its log for 3600 seconds": false,
			"no more than 65536 bytes": false, "does not show all members of column e": true, "count up the same values of id": false,
			"sync_binlog is 1000": false, "innodb_flush_log_at_trx_commit is 2": false}
		if !mariadb {
			want["only parts of JSON"], want["gtid_mode is OFF"], want["server_id is 0"] = true, false, true
			want["binlog_error_action is IGNORE_ERROR"] = false
		}
		for text, blocker := range want {
			p := about(t, found, text)
			if p.Blocker != blocker || p.Remedy == "" {
				t.Errorf("%+v", p)
			}
			db.SQL(t, p.Statement)
		}
		if len(found) != len(want) {
			t.Errorf("in the way: %q", said(found))
		}
		if found := preflightOf(t, s, n); found != nil {
			t.Errorf("in the way: %q", said(found))
		}
		setup(t, s, n)
		if mariadb {
			return
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found := preflightOf(t, s, n); found != nil {
			t.Errorf("after a restart in the way: %q", said(found))
		}
	})
}

// A place by file and offset wants a privilege more, and is one.
func TestPreflightFile(t *testing.T) {
	t.Parallel()
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) {
			t.Parallel()
			server := pool.PrivateMySQL(t, version, servers.Options{Settings: map[string]string{"gtid_mode": "OFF_PERMISSIVE"}})
			db := server.Database(t)
			_, s, n := leastPrivilegeBut(t, db, "gtid_mode")
			setup(t, s, n)
			if got := db.SQL(t, "SELECT began FROM cdcsync_link"); !strings.HasPrefix(got, "file:binlog.0") {
				t.Errorf("the link began at %s", got)
			}
			for _, statement := range strings.Split(about(t, preflightOf(t, s, n), "gtid_mode").Statement, "; ") {
				db.SQL(t, statement)
			}
			if found := preflightOf(t, s, n); found != nil {
				t.Errorf("in the way: %q", said(found))
			}
		})
	}
}

// A server without a log, or that leaves the database out of it, or what it gets as a replica.
func TestPreflightNoLog(t *testing.T) {
	eachPrivate(t, map[string]string{"skip_log_bin": "1"}, nil, nil, func(t *testing.T, server *servers.Server, mariadb bool) {
		db := server.Database(t)
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		s := open(t, db.DSN)
		n := Need{Link: "l", Tables: tables(t, s), Reads: true}
		if found := preflightOf(t, s, n); len(found) != 1 || !about(t, found, "log_bin is off").Blocker {
			t.Errorf("in the way: %q", said(found))
		}
		n.Reads, n.Writes = false, true
		if found := preflightOf(t, s, n); found != nil {
			t.Errorf("in the way of a link that writes: %q", said(found))
		}
		setup(t, s, n)
	})
}

func TestPreflightLogFilters(t *testing.T) {
	settings := map[string]string{"binlog_ignore_db": "ignored", "log_replica_updates": "OFF"}
	eachPrivate(t, map[string]string{"binlog_ignore_db": "ignored"}, settings, map[string]string{"log_slave_updates": "OFF"}, func(t *testing.T, server *servers.Server, mariadb bool) {
		if _, err := server.SQL(t.Context(), "", "CREATE DATABASE ignored; CREATE TABLE ignored.a (id int PRIMARY KEY); CREATE DATABASE logged; CREATE TABLE logged.a (id int PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		ignored, logged := open(t, server.DSN("ignored")), open(t, server.DSN("logged"))
		n := Need{Link: "l", Tables: tables(t, logged), Reads: true}
		if found := preflightOf(t, ignored, n); len(found) != 1 || !about(t, found, "leaves changes of database ignored out").Blocker {
			t.Errorf("in the way: %q", said(found))
		}
		if found := preflightOf(t, logged, n); found != nil {
			t.Errorf("in the way: %q", said(found))
		}
		primary := "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_USER = 'none'"
		if mariadb {
			primary = "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_USER = 'none'"
		}
		if _, err := server.SQL(t.Context(), "", primary); err != nil {
			t.Fatal(err)
		}
		if found := preflightOf(t, logged, n); len(found) != 1 || !about(t, found, "the server is a replica").Blocker {
			t.Errorf("in the way: %q", said(found))
		}
	})
}

// A server that is read-only is so for a while, and for whom it is.
func TestPreflightReadOnly(t *testing.T) {
	eachPrivate(t, map[string]string{}, nil, nil, func(t *testing.T, server *servers.Server, mariadb bool) {
		db := server.Database(t)
		_, s, n := leastPrivilege(t, db)
		admin := open(t, db.DSN)
		db.SQL(t, "SET GLOBAL read_only = ON")
		found := preflightOf(t, s, n)
		p := about(t, found, "the server is read-only")
		if p.Class != change.Transient || !p.Blocker || len(found) != 1 {
			t.Errorf("%+v of %q", p, said(found))
		}
		if found := blockers(preflightOf(t, admin, n)); found != nil {
			t.Errorf("in the way of the administrator: %q", found)
		}
		if err := s.Setup(t.Context(), n); change.ClassOf(err) != change.Transient || !strings.Contains(fmt.Sprint(err), "read-only") {
			t.Errorf("setup says %v", err)
		}
		db.SQL(t, p.Statement)
		setup(t, s, n)
		if !mariadb {
			db.SQL(t, "SET GLOBAL super_read_only = ON")
			db.SQL(t, about(t, preflightOf(t, admin, n), "the server is read-only").Statement)
			if found := blockers(preflightOf(t, admin, n)); found != nil {
				t.Errorf("in the way of the administrator: %q", found)
			}
		}
	})
}

// MySQL whose InnoDB keeps foreign keys by itself does not tell of cascades, as older ones and
// MariaDB.
func TestPreflightCascades(t *testing.T) {
	t.Parallel()
	const schema = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int, CONSTRAINT k FOREIGN KEY (p) REFERENCES p (id) ON UPDATE CASCADE)"
	for _, version := range servers.MySQLVersions() {
		for setting, want := range map[string]int{"ON": 1, "OFF": 0} {
			t.Run("MySQL "+version+" "+setting, func(t *testing.T) {
				t.Parallel()
				server := pool.PrivateMySQL(t, version, servers.Options{Settings: map[string]string{"innodb_native_foreign_keys": setting}})
				db := server.Database(t)
				db.SQL(t, schema)
				s := open(t, db.DSN)
				if found := preflightOf(t, s, Need{Link: "l", Tables: tables(t, s), Reads: true}); len(found) != want || len(blockers(found)) > 0 {
					t.Errorf("in the way: %q", said(found))
				}
				if found := preflightOf(t, s, Need{Link: "l", Tables: tables(t, s, "c"), Reads: true}); len(found) != want || len(blockers(found)) != want {
					t.Errorf("in the way: %q", said(found))
				}
			})
		}
	}
}

// Where the server writes names in lower case, the database is called what the log calls it.
func TestLowerCase(t *testing.T) {
	t.Parallel()
	for _, version := range servers.MariaDBVersions() { // MySQL has to be made with it
		t.Run("MariaDB "+version, func(t *testing.T) {
			t.Parallel()
			server := pool.PrivateMariaDB(t, version, servers.Options{Settings: map[string]string{"lower_case_table_names": "1"}})
			db := server.Database(t)
			db.SQL(t, "CREATE TABLE Parent (id int PRIMARY KEY); CREATE TABLE Child (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES PARENT (id))")
			s := open(t, strings.Replace(db.DSN, db.Name, strings.ToUpper(db.Name), 1))
			c := connect(t, s)
			all := catalogueOf(t, s)
			if c.Database() != db.Name || all["child"] == nil || all["child"].References[0] != "parent" || all["child"].Qualified() != Quote(db.Name)+".`child`" {
				t.Errorf("database %s has %v", c.Database(), all)
			}
			n := Need{Link: "l", Tables: []*change.Table{{Name: "Child", Columns: all["child"].Table.Columns}}, Reads: true}
			if found := preflightOf(t, s, n); len(found) != 1 || !strings.Contains(found[0].Summary, "but child") {
				t.Errorf("in the way: %q", said(found))
			}
		})
	}
}
