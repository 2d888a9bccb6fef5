package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
	source "github.com/cdcsync/cdcsync/sources/mysql"
	store "github.com/cdcsync/cdcsync/stores/mysql"
	"github.com/cdcsync/cdcsync/stores/mysql/mysqltest"
)

// patience bounds what has to come.
const patience = 2 * time.Minute

// fixture is a database with a link that is set up and read.
type fixture struct {
	t       *testing.T
	server  *servers.Server
	db      *servers.Database
	app     *mysqltest.Application
	store   *store.Store
	mariadb bool
	need    store.Need
	window  *source.Window
	source  *source.Source
	looker  *source.Looker
	at      change.Position
}

// on runs a test on a fixture of every version.
func on(t *testing.T, schema string, test func(f *fixture)) {
	t.Helper()
	mysqltest.EachServer(t, &pool, func(t *testing.T, server *servers.Server) { test(newFixture(t, server, schema)) })
}

// onMySQL runs a test on a MySQL of its own with these settings.
func onMySQL(t *testing.T, settings map[string]string, schema string, test func(f *fixture)) {
	t.Helper()
	for _, version := range servers.MySQLVersions() {
		t.Run("MySQL "+version, func(t *testing.T) {
			test(newFixture(t, pool.PrivateMySQL(t, version, servers.Options{NoSync: true, Settings: settings}), schema))
		})
	}
}

// onPrivate runs a test on a server of its own of every version.
func onPrivate(t *testing.T, settings map[string]string, schema string, test func(f *fixture)) {
	t.Helper()
	onMySQL(t, settings, schema, test)
	for _, version := range servers.MariaDBVersions() {
		t.Run("MariaDB "+version, func(t *testing.T) {
			test(newFixture(t, pool.PrivateMariaDB(t, version, servers.Options{NoSync: true, Settings: settings}), schema))
		})
	}
}

func newFixture(t *testing.T, server *servers.Server, schema string) *fixture {
	t.Helper()
	f := &fixture{t: t, server: server, db: server.Database(t), window: &source.Window{}}
	f.app = mysqltest.Open(t, f.db.DSN)
	f.exec(schema)
	var err error
	if f.store, err = store.Open(f.db.DSN, true); err != nil {
		t.Fatal(err)
	}
	f.begin()
	return f
}

// begin sets the link up and reads its log from the beginning.
func (f *fixture) begin() {
	f.t.Helper()
	f.need = store.Need{Link: "l", Tables: f.tables(), Reads: true, Writes: true}
	if err := f.store.Setup(f.t.Context(), f.need); err != nil {
		f.t.Fatal(err)
	}
	f.open()
	f.start("")
}

