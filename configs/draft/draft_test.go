package draft

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

var update = flag.Bool("update", false, "write testdata")

// old and today are two stores that show whatever a draft has to say.
var (
	old = []Table{
		of("tbl_cust", "cust_no int*; cust_name varchar(50); mail varchar(120)?; state enum; created datetime; internal text?"),
		of("tbl_order", "order_no int*; cust_no int>tbl_cust; total decimal(10,2); active tinyint(1); data blob?; photo blob?"),
		of("tbl_order_line", "order_no int*>tbl_order; line_no int*; qty int"),
		of("vat_rate", "id int*; percent decimal(10,2)"),
		of("logs", "id int*; text varchar(50)"),
		of("keyless", "a int; b int"),
		of("counter", "name varchar(50)*; value int"),
		of("tbl_scratch", "x int*"),
	}
	today = []Table{
		of("crm.customers", "id bigint*; name varchar(20); email varchar(120)?; state text; created_at timestamptz; vip bool?"),
		of("orders", "id bigint*; customer_id bigint>crm.customers; total numeric; active bool; data text?; photo bytea?; sum int?="),
		of("order_lines", "order_id bigint*>orders; line_no int*; quantity int"),
		of("vat_rate", "id int*; percent decimal(10,2)"),
		of("logs", "id int*; text varchar(50); level int!"),
		of("keyless", "a int; b int"),
		of("counter", "name varchar(50)*; value int; part int*"),
		of("jobs", "id uuid*; what text"),
	}
)

// kinds are what the types of these tables hold.
var kinds = map[string]change.Capacity{
	"int": {Kind: change.Int64, Bits: 32}, "bigint": {Kind: change.Int64, Bits: 64}, "tinyint(1)": {Kind: change.Int64, Bits: 8}, "bool": {Kind: change.Bool},
	"varchar(20)": {Kind: change.Text, Length: 20}, "varchar(50)": {Kind: change.Text, Length: 50}, "varchar(120)": {Kind: change.Text, Length: 120}, "text": {Kind: change.Text},
	"enum": {Kind: change.Text, Members: []string{"new", "old"}}, "decimal(10,2)": {Kind: change.Decimal, Precision: 10, Scale: 2}, "numeric": {Kind: change.Decimal},
	"datetime": {Kind: change.Timestamp}, "timestamptz": {Kind: change.TimestampUTC, Fraction: 6}, "blob": {Kind: change.Bytes}, "bytea": {Kind: change.Bytes}, "uuid": {Kind: change.UUID},
}

func TestDraft(t *testing.T) {
	l := Link{Name: "shop", Direction: configs.Both, Stores: [2]Store{
		{Engine: "mysql", DSN: `env("LEFT_DSN")`, About: "user:password@tcp(host:3306)/database", Tables: old},
		{Engine: "postgres", DSN: `env("RIGHT_DSN")`, Insecure: true, Tables: today},
	}}
	d := New(l)
	got := d.Write("shop.hcl")
	const golden = "testdata/shop.hcl"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != string(got) {
		t.Errorf("the draft is not %s (%v):\n%s", golden, err, got)
	}
	if kept, wrong := d.Pairs(); kept != 4 || wrong != 3 {
		t.Errorf("%d pairs are kept and %d wrong", kept, wrong)
	}
	for s, want := range [2]string{"tbl_scratch", "jobs"} {
		if got := d.Alone(change.Side(s)); !slices.Equal(got, []string{want}) {
			t.Errorf("alone on the %s are %q", change.Side(s), got)
		}
	}
	// Where only one side is written to, what the other needs is nobody's business.
	l.Direction = configs.RightToLeft
	if kept, wrong := New(l).Pairs(); kept != 5 || wrong != 2 {
		t.Errorf("to the left %d pairs are kept and %d wrong", kept, wrong)
	}
}

