package integration

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	mysqlsink "github.com/cdcsync/cdcsync/sinks/mysql"
	pgsink "github.com/cdcsync/cdcsync/sinks/postgres"
	sqlitesink "github.com/cdcsync/cdcsync/sinks/sqlite"
	"github.com/cdcsync/cdcsync/sources"
	mysqlsource "github.com/cdcsync/cdcsync/sources/mysql"
	pgsource "github.com/cdcsync/cdcsync/sources/postgres"
	sqlitesource "github.com/cdcsync/cdcsync/sources/sqlite"
	"github.com/cdcsync/cdcsync/stores/mysql"
	"github.com/cdcsync/cdcsync/stores/postgres"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// end is one of the two stores of a benchmark's link, of any engine.
type end interface {
	// tables reads the catalogue.
	tables() (map[string]*change.Table, error)
	setup(tables []*change.Table, reads, writes bool) error
	open(tables []*change.Table, reads, writes bool) router.Store
	// reader returns what reads rows apart from any log.
	reader() sources.Looker
}

const endsLink = "ends"

type postgresEnd struct{ *postgres.Store }

func (e postgresEnd) tables() (map[string]*change.Table, error) {
	conn, err := e.Connect(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	catalogue, err := conn.Catalogue(context.Background())
	tables := map[string]*change.Table{}
	for name, t := range catalogue {
		tables[name] = t.Table
	}
	return tables, errors.Join(err, conn.Close())
}

func (e postgresEnd) setup(tables []*change.Table, reads, writes bool) error {
	return e.Setup(context.Background(), postgres.Need{Link: endsLink, Tables: tables, Whole: reads && writes, Reads: reads, Writes: writes})
}

func (e postgresEnd) open(tables []*change.Table, reads, writes bool) (s router.Store) {
	window := &pgsource.Window{}
	s.Looker = pgsource.NewLooker(e.Store, endsLink, window)
	if reads {
		s.Source = pgsource.New(e.Store, endsLink, tables, window)
	}
	if writes {
		s.Sink = pgsink.New(e.Store, endsLink)
	}
	return s
}

func (e postgresEnd) reader() sources.Looker { return pgsource.NewLooker(e.Store, "", nil) }

type mysqlEnd struct{ *mysql.Store }

func (e mysqlEnd) tables() (map[string]*change.Table, error) {
	conn, err := e.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	catalogue, err := conn.Catalogue(context.Background())
	tables := map[string]*change.Table{}
	for name, t := range catalogue {
		tables[name] = t.Table
	}
	return tables, errors.Join(err, conn.Close())
}

func (e mysqlEnd) setup(tables []*change.Table, reads, writes bool) error {
	return e.Setup(context.Background(), mysql.Need{Link: endsLink, Tables: tables, Reads: reads, Writes: writes})
}

func (e mysqlEnd) open(tables []*change.Table, reads, writes bool) (s router.Store) {
	window := &mysqlsource.Window{}
	s.Looker = mysqlsource.NewLooker(e.Store, endsLink, window)
	if reads {
		s.Source = mysqlsource.New(e.Store, endsLink, tables, window)
	}
	if writes {
		s.Sink = mysqlsink.New(e.Store, endsLink)
	}
	return s
}

func (e mysqlEnd) reader() sources.Looker { return mysqlsource.NewLooker(e.Store, "", nil) }

// sqliteEnd is a file that is captured by triggers, or whose write-ahead log is read.
type sqliteEnd struct {
	*sqlite.Store
	logged bool
}

func (e sqliteEnd) tables() (map[string]*change.Table, error) {
	conn, err := e.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	catalogue, err := conn.Catalogue(context.Background())
	tables := map[string]*change.Table{}
	for name, t := range catalogue {
		tables[name] = t.Table
	}
	return tables, errors.Join(err, conn.Close())
}

func (e sqliteEnd) setup(tables []*change.Table, reads, writes bool) error {
	if e.logged && reads {
		if err := e.SetupFromLog(context.Background(), endsLink, writes); err != nil {
			return err
		}
		return sqlitesource.SetupLog(context.Background(), e.Store, endsLink, tables)
	}
	capture := sqlite.Keys
	if reads && writes {
		capture = sqlite.Rows
	}
	return e.Setup(context.Background(), endsLink, tables, capture, reads)
}

func (e sqliteEnd) open(tables []*change.Table, reads, writes bool) (s router.Store) {
	s.Looker = e.looker(endsLink)
	switch {
	case reads && e.logged:
		s.Source = sqlitesource.NewLogSource(e.Store, endsLink, tables)
	case reads:
		s.Source = sqlitesource.New(e.Store, endsLink, tables)
	}
	if writes {
		s.Sink = sqlitesink.New(e.Store, endsLink)
	}
	return s
}

func (e sqliteEnd) looker(link string) sources.Looker {
	if e.logged {
		return sqlitesource.NewLogLooker(e.Store, link)
	}
	return sqlitesource.NewLooker(e.Store, link)
}

func (e sqliteEnd) reader() sources.Looker { return e.looker("") }

// openEnd returns the end at a site.
func openEnd(tb testing.TB, at site) end {
	tb.Helper()
	if at.engine == "sqlite" {
		s, err := sqlite.Open(at.dsn)
		if err != nil {
			tb.Fatal(err)
		}
		return sqliteEnd{s, at.capture == "wal"}
	}
	if at.isMySQL() {
		s, err := mysql.Open(at.dsn, true)
		if err != nil {
			tb.Fatal(err)
		}
		return mysqlEnd{s}
	}
	s, err := postgres.Open(at.dsn, true)
	if err != nil {
		tb.Fatal(err)
	}
	return postgresEnd{s}
}

// duo is two ends with a link between tables of the same names.
type duo struct {
	tb     testing.TB
	sites  [2]site
	ends   [2]end
	pairs  []router.Pair
	tables [2][]*change.Table
	writes [2]bool
	limits router.Limits // the zero value: the usual ones
	// onSink puts something before the sink of the right; nil: nothing.
	onSink func(sinks.Sink) sinks.Sink
}

// newDuo binds the tables called names and sets the link up.
func newDuo(tb testing.TB, sites [2]site, writes [2]bool, initial router.Initial, names ...string) *duo {
	tb.Helper()
	var specs []mapping.Spec
	for _, name := range names {
		specs = append(specs, mapping.Spec{Name: name})
	}
	return newDuoOf(tb, sites, writes, initial, specs)
}

// newDuoOf binds the tables that are called as the pairs, and sets the link up.
func newDuoOf(tb testing.TB, sites [2]site, writes [2]bool, initial router.Initial, specs []mapping.Spec) *duo {
	tb.Helper()
	d := &duo{tb: tb, sites: sites, writes: writes}
	var catalogues [2]map[string]*change.Table
	for s, at := range sites {
		var err error
		d.ends[s] = openEnd(tb, at)
		catalogues[s], err = d.ends[s].tables()
		d.must(err)
	}
	for _, spec := range specs {
		spec.Tables, spec.Writes = [2]*change.Table{catalogues[0][spec.Name], catalogues[1][spec.Name]}, writes
		pair, problems := mapping.Compile(spec)
		if problems != nil {
			tb.Fatal(problems)
		}
		d.pairs = append(d.pairs, router.Pair{Pair: pair, Initial: initial})
		for s := range d.tables {
			d.tables[s] = append(d.tables[s], pair.Tables[s])
		}
	}
	for s, e := range d.ends {
		d.must(e.setup(d.tables[s], writes[1-s], writes[s]))
	}
	return d
}

func (d *duo) must(err error) {
	d.tb.Helper()
	if err != nil {
		d.tb.Fatal(err)
	}
}

// exec runs statements on a side, each by itself, in one session.
func (d *duo) exec(side int, statements ...string) {
	d.tb.Helper()
	db, err := d.sites[side].open()
	d.must(err)
	for _, q := range statements {
		_, err = db.Exec(q)
		d.must(err)
	}
	d.must(db.Close())
}

// open returns an instance of the link, and what closes it.
func (d *duo) open() (*router.Link, func()) {
	d.tb.Helper()
	cfg := router.Config{Name: endsLink, Pairs: d.pairs, Limits: d.limits, Log: hclog.NewNullLogger()}
	var closers []func() error
	for s, e := range d.ends {
		st := e.open(d.tables[s], d.writes[1-s], d.writes[s])
		cfg.Stores[s] = st
		closers = append(closers, st.Looker.Close)
		if st.Source != nil {
			closers = append(closers, st.Source.Close)
		}
		if st.Sink != nil {
			closers = append(closers, st.Sink.Close)
		}
		if s == 1 && d.onSink != nil {
			cfg.Stores[s].Sink = d.onSink(st.Sink)
		}
	}
	if os.Getenv("CDCSYNC_BENCH_STATUS") != "" {
		cfg.Log = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})
	}
	return router.NewLink(cfg), func() {
		for _, c := range closers {
			d.must(c())
		}
	}
}

// drain is the function of that name, for the duo.
func (d *duo) drain() drained {
	d.tb.Helper()
	link, closeAll := d.open()
	return drain(d.tb, link, closeAll)
}

// run runs the link until stop.
func (d *duo) run() (link *router.Link, stop func()) {
	d.tb.Helper()
	link, closeAll := d.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	return link, func() {
		cancel()
		d.must(<-done)
		closeAll()
	}
}

// sql runs statements on a side with the engine's own client, and returns what it prints.
func (d *duo) sql(side change.Side, statements string) string {
	d.tb.Helper()
	at := d.sites[side]
	out, err := at.server.SQL(context.Background(), at.database, statements)
	d.must(err)
	return out
}