// tables returns the tables that can be synchronized and are not called other, by name.
func (f *fixture) tables() []*change.Table {
	f.t.Helper()
	conn, err := f.store.Connect(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	f.mariadb = conn.MariaDB
	have, err := conn.Catalogue(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var tables []*change.Table
	for _, h := range have {
		if !strings.HasPrefix(h.Name, "other") && h.Refused == nil {
			tables = append(tables, h.Table)
		}
	}
	slices.SortFunc(tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}

// open makes a new source and looker, as a restart of the program does.
func (f *fixture) open() {
	if f.source != nil {
		f.source.Close()
		f.looker.Close()
	}
	s, l := source.New(f.store, "l", f.need.Tables, f.window), source.NewLooker(f.store, "l", f.window)
	f.source, f.looker = s, l
	f.t.Cleanup(func() {
		s.Close()
		l.Close()
	})
}

func (f *fixture) start(from change.Position) {
	f.t.Helper()
	if err := f.tryStart(from); err != nil {
		f.t.Fatal(err)
	}
	f.at = from
}

func (f *fixture) tryStart(from change.Position) error {
	return f.source.Start(f.within(), from)
}

// restart goes on with a new source from where the last one was.
func (f *fixture) restart() {
	f.t.Helper()
	f.open()
	f.start(f.at)
}

func (f *fixture) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.t.Cleanup(cancel)
	return ctx
}

func (f *fixture) exec(sql string) {
	f.t.Helper()
	f.app.Exec(f.t, sql)
}

func (f *fixture) head() change.Position {
	f.t.Helper()
	head, err := f.looker.Head(f.within())
	if err != nil {
		f.t.Fatal(err)
	}
	return head
}

// txs reads to where the log ends now.
func (f *fixture) txs() ([]*change.Tx, error) {
	f.t.Helper()
	var txs []*change.Tx
	for head := f.head(); !f.source.Reached(f.at, head); {
		tx, err := f.source.Next(f.within())
		if err != nil {
			return txs, err
		}
		if !f.source.Reached(tx.Position, f.at) {
			f.t.Errorf("%q is before %q", tx.Position, f.at)
		}
		f.at = tx.Position
		txs = append(txs, tx)
	}
	return txs, nil
}

// read reads to where the log ends now, and returns what it said: a line for each change, and
// a ";" after each transaction that has any.
func (f *fixture) read() []string {
	f.t.Helper()
	txs, err := f.txs()
	if err != nil {
		f.t.Fatal(err)
	}
	return lines(txs)
}

func lines(txs []*change.Tx) []string {
	var list []string
	for _, tx := range txs {
		n := len(list)
		for _, c := range tx.Changes {
			switch {
			case tx.Tag.Echo():
				list = append(list, fmt.Sprintf("echo %d %s%v", tx.Tag.Apply, c.Table.Name, c.Key))
			case c.Before.Row == nil:
				list = append(list, fmt.Sprintf("+%s%v", c.Table.Name, c.After.Row))
			case c.After.Row == nil:
				list = append(list, fmt.Sprintf("-%s%v", c.Table.Name, c.Before.Row))
			default:
				list = append(list, fmt.Sprintf("%s%v>%v", c.Table.Name, c.Before.Row, c.After.Row))
			}
		}
		for _, t := range tx.Emptied {
			list = append(list, "emptied "+t.Name)
		}
		for _, c := range tx.Schema {
			reason, _, _ := strings.Cut(c.Reason, ":")
			list = append(list, "schema "+c.Table.Name+": "+reason)
		}
		if len(list) > n && !tx.Partial {
			list = append(list, ";")
		}
	}
	return list
}

// want reads and compares.
func (f *fixture) want(want ...string) {
	f.t.Helper()
	if got := f.read(); !slices.Equal(got, want) {
		f.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// stops reads on until an error of a class that says these things.
func (f *fixture) stops(class change.Class, says ...string) {
	f.t.Helper()
	txs, err := f.txs()
	if err == nil {
		f.t.Fatalf("nothing stopped it: %v", lines(txs))
	}
	if got := change.ClassOf(err); got != class {
		f.t.Errorf("the class of %v is %s, want %s", err, got, class)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			f.t.Errorf("%q does not say %q", err, s)
		}
	}
}

// session is a connection of its own.
func (f *fixture) session() *mysqltest.Application { return mysqltest.Open(f.t, f.db.DSN) }

// kill ends the thread that sends the log.
func (f *fixture) kill() {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ids := f.app.Query(f.t, "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
		for _, id := range ids {
			f.exec("KILL " + id)
		}
		if len(ids) > 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatal("nobody reads the log")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var errNever = errors.New("it did not end")

// ends reads until an error.
func (f *fixture) ends() error {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		tx, err := f.source.Next(f.within())
		if err != nil {
			return err
		}
		f.at = tx.Position
	}
	return errNever
}

// purge removes all files of the log but the one that is written. Whoever still reads an
// older one keeps it.
func (f *fixture) purge() {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		logs := f.app.Query(f.t, "SHOW BINARY LOGS")
		if len(logs) == 1 {
			return
		}
		newest, _, _ := strings.Cut(logs[len(logs)-1], "|")
		f.exec("PURGE BINARY LOGS TO '" + newest + "'")
	}
	f.t.Fatal("the server keeps its log")
}
