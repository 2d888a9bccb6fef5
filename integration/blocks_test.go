package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
)

// blockCounter counts what became of the blocks of each table.
type blockCounter struct {
	sinks.Sink
	verdicts map[string]map[sinks.Verdict]int
}

func (c *blockCounter) Apply(ctx context.Context, batch *sinks.Batch) (sinks.Result, error) {
	result, err := c.Sink.Apply(ctx, batch)
	if batch.Block != nil && err == nil {
		table := batch.Block.Table.Name
		if c.verdicts[table] == nil {
			c.verdicts[table] = map[sinks.Verdict]int{}
		}
		c.verdicts[table][result.Outcomes[0].Verdict] += batch.Block.Rows
	}
	return result, err
}

// TestBlocksAreRows carries all samples of types by first contact, twice: row by row, and in
// blocks as far as the stores take them. It has to come to the same.
func TestBlocksAreRows(t *testing.T) {
	t.Parallel()
	postgres, maria, my := flavour{engine: "postgres", version: servers.Versions()[0]}, flavour{engine: "mariadb", version: servers.MariaDBVersions()[len(servers.MariaDBVersions())-1]},
		flavour{engine: "mysql", version: servers.MySQLVersions()[0]}
	asTheyAre := func(s *mysqlSample) []string { return []string{s.name} }
	intoPostgres := func(s *mysqlSample) []string { return s.postgres }
	var own []*passage
	for _, s := range samples {
		if s.extension == "" {
			own = append(own, &passage{from: s.name, to: s.name, literals: s.literals, cast: true})
		}
	}
	for _, test := range []struct {
		from, to flavour
		passages []*passage
		blocks   int // tables of which rows went in blocks, at least
	}{
		{postgres, postgres, own, len(own) - 3},
		{postgres, maria, postgresPassages(maria), 9},
		{maria, postgres, mysqlPassages(maria, intoPostgres), 20},
		{my, postgres, mysqlPassages(my, intoPostgres), 20},
		{maria, maria, mysqlPassages(maria, asTheyAre), 30},
		{my, my, mysqlPassages(my, asTheyAre), 30},
	} {
		t.Run(test.from.engine+"-"+test.to.engine, func(t *testing.T) {
			columns := map[string]string{}
			for i, p := range test.passages {
				p.table = fmt.Sprintf("t%02d", i)
				columns[p.table] = p.to
			}
			rows, _ := carrySamples(t, test.from, test.to, test.passages, columns, router.Limits{})
			blocks, verdicts := carrySamples(t, test.from, test.to, test.passages, columns, router.Limits{Rows: 12_000, Bytes: 16 << 20, Chunk: 1})
			carried := 0
			for _, p := range test.passages {
				if len(rows[p.table]) != len(blocks[p.table]) {
					t.Errorf("%s as %s: %d rows, and %d by blocks", p.from, p.to, len(rows[p.table]), len(blocks[p.table]))
				}
				for id, want := range rows[p.table] {
					if got := blocks[p.table][id]; got != want {
						t.Errorf("%s as %s: %s is by blocks %q, and else %q", p.from, p.to, p.literals[id%len(p.literals)], got, want)
					}
				}
				if verdicts[p.table][sinks.Done] > 0 {
					carried++
				}
				t.Logf("%s as %s: rows of blocks %v", p.from, p.to, verdicts[p.table])
			}
			if carried < test.blocks {
				t.Errorf("rows of %d tables went in blocks, of %d", carried, len(test.passages))
			}
		})
	}
}

// carrySamples fills tables at one end, links them to empty ones at another, and returns what those
// have in the end.
func carrySamples(t *testing.T, from, to flavour, passages []*passage, columns map[string]string, limits router.Limits) (map[string]map[int]row, map[string]map[sinks.Verdict]int) {
	t.Helper()
	ends := [2]*typesEnd{newTypesEnd(t, from.engine, from.version), loadingEnd(t, to)}
	var names []string
	var left, right strings.Builder
	for _, e := range ends {
		if e.engine == "postgres" {
			e.exec(sampleTypes + letterType + "CREATE TABLE public.other (id int)")
		}
	}
	for _, p := range passages {
		names = append(names, p.table)
		left.WriteString(ends[0].createTyped(p.table, p.from, false))
		right.WriteString(ends[1].createTyped(p.table, p.to, false))
		for base := range 3 {
			left.WriteString(p.insert(base * len(p.literals)))
		}
	}
	ends[0].exec(left.String())
	ends[1].exec(right.String())
	d := newDuo(t, [2]site{ends[0].site, ends[1].site}, [2]bool{false, true}, router.InitialLeft, names...)
	counter := &blockCounter{verdicts: map[string]map[sinks.Verdict]int{}}
	d.limits, d.onSink = limits, func(s sinks.Sink) sinks.Sink { counter.Sink = s; return counter }
	link, stop := d.run()
	d.must(link.Barrier(t.Context()))
	stop()
	return ends[1].read(columns), counter.verdicts
}

// loadingEnd is an end that takes LOAD DATA LOCAL.
func loadingEnd(t *testing.T, f flavour) *typesEnd {
	t.Helper()
	if f.engine != "mysql" {
		return newTypesEnd(t, f.engine, f.version)
	}
	server := pool.PrivateMySQL(t, f.version, servers.Options{NoSync: true, Settings: map[string]string{"local_infile": "ON"}})
	return openTypesEnd(t, site{engine: f.engine, dsn: server.Database(t).DSN, server: server})
}
