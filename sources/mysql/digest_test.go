package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/sources"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

// TestDigests checks the canonical text of values that are easily written in another way, and
// of NULL.
func TestDigests(t *testing.T) {
	on(t, typesSchema(columns), func(f *fixture) {
		f.exec("SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'; INSERT INTO items (id) VALUES (0)")
		id := 0
		for i, c := range columns {
			for _, v := range split(c.values) {
				id++
				f.exec(fmt.Sprintf("INSERT INTO items (id, c%d) VALUES (%d, %s)", i, id, v))
			}
		}
		compared, left := sourcetest.Digests(f.t, f.looker, f.need.Tables[0], mapping.Convert)
		for _, name := range left {
			var i int
			if _, err := fmt.Sscanf(name, "c%d", &i); err != nil {
				f.t.Fatal(err)
			}
			if c := columns[i].declared; !strings.HasPrefix(c, "float") && c != "double" && c != "point" {
				f.t.Errorf("%s is not digested", c)
			}
		}
		if compared < len(columns)-len(left) {
			f.t.Errorf("%d of %d columns were compared, without %v", compared, len(columns), left)
		}
	})
}

// TestDigestSpans checks which rows a digest is of, with a key of two columns.
func TestDigestSpans(t *testing.T) {
	schema := "CREATE TABLE items (a tinyint, b int unsigned, c char(5), PRIMARY KEY (a, b))"
	on(t, schema, func(f *fixture) {
		var values []string
		for i := range 100 {
			values = append(values, fmt.Sprintf("(%d, %d, 'x')", i/10, i%10))
		}
		f.exec("INSERT INTO items VALUES " + strings.Join(values, ", "))
		table := f.need.Tables[0]
		key := func(a, b int64) change.Row { return change.Row{change.Int(a), change.Int(b)} }
		fields := []sources.Field{{Column: 0, Kind: change.Int64}, {Column: 1, Kind: change.Int64}, {Column: 2, Kind: change.Text, Trim: true}}
		sum := func(after, upto change.Row) sources.Digest {
			f.t.Helper()
			d, err := f.looker.Digest(f.t.Context(), table, fields, after, upto)
			if err != nil {
				f.t.Fatal(err)
			}
			return d
		}
		all, parts := sum(nil, nil), [3]sources.Digest{sum(nil, key(3, 5)), sum(key(3, 5), key(70_000, 1<<40)), sum(key(70_000, 0), nil)}
		if all.Rows != 100 || parts[0].Rows != 36 || parts[1].Rows != 64 || parts[2] != (sources.Digest{}) {
			f.t.Errorf("%d rows, in parts %d, %d, %d", all.Rows, parts[0].Rows, parts[1].Rows, parts[2].Rows)
		}
		if all.Sum[0] != parts[0].Sum[0]^parts[1].Sum[0] || all.Sum[1] != parts[0].Sum[1]^parts[1].Sum[1] {
			f.t.Error("the parts are not the whole")
		}
		bound, err := f.looker.Bound(f.t.Context(), table, key(3, 5), 10)
		if err != nil || !bound.Equal(key(4, 5)) {
			f.t.Errorf("the tenth key is %v (%v)", bound, err)
		}
		var one sources.Digest
		one.Add([]byte("0,0,1:x"))
		if got := sum(nil, key(0, 0)); !got.Equal(one) {
			f.t.Error("the text of a row is another one")
		}
	})
}

// TestBlindDigests checks that a digest says so if some row, or each, is too long for a packet.
func TestBlindDigests(t *testing.T) {
	onPrivate(t, map[string]string{"max_allowed_packet": "65536"}, "CREATE TABLE items (id int PRIMARY KEY, v longtext, w longtext)", func(f *fixture) {
		f.exec("INSERT INTO items VALUES (1, repeat('x', 40000), repeat('y', 40000)), (2, '', ''), (3, NULL, '')")
		table := f.need.Tables[0]
		fields := []sources.Field{{Column: 0, Kind: change.Int64}, {Column: 1, Kind: change.Text}, {Column: 2, Kind: change.Text}}
		for name, c := range map[string]struct {
			after, upto change.Row
			rows        int64
			blind       bool
		}{
			"all":       {nil, nil, 3, true},
			"the large": {nil, change.Row{change.Int(1)}, 1, true},
			"the small": {change.Row{change.Int(1)}, nil, 2, false},
			"none":      {change.Row{change.Int(9)}, nil, 0, false},
		} {
			d, err := f.looker.Digest(f.within(), table, fields, c.after, c.upto)
			if err != nil || d.Rows != c.rows || d.Blind != c.blind || (d.Sum != [2]uint64{}) != (c.rows > 0 && !c.blind) && !c.blind {
				f.t.Errorf("%s: %+v (%v)", name, d, err)
			}
		}
	})
}