// A config that would be too large with comments has none, and loads.
func TestLargeDraft(t *testing.T) {
	l := Link{Name: "shop", Direction: configs.Both}
	for s := range l.Stores {
		l.Stores[s].Engine, l.Stores[s].DSN = "sqlite", Quote(change.Side(s).String())
		for i := range 150 {
			columns := "id int*"
			for j := range 15 {
				columns += fmt.Sprintf("; %s_%d %s", []string{"a", "A"}[s], j, []string{"varchar(20)", "varchar(50)"}[s])
			}
			l.Stores[s].Tables = append(l.Stores[s].Tables, of(fmt.Sprintf([]string{"tbl_thing_%d", "things%d"}[s], i), columns))
		}
	}
	d := New(l)
	kept, _ := d.Pairs()
	text := d.Write("shop.hcl")
	config, diags := configs.Parse("shop.hcl", text)
	if kept != 150 || diags.HasErrors() || len(config.Links[0].Tables) != kept || strings.Contains(string(text), "do not fit") {
		t.Errorf("%d pairs in %d bytes: %v", kept, len(text), diags)
	}
	if full := d.write("shop.hcl", &writer{}); len(full) <= configs.MaxFileBytes || !strings.Contains(string(full), "do not fit") {
		t.Errorf("with comments it has %d bytes", len(full))
	}
}

// Two tables that could both be the partner of a third are left to a person.
func TestAmbiguous(t *testing.T) {
	l := Link{Name: "shop", Direction: configs.Both}
	l.Stores[0].Tables = []Table{of("people", "id int*; name text")}
	l.Stores[1].Tables = []Table{of("t_person", "id int*; name text"), of("tbl_person", "id int*; name text")}
	if kept, wrong := New(l).Pairs(); kept+wrong != 0 {
		t.Errorf("%d pairs are kept and %d wrong", kept, wrong)
	}
}

// A foreign key tells more than a name: both of these refer to the same table.
func TestForeignKeysPair(t *testing.T) {
	l := Link{Name: "shop", Direction: configs.Both}
	l.Stores[0].Tables = []Table{of("cust", "id int*; name text"), of("orders", "id int*; buyer int>cust; seller int")}
	l.Stores[1].Tables = []Table{of("customers", "id int*; name text"), of("orders", "id int*; customer_ref int>customers; seller_no int")}
	d := New(l)
	for _, p := range d.pairs {
		if p.tables[0].Name != "orders" {
			continue
		}
		for _, want := range [][2]int{{0, 0}, {1, 1}, {2, 2}} {
			if !slices.ContainsFunc(p.columns, func(c *column) bool { return c.at == want }) {
				t.Errorf("the columns %v are no pair: %s", want, d.Write("x.hcl"))
			}
		}
	}
}

// of makes a table of "name type" with semicolons between, where behind the type * is the key, ?
// may be NULL, ! is required, = is generated, and >parent refers to a table.
func of(name, columns string) Table {
	t := Table{Table: &change.Table{Name: name}}
	for i, text := range strings.Split(columns, ";") {
		parts := strings.Fields(text)
		typ, parent, _ := strings.Cut(parts[1], ">")
		bare := strings.TrimRight(typ, "*?!=")
		c := change.Column{Name: parts[0], Type: bare, Kind: kinds[bare].Kind, Nullable: strings.Contains(typ, "?"), Generated: strings.Contains(typ, "=")}
		t.Columns = append(t.Columns, c)
		t.Capacities = append(t.Capacities, kinds[bare])
		if strings.Contains(typ, "*") {
			t.Key = append(t.Key, i)
		}
		if strings.Contains(typ, "!") {
			t.Required = append(t.Required, c.Name)
		}
		if parent != "" {
			t.Keys = append(t.Keys, ForeignKey{Columns: []string{c.Name}, Parent: parent})
		}
	}
	if t.Key == nil {
		t.Refused = "it has no primary key"
	}
	return t
}
