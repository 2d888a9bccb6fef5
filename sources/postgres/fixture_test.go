package postgres_test

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
	source "github.com/cdcsync/cdcsync/sources/postgres"
	store "github.com/cdcsync/cdcsync/stores/postgres"
	"github.com/cdcsync/cdcsync/stores/postgres/postgrestest"
)

// patience bounds what has to come; pause is how long nothing has to come to be believed.
const (
	patience = 2 * time.Minute
	pause    = 300 * time.Millisecond
)

// fixture is a database with a link that is set up and read.
type fixture struct {
	t      *testing.T
	server *servers.Server
	db     *servers.Database
	app    *postgrestest.Application
	store  *store.Store
	need   store.Need
	window *source.Window
	source *source.Source
	at     change.Position
}

// each runs a test on every version, beside others: most of them wait for something.
func each(t *testing.T, test func(t *testing.T, version string)) {
	t.Parallel()
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

// on runs a test on a fixture of every version, with whole rows in the log.
func on(t *testing.T, schema string, test func(f *fixture)) {
	each(t, func(t *testing.T, version string) {
		test(newFixture(t, pool.Postgres(t, version), schema, true))
	})
}

func newFixture(t *testing.T, server *servers.Server, schema string, whole bool) *fixture {
	t.Helper()
	f := &fixture{t: t, server: server, db: server.Database(t), window: &source.Window{}}
	f.app = postgrestest.Open(t, f.db.DSN)
	f.exec(schema)
	var err error
	if f.store, err = store.Open(f.db.DSN, true); err != nil {
		t.Fatal(err)
	}
	f.need = store.Need{Link: "l", Tables: f.tables(), Whole: whole, Reads: true, Writes: true}
	f.setup()
	f.open()
	f.start("")
	return f
}

// tables returns the tables of schema public that can be synchronized, by name.
func (f *fixture) tables() []*change.Table {
	f.t.Helper()
	conn, err := f.store.Connect(f.t.Context(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	have, err := conn.Catalogue(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var tables []*change.Table
	for _, h := range have {
		if h.Schema == "public" && !strings.HasPrefix(h.Relation, "other") && h.Refused == nil {
			tables = append(tables, h.Table)
		}
	}
	slices.SortFunc(tables, func(a, b *change.Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}

func (f *fixture) setup() {
	f.t.Helper()
	if err := f.store.Setup(f.t.Context(), f.need); err != nil {
		f.t.Fatal(err)
	}
}

// open makes a new source, as a restart of the program does.
func (f *fixture) open() {
	if f.source != nil {
		f.source.Close()
	}
	s := source.New(f.store, "l", f.need.Tables, f.window)
	f.source = s
	f.t.Cleanup(func() { s.Close() })
}

func (f *fixture) start(from change.Position) {
	f.t.Helper()
	if err := f.tryStart(from); err != nil {
		f.t.Fatal(err)
	}
	f.at = from
}

func (f *fixture) tryStart(from change.Position) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.source.Start(ctx, from)
}

// restart goes on from a position with a new source.
func (f *fixture) restart(from change.Position) {
	f.t.Helper()
	f.open()
	f.start(from)
}

func (f *fixture) exec(format string, args ...any) {
	f.t.Helper()
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	f.app.Exec(f.t, format)
}

func (f *fixture) query(sql string) string {
	f.t.Helper()
	return strings.Join(f.app.Query(f.t, sql), "\n")
}

func (f *fixture) table(name string) *change.Table {
	f.t.Helper()
	for _, t := range f.need.Tables {
		if t.Name == name {
			return t
		}
	}
	f.t.Fatalf("no table %s", name)
	return nil
}

// tryNext waits for the next transaction, and returns nil if there is none within d.
func (f *fixture) tryNext(d time.Duration) (*change.Tx, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tx, err := f.source.Next(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	if err == nil {
		f.at = tx.Position
	}
	return tx, err
}

// next returns the next transaction that says something, nil if there is none for now.
func (f *fixture) next(d time.Duration) *change.Tx {
	f.t.Helper()
	for {
		tx, err := f.tryNext(d)
		if err != nil {
			f.t.Fatal(err)
		}
		if tx == nil || len(tx.Changes)+len(tx.Schema)+len(tx.Emptied) > 0 {
			return tx
		}
	}
}

// drain reads to where the log ends now.
func (f *fixture) drain() []*change.Tx {
	f.t.Helper()
	looker := source.NewLooker(f.store, "l", nil)
	defer looker.Close()
	head, err := looker.Head(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var txs []*change.Tx
	for !f.source.Reached(f.at, head) {
		tx, err := f.tryNext(patience)
		if err != nil || tx == nil {
			f.t.Fatalf("at %q, to read to %q: %v", f.at, head, err)
		}
		txs = append(txs, tx)
	}
	return txs
}

func (f *fixture) settle(upto change.Position) {
	f.t.Helper()
	if err := f.source.Settle(context.Background(), upto); err != nil {
		f.t.Fatal(err)
	}
}

// show prints what a transaction says, its parts in the order in which they were.
func show(tx *change.Tx) string {
	if tx == nil {
		return "nothing"
	}
	var all []string
	if tx.Tag.Echo() {
		all = append(all, fmt.Sprintf("echo %d", tx.Tag.Apply))
	}
	for _, c := range tx.Changes {
		all = append(all, fmt.Sprintf("%s%v %v -> %v", c.Table.Name, c.Key, c.Before, c.After))
	}
	for _, t := range tx.Emptied {
		all = append(all, t.Name+" emptied")
	}
	for _, s := range tx.Schema {
		all = append(all, fmt.Sprintf("%s additive=%v: %s", s.Table.Name, s.Additive, s.Reason))
	}
	return strings.Join(all, "; ")
}

// want wants these transactions, and parts of transactions, next.
func (f *fixture) want(wants ...string) {
	f.t.Helper()
	for _, want := range wants {
		d := patience
		if want == "nothing" {
			d = pause
		}
		if got := show(f.next(d)); got != want {
			f.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// wantSchema wants one change of the schema, of which the reason contains a text, with the
// changes that are told as well.
func (f *fixture) wantSchema(table string, additive bool, reason string) *change.Tx {
	f.t.Helper()
	tx := f.next(patience)
	if tx == nil || len(tx.Schema) != 1 || tx.Schema[0].Table.Name != table || tx.Schema[0].Additive != additive ||
		!strings.Contains(tx.Schema[0].Reason, reason) {
		f.t.Fatalf("got  %s\nwant that of table %s, additive=%v: %s", show(tx), table, additive, reason)
	}
	return tx
}

// wantLost wants an error of the class that says that changes may be missing, with a remedy.
func wantLost(t *testing.T, err error, reason string) {
	t.Helper()
	var e *change.Error
	if change.ClassOf(err) != change.PositionLost || !errors.As(err, &e) || e.Hint == "" || !strings.Contains(err.Error(), reason) {
		t.Fatalf("got %v (%s), want that the position is lost: %s", err, change.ClassOf(err), reason)
	}
}

// eventually waits until f returns true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// newApplication is another session beside that of the fixture.
func newApplication(f *fixture) *postgrestest.Application {
	f.t.Helper()
	return postgrestest.Open(f.t, f.db.DSN)
}
