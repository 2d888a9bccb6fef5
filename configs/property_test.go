package configs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
)

// secretText is in every text of a masked column, and never on the other side.
const secretText = "s3cret"

// drawn is a table block that was drawn, with its tables and what it promises.
type drawn struct {
	tables   [2]*change.Table
	hcl      strings.Builder
	written  change.Side // of a one-way link
	twoWay   bool
	exact    []string          // left columns that come back the same
	masked   []string          // columns that are masked
	filled   []string          // columns in which NULL is not written
	constant map[string]string // of the side that is written to
	where    string            // text that column "region" has inside of the filter; "" for none
}

// drawBlock draws columns of all forms.
func drawBlock(t *rapid.T) *drawn {
	d := &drawn{tables: [2]*change.Table{{Name: "t", Key: []int{0}}, {Name: "t", Key: []int{0}}}, constant: map[string]string{}}
	d.twoWay = rapid.Bool().Draw(t, "two way")
	d.written = change.Side(rapid.IntRange(0, 1).Draw(t, "written"))
	d.add(change.Int64, "id", "id", false)
	for i := range rapid.IntRange(1, 6).Draw(t, "columns") {
		d.column(t, i)
	}
	if rapid.Bool().Draw(t, "filter") {
		d.add(change.Text, "region", "region", true)
		d.where = "EU"
		d.hcl.WriteString("  where = row.region == link.region\n")
	}
	right := d.tables[1]
	right.Columns = rapid.Permutation(right.Columns).Draw(t, "order")
	right.Key = []int{right.Column("id")}
	return d
}

// add adds a column to both tables, "" for none.
func (d *drawn) add(kind change.Kind, left, right string, nullable bool) {
	for s, name := range []string{left, right} {
		if name != "" {
			d.tables[s].Columns = append(d.tables[s].Columns, change.Column{Name: name, Kind: kind, Nullable: nullable})
		}
	}
}

// column draws one column and its block.
func (d *drawn) column(t *rapid.T, i int) {
	left, right := fmt.Sprintf("l%d", i), fmt.Sprintf("right%d", i)
	names := [2]string{left, right}
	block := func(format string, args ...any) {
		fmt.Fprintf(&d.hcl, "  column %q {\n    "+format+"\n  }\n", append([]any{right}, args...)...)
	}
	form := rapid.IntRange(0, 6).Draw(t, "form")
	if form >= 5 && d.twoWay {
		form = 0
	}
	switch form {
	case 0: // renamed
		d.add(rapid.SampledFrom([]change.Kind{change.Int64, change.Text, change.Bytes, change.Float64, change.Bool}).Draw(t, "kind"), left, right, true)
		block("left = %q", left)
		d.exact = append(d.exact, left)
	case 1: // other codes
		d.add(change.Text, left, right, true)
		block("left = %q\n    values = { A = \"active\", \"\" = \"none\", \"é\" = \"A\" }", left)
		d.exact = append(d.exact, left)
	case 2: // computed
		d.add(change.Int64, left, right, true)
		block("left = %q\n    to_right = left.%s * link.factor\n    to_left = right.%s / link.factor", left, left, right)
		d.exact = append(d.exact, left)
	case 3: // computed, and not the same again
		d.add(change.Text, left, right, true)
		block("left = %q\n    to_right = upper(left.%s)\n    to_left = lower(right.%s)", left, left, right)
	case 4: // on one side only
		side := change.Side(rapid.IntRange(0, 1).Draw(t, "side"))
		if !d.twoWay {
			side = d.written
		}
		only := [2]string{}
		only[side] = names[side]
		d.add(change.Text, only[0], only[1], false)
		block("%s = %q\n    constant = link.region", side, names[side])
		d.constant[names[side]] = "EU"
	case 5:
		d.add(change.Text, left, right, true)
		block("left = %q\n    mask = %q\n    sensitive = true", left, rapid.SampledFrom([]string{"hash", "null"}).Draw(t, "mask"))
		d.masked = append(d.masked, names[d.written.Other()])
	case 6:
		d.add(change.Text, left, right, true)
		block("left = %q\n    default = \"?\"", left)
		d.filled = append(d.filled, names[d.written])
	}
}

