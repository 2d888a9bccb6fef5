package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

// onboardRows is how many rows the old shop has in all when a new one is put beside it:
// CDCSYNC_ONBOARD_ROWS, and a few by default.
func onboardRows(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CDCSYNC_ONBOARD_ROWS")
	if text == "" {
		return 9000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		t.Fatalf("CDCSYNC_ONBOARD_ROWS is %q", text)
	}
	return n
}

// busyTable is a table that applications write to: how both sides call it, its key, a text that is
// changed, and the tables whose rows come and go.
type busyTable struct {
	customers, key, text [2]string
	sales, saleKey       [2]string
}

var busyTables = map[string]busyTable{
	"music": {
		customers: [2]string{"tblCust", "customers"}, key: [2]string{"CustNo", "id"}, text: [2]string{"Mail", "email"},
		sales: [2]string{"tblInvoice", "invoices"}, saleKey: [2]string{"InvoiceNo", "id"},
	},
	"rental": {
		customers: [2]string{"customer", `"Customers"`}, key: [2]string{"customer_id", `"Id"`}, text: [2]string{"email", `"Email"`},
		sales: [2]string{"payment", `"Payments"`}, saleKey: [2]string{"payment_id", `"Id"`},
	},
}

// fillShop inserts n rows into each table of a shop, in statements of 500.
func (s site) fillShop(t *testing.T, shop, style string, n int) {
	t.Helper()
	db, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	column := map[string]int{"old": 0, "new": 1}[style]
	for _, names := range shopTables[shop] {
		for first := 1; first <= n; first += 500 {
			var rows []string
			for i := first; i <= min(n, first+499); i++ {
				rows = append(rows, "("+strings.Join(shopRow(names[0], "", i, n), ", ")+")")
			}
			if _, err := db.Exec("INSERT INTO " + names[column] + " VALUES " + strings.Join(rows, ", ")); err != nil {
				t.Fatalf("fill %s: %v", names[column], err)
			}
		}
	}
}

// sell plays the applications of one side until ctx ends: customers change, also on both sides at
// a time, and sales come and go. The last statement is waited for. It returns how much it did.
func (s site) sell(ctx context.Context, t *testing.T, shop string, side, n int, seed uint64) (done int) {
	db, err := s.open()
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = db.Close() }()
	b, rng := busyTables[shop], rand.New(rand.NewPCG(seed, uint64(side)))
	next := 10*n + side
	for ctx.Err() == nil {
		var q string
		switch rng.IntN(4) {
		case 0:
			next += 2
			row := shopRow(b.sales[0], "", next, n)
			q = fmt.Sprintf("INSERT INTO %s VALUES (%s)", b.sales[side], strings.Join(row, ", "))
		case 1:
			q = fmt.Sprintf("DELETE FROM %s WHERE %s = %d", b.sales[side], b.saleKey[side], 10*n+rng.IntN(next-10*n+1))
		default:
			q = fmt.Sprintf("UPDATE %s SET %s = 'm%d-%d@example.org' WHERE %s = %d", b.customers[side], b.text[side], side, done, b.key[side], 1+rng.IntN(n))
		}
		_, err := db.ExecContext(t.Context(), q)
		switch {
		case err == nil:
			done++
		case side == 1 && strings.Contains(strings.ToLower(err.Error()), "foreign key"): // the customer did not come over yet
		case !s.passes(err):
			t.Errorf("%s: %v", q, err)
			return done
		}
		time.Sleep(5 * time.Millisecond)
	}
	return done
}

