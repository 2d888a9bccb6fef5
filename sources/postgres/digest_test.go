package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
	source "github.com/cdcsync/cdcsync/sources/postgres"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// TestDigests checks the canonical text of every literal, and of NULL.
func TestDigests(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		var columns, values, names []string
		for i, l := range literals {
			for j, v := range l.values {
				if l.typ == "hstore" {
					continue
				}
				names = append(names, fmt.Sprintf("c%d_%d", i, j))
				columns = append(columns, names[len(names)-1]+" "+l.typ)
				values = append(values, store.Literal(v))
			}
		}
		f := newFixture(t, pool.Postgres(t, version), `CREATE TYPE mood AS ENUM ('sad', 'very happy, ''q'''); CREATE TYPE pair AS (a int, b text, c date);
			CREATE DOMAIN small AS int2; CREATE SCHEMA cdcsync_none; CREATE TABLE cdcsync_none.t (id int);
			CREATE TABLE t (id int PRIMARY KEY, `+strings.Join(columns, ", ")+")", true)
		f.app.Exec(f.t, "INSERT INTO t VALUES (1, "+strings.Join(values, ", ")+"); INSERT INTO t (id) VALUES (2)")
		looker := newLooker(f)
		compared, left := sourcetest.Digests(t, looker, f.table("t"), mapping.Convert)
		if compared < len(names) || len(left) > 0 {
			t.Errorf("%d of %d columns were compared; not %v", compared, len(names), left)
		}
	})
}

// TestDigestSpans checks which rows a digest is of, with a key of two columns, and where the
// bounds are beyond what the column holds.
func TestDigestSpans(t *testing.T) {
	each(t, func(t *testing.T, version string) {
		f := newFixture(t, pool.Postgres(t, version), "CREATE TABLE t (a int2, b int4, c char(5), PRIMARY KEY (a, b))", true)
		f.exec("INSERT INTO t SELECT g / 10, mod(g, 10), 'x' FROM generate_series(0, 99) g")
		looker, table := newLooker(f), f.table("t")
		key := func(a, b int64) change.Row { return change.Row{change.Int(a), change.Int(b)} }
		fields := []sources.Field{{Column: 0, Kind: change.Int64}, {Column: 1, Kind: change.Int64}, {Column: 2, Kind: change.Text, Trim: true}}
		sum := func(after, upto change.Row) sources.Digest {
			t.Helper()
			d, err := looker.Digest(t.Context(), table, fields, after, upto)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		all, parts := sum(nil, nil), [3]sources.Digest{sum(nil, key(3, 5)), sum(key(3, 5), key(70_000, 1<<40)), sum(key(70_000, 0), nil)}
		if all.Rows != 100 || parts[0].Rows != 36 || parts[1].Rows != 64 || parts[2] != (sources.Digest{}) {
			t.Errorf("%d rows, in parts %d, %d, %d", all.Rows, parts[0].Rows, parts[1].Rows, parts[2].Rows)
		}
		if all.Sum[0] != parts[0].Sum[0]^parts[1].Sum[0] || all.Sum[1] != parts[0].Sum[1]^parts[1].Sum[1] {
			t.Error("the parts are not the whole")
		}
		bound, err := looker.Bound(t.Context(), table, key(3, 5), 10)
		if err != nil || !bound.Equal(key(4, 5)) {
			t.Errorf("the tenth key is %v (%v)", bound, err)
		}
		if bound, err = looker.Bound(t.Context(), table, key(3, 5), 65); err != nil || bound != nil {
			t.Errorf("the key behind the last is %v (%v)", bound, err)
		}
		var one sources.Digest
		one.Add([]byte("0,0,1:x"))
		if got := sum(nil, key(0, 0)); !got.Equal(one) {
			t.Error("blanks at the end of a CHAR count")
		}
	})
}

func newLooker(f *fixture) *source.Looker {
	looker := source.NewLooker(f.store, "l", nil)
	f.t.Cleanup(func() { _ = looker.Close() })
	return looker
}