// bind loads and binds the block.
func (d *drawn) bind(t *rapid.T) *BoundPair {
	direction := map[change.Side]string{change.Left: "right_to_left", change.Right: "left_to_right"}[d.written]
	if d.twoWay {
		direction = "both"
	}
	text := fmt.Sprintf("%slink \"l\" {\n left = store.a\n right = store.b\n direction = %q\n params = { region = \"EU\", factor = 100 }\n salt = env(\"MASK_SALT\")\n table \"t\" {\n%s}\n}\n",
		twoStores, direction, d.hcl.String())
	config, diags := Parse("x.hcl", []byte(text))
	if diags.HasErrors() {
		t.Fatalf("%s%v", text, diags)
	}
	pairs, diags := Bind(config.Links[0], d.tables[:1], d.tables[1:])
	if diags.HasErrors() {
		t.Fatalf("%s%v", text, diags)
	}
	return pairs[0]
}

// drawRow draws a row of a table of the pair, hostile values among them.
func (d *drawn) drawRow(t *rapid.T, table *change.Table) change.Row {
	row := make(change.Row, len(table.Columns))
	for i, c := range table.Columns {
		switch {
		case i == table.Key[0]:
			row[i] = change.Int(rapid.Int64().Draw(t, "key"))
		case slices.Contains(d.masked, c.Name):
			row[i] = change.TextValue(secretText + rapid.String().Draw(t, c.Name))
		case c.Name == "region":
			row[i] = rapid.SampledFrom([]change.Value{change.TextValue("EU"), change.TextValue("eu"), change.NullValue()}).Draw(t, c.Name)
		case rapid.IntRange(0, 4).Draw(t, "null") == 0:
			row[i] = change.NullValue()
		default:
			row[i] = drawKind(t, c)
		}
	}
	return row
}

func drawKind(t *rapid.T, c change.Column) change.Value {
	switch c.Kind {
	case change.Int64:
		return change.Int(rapid.Int64().Draw(t, c.Name))
	case change.Float64:
		return change.Float(rapid.Float64().Draw(t, c.Name))
	case change.Bool:
		return change.BoolValue(rapid.Bool().Draw(t, c.Name))
	case change.Bytes:
		return change.BytesValue(rapid.SliceOf(rapid.Byte()).Draw(t, c.Name))
	}
	return change.TextValue(rapid.OneOf(rapid.SampledFrom([]string{"A", "", "é", "active", "\x00", "'; DROP", "\xff", "${x}", "NULL"}), rapid.String()).Draw(t, c.Name))
}

// TestAcceptedMappings: whatever loads and binds keeps what it promises, for every row that fits.
func TestAcceptedMappings(t *testing.T) {
	t.Setenv("MASK_SALT", canary)
	rapid.Check(t, func(t *rapid.T) {
		d := drawBlock(t)
		p := d.bind(t).Pair
		from := change.Left
		if !d.twoWay {
			from = d.written.Other()
		}
		row := d.drawRow(t, p.Tables[from])
		canon, err := p.Canon(from, row)
		if err != nil {
			return // it is parked
		}
		if inside := d.where == "" || row[p.Tables[from].Column("region")] == change.TextValue(d.where); inside != (canon != nil) {
			t.Fatalf("inside %v: %v", inside, canon)
		}
		there, err := p.Native(from.Other(), canon)
		if err != nil || canon == nil {
			return
		}
		d.checkWritten(t, p.Tables[from.Other()], there, p.New(from.Other(), there))
		if d.twoWay {
			lossy, err := p.RoundTrip(from, row)
			d.checkBack(t, p.Tables[from], lossy, err)
		}
	})
}

// checkWritten: no secret and no NULL that has a default is written, constants only to new rows.
func (d *drawn) checkWritten(t *rapid.T, table *change.Table, row, fresh change.Row) {
	for i, c := range table.Columns {
		if len(d.masked) > 0 && strings.Contains(row[i].Str(), secretText) {
			t.Errorf("%s has the secret", c.Name)
		}
		if slices.Contains(d.filled, c.Name) && row[i].IsNull() {
			t.Errorf("%s is NULL", c.Name)
		}
		want, constant := d.constant[c.Name]
		if constant && (!row[i].IsUnset() || fresh[i] != change.TextValue(want)) || !constant && row[i] != fresh[i] {
			t.Errorf("%s is %v, and %v in a new row", c.Name, row[i], fresh[i])
		}
	}
}

// checkBack: what is to come back the same does.
func (d *drawn) checkBack(t *rapid.T, table *change.Table, lossy []string, err error) {
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lossy {
		if slices.Contains(d.exact, name) || name == "id" || name == "region" {
			t.Errorf("%s does not come back the same", name)
		}
		if table.Column(name) < 0 {
			t.Errorf("there is no column %s", name)
		}
	}
}