// start runs the link of a shop, with an admin API at an address.
func (l *shopLink) start(address string) *process {
	l.t.Helper()
	text := fmt.Appendf(nil, "admin {\n  listen = %q\n}\n", address)
	if err := os.WriteFile(filepath.Join(l.dir, "admin.hcl"), text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	p := &process{t: l.t, cmd: exec.Command(binary, "run", "shop.hcl", "admin.hcl"), output: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = l.dir, l.environment, p.output, p.output
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	l.t.Cleanup(p.kill)
	return p
}

// comparing tells whether first contact is under way.
func comparing(address string) bool {
	var st admin.Link
	status, err := get(address, "/v1/links/shop", &st)
	return err != nil || status != 200 || st.State != "running"
}

// TestOnboarding is the day on which cdcsync is put between two shops that were never made for each
// other: init, plan, run, verify, with no word changed by hand, while both are in use. cdcsync is
// killed again and again while it compares what both hold, and at the end the certificate says that
// they hold the same. CDCSYNC_ONBOARD_ROWS=1000000 is the real thing.
func TestOnboarding(t *testing.T) {
	cases := []struct{ shop, left, right string }{
		{"rental", "mariadb", "postgres"}, {"music", "sqlite", "postgres"}, {"rental", "mariadb", "sqlite"},
		{"music", "mariadb", "postgres"}, {"rental", "sqlite", "postgres"}, {"music", "mariadb", "sqlite"},
	}
	if os.Getenv("CDCSYNC_ONBOARD_ROWS") == "" {
		cases = cases[:2]
	}
	for _, c := range cases {
		t.Run(c.shop+"/"+c.left+" and "+c.right, func(t *testing.T) {
			n := onboardRows(t) / len(shopTables[c.shop])
			sites := [2]site{shopSite(t, c.shop, "old", c.left), shopSite(t, c.shop, "new", c.right)}
			sites[0].fillShop(t, c.shop, "old", n)
			l, _, _ := newShopLink(t, sites[0], sites[1])
			l.cdcsync("check", "shop.hcl")
			if planned := l.cdcsync("plan", "shop.hcl"); !strings.Contains(planned, "Nothing is in the way") {
				t.Errorf("plan says\n%s", planned)
			}

			address, begun := freeAddress(t), time.Now()
			p := l.start(address)
			seed := rand.Uint64()
			t.Logf("seed %d, %d rows a table", seed, n)
			rng := rand.New(rand.NewPCG(seed, 9))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var writers sync.WaitGroup
			var did [2]int
			for side := range sites {
				writers.Go(func() {
					if side == 1 { // its customers have to be there first
						time.Sleep(time.Second)
					}
					did[side] = sites[side].sell(ctx, t, c.shop, side, n, seed)
				})
			}
			kills := 0
			for ; kills < 5 && comparing(address); kills++ {
				time.Sleep(time.Duration(100+rng.IntN(400+n/20)) * time.Millisecond)
				p.kill()
				p = l.start(address)
			}
			for comparing(address) {
				if time.Since(begun) > 30*time.Minute {
					t.Fatalf("first contact does not end\n%s", p.output)
				}
				time.Sleep(100 * time.Millisecond)
			}
			contact := time.Since(begun)
			l.verifying(func() {
				time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
				p.kill()
			})
			p = l.start(address)
			p.await(address, "/readyz")
			c := l.certify(p)
			stop()
			writers.Wait()
			if did[0] == 0 || did[1] == 0 {
				t.Errorf("the applications did %v", did)
			}
			l.certify(p)
			t.Logf("first contact within %s and %d kills; %d and %d writes meanwhile; verified %d tables", contact.Round(time.Millisecond), kills, did[0], did[1], len(c.Tables))
			if err := p.stop(); err != nil {
				t.Errorf("run: %v\n%s", err, p.output)
			}
			l.cdcsync("teardown", "shop.hcl")
		})
	}
}

// certify has the running instance verify the link, and fails unless both sides hold the same.
func (l *shopLink) certify(p *process) (c admin.Certificate) {
	l.t.Helper()
	cmd := exec.Command(binary, "verify", "shop.hcl", "admin.hcl", "--json")
	cmd.Dir, cmd.Env = l.dir, l.environment
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var answer struct{ Links []admin.Certificate }
	if json.Unmarshal(out, &answer) != nil || len(answer.Links) != 1 {
		l.t.Fatalf("verify: %v\n%s%s\n%s", err, out, &said, p.output)
	}
	if c = answer.Links[0]; err != nil || !c.Equal {
		l.t.Errorf("the stores differ: %v\n%s\n%s", err, out, p.output)
	}
	return c
}

// verifying does something while the running instance verifies the link.
func (l *shopLink) verifying(do func()) {
	l.t.Helper()
	cmd := exec.Command(binary, "verify", "shop.hcl", "admin.hcl")
	cmd.Dir, cmd.Env = l.dir, l.environment
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	do()
	_ = cmd.Wait() // however it ends
}
