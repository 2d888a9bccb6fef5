package verify_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
	memsource "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
	"github.com/cdcsync/cdcsync/verify"
)

// column is a column of a test's table.
func column(name string, kind change.Kind) change.Column {
	return change.Column{Name: name, Kind: kind, Type: kind.String(), Nullable: true}
}

// table returns a table whose first keys columns are its key.
func table(name string, keys int, columns ...change.Column) *change.Table {
	t := &change.Table{Name: name, Columns: columns}
	for i := range keys {
		t.Key = append(t.Key, i)
	}
	return t
}

// compile pairs two tables by the names of their columns.
func compile(t testing.TB, left, right *change.Table, specs ...mapping.ColumnSpec) *mapping.Pair {
	t.Helper()
	pair, problems := mapping.Compile(mapping.Spec{
		Name: left.Name, Tables: [2]*change.Table{left, right}, Columns: specs, Writes: [2]bool{true, true}})
	if len(problems) > 0 {
		t.Fatalf("%+v", problems)
	}
	return pair
}

// digester is a looker in memory that digests rows as the engines do, and counts how often.
type digester struct {
	*memsource.Looker
	calls atomic.Int64
	// blind is asked for each text; true makes the digest blind.
	blind func(text string) bool
}

var _ sources.Digester = (*digester)(nil)

func (d *digester) Digests(_ context.Context, table *change.Table, fields []sources.Field) (string, error) {
	for _, f := range fields {
		if c := table.Columns[f.Column]; !sources.Converts(c.Kind, f.Kind) {
			return "column " + c.Name, nil
		}
	}
	return "", nil
}

func (d *digester) Bound(ctx context.Context, table *change.Table, after change.Row, n int) (change.Row, error) {
	look, err := d.Scan(ctx, table, after, n)
	if err != nil || len(look.Rows) < n {
		return nil, err
	}
	return table.KeyOf(look.Rows[n-1]), nil
}

func (d *digester) Digest(ctx context.Context, table *change.Table, fields []sources.Field, after, upto change.Row) (sum sources.Digest, err error) {
	d.calls.Add(1)
	look, err := d.Scan(ctx, table, after, 1<<30)
	for _, row := range look.Rows {
		if upto != nil && compareKeys(table.KeyOf(row), upto) > 0 {
			break
		}
		var texts []string
		for _, f := range fields {
			v := row[f.Column]
			if converted, e := mapping.Convert(v, change.Column{Kind: f.Kind}); e == nil {
				v = converted
			}
			texts = append(texts, string(sources.AppendField(nil, v, f)))
		}
		text := strings.Join(texts, ",")
		sum.Blind = sum.Blind || d.blind != nil && d.blind(text)
		sum.Add([]byte(text))
	}
	return sum, err
}

func compareKeys(a, b change.Row) int {
	for i := range a {
		if a[i] != b[i] {
			if a[i].Int64() < b[i].Int64() {
				return -1
			}
			return 1
		}
	}
	return 0
}

// duo is two stores in memory with one pair.
type duo struct {
	t      testing.TB
	pair   *mapping.Pair
	stores [2]*mem.Store
	// digests says which sides digest rows.
	digests [2]bool
	// watch is called around all that is done on a side; see [mem.Hook].
	watch func(s change.Side, op string) error
	used  [2]*digester
	blind func(string) bool
}

func newDuo(t testing.TB, pair *mapping.Pair) *duo {
	d := &duo{t: t, pair: pair}
	for s := range d.stores {
		d.stores[s] = mem.New(pair.Tables[s])
	}
	return d
}

// put makes rows what a side holds, by their keys.
func (d *duo) put(s change.Side, rows ...change.Row) {
	for _, row := range rows {
		table := d.pair.Tables[s]
		d.stores[s].Drift(table.Name, table.KeyOf(row), row)
	}
}

// config returns a config of a run with small limits.
func (d *duo) config() verify.Config {
	c := verify.Config{Link: "l", Pairs: []*mapping.Pair{d.pair}, Values: true,
		Limits: verify.Limits{Chunk: 64, Leaf: 4, Page: 16, Suspects: 10, Rounds: 3, Pause: 1, Listed: 1 << 20}}
	for s := range d.stores {
		looker := memsource.NewLooker(d.stores[s])
		d.used[s] = &digester{Looker: looker, blind: d.blind}
		var reads sources.Looker = looker
		if d.digests[s] {
			reads = d.used[s]
		}
		if d.watch != nil {
			looker.Hook = func(op string) error { return d.watch(change.Side(s), op) }
		}
		c.Stores[s] = verify.Store{Looker: reads, Head: looker.Head}
	}
	return c
}

// run compares the stores.
func (d *duo) run(c verify.Config) *verify.Certificate {
	d.t.Helper()
	certificate, err := verify.Run(context.Background(), c)
	if err != nil {
		d.t.Fatal(err)
	}
	return certificate
}

// found returns what a certificate lists, a line for each row.
func found(c *verify.Certificate) map[string]string {
	all := map[string]string{}
	for _, t := range c.Tables {
		for _, x := range t.Differences {
			all[fmt.Sprint(x.Key)] = strings.TrimSpace(x.What + " " + strings.Join(x.Columns, " "))
		}
	}
	return all
}

func ints(n ...int64) change.Row {
	row := make(change.Row, len(n))
	for i := range n {
		row[i] = change.Int(n[i])
	}
	return row
}
