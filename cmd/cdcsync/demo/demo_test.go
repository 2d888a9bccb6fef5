package demo

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// files makes both databases with the same content, without a link.
func files(t *testing.T) (paths [2]string) {
	t.Helper()
	dir := t.TempDir()
	paths = [2]string{filepath.Join(dir, legacyFile), filepath.Join(dir, modernFile)}
	if _, err := createFiles(t.Context(), paths); err != nil {
		t.Fatal(err)
	}
	l := read(t, left, paths)
	statements := []string{"PRAGMA user_version = 1"}
	for _, id := range slices.Sorted(maps.Keys(l.customers)) {
		statements = append(statements, modern.insertCustomer("REPLACE", id, l.customers[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(l.items)) {
		statements = append(statements, modern.insertItem("INSERT", id, l.items[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(l.orders)) {
		statements = append(statements, modern.insertOrder("INSERT", id, l.orders[id]))
	}
	for id := sharedCustomers + prospects + 1; id <= sharedCustomers+prospects+knownOnlyRight; id++ {
		statements = append(statements, modern.deleteCustomer(int64(id)))
	}
	run(t, paths[right], statements...)
	return paths
}

func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	if err := execute(t.Context(), path, append([]string{"SELECT 1"}, statements...)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, side int, paths [2]string) *shop {
	t.Helper()
	s, err := readShop(t.Context(), side, paths[side])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// problems collects what is reported.
type problems []string

func (p *problems) report(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func TestCompareSeesEveryDifference(t *testing.T) {
	paths := files(t)
	var none problems
	compare(read(t, left, paths), read(t, right, paths), none.report)
	if len(none) > 0 {
		t.Fatalf("equal content differs: %q", none)
	}
	for _, damage := range []struct{ do, undo, want string }{
		{"UPDATE customers SET full_name = full_name || ' ' WHERE id = 7", "UPDATE customers SET full_name = trim(full_name) WHERE id = 7", "customer 7"},
		{"UPDATE customers SET email = NULL WHERE id = 7", "UPDATE customers SET email = 'c7@old.example' WHERE id = 7", "customer 7"},
		{"UPDATE customers SET status = 'active' WHERE id = 7", "UPDATE customers SET status = 'inactive' WHERE id = 7", "customer 7"},
		{"UPDATE customers SET credit = -2.05 WHERE id = 8", "UPDATE customers SET credit = -2.04 WHERE id = 8", "customer 8"},
		{"UPDATE products SET stock = stock + 1 WHERE sku = 'H-003'", "UPDATE products SET stock = stock - 1 WHERE sku = 'H-003'", "item H-003"},
		{"UPDATE orders SET label = x'00' WHERE id = 3", "UPDATE orders SET label = x'' WHERE id = 3", "order 3"},
		{"UPDATE orders SET phase = 'sent' WHERE id = 3", "UPDATE orders SET phase = 'new' WHERE id = 3", "order 3"},
		{"INSERT INTO products VALUES ('X', 'x', 1, 1)", "DELETE FROM products WHERE sku = 'X'", "item X"},
		{"DELETE FROM products WHERE sku = 'S-001'", "INSERT INTO products VALUES ('S-001', 'On the shelf', 0, 10)", "item S-001"},
	} {
		run(t, paths[right], damage.do)
		var found problems
		compare(read(t, left, paths), read(t, right, paths), found.report)
		if len(found) != 1 || !strings.HasPrefix(found[0], damage.want+":") {
			t.Errorf("after %s: found %q", damage.do, found)
		}
		run(t, paths[right], damage.undo)
	}
}

func TestReadRefusesWhatNobodyWrites(t *testing.T) {
	paths := files(t)
	for side, statement := range []string{
		"UPDATE tbl_cust SET credit_cents = 1.5 WHERE cust_id = 1",
		"UPDATE customers SET credit = 0.1 + 0.2 WHERE id = 1",
	} {
		run(t, paths[side], statement)
		if _, err := readShop(t.Context(), side, paths[side]); err == nil {
			t.Errorf("after %s: nothing was reported", statement)
		}
	}
}

// Writers without a link leave exactly what their ledgers say, on either side and through
// either kind of session.
func TestLedgersAreExact(t *testing.T) {
	paths := files(t)
	shell := findShell()
	for side, path := range paths {
		for n := range 3 {
			var s session
			var err error
			switch {
			case n < goWriters:
				s, err = newGoSession(path)
			case shell == "":
				continue
			default:
				s, err = newShellSession(shell, path)
			}
			if err != nil {
				t.Fatal(err)
			}
			w := &writer{name: "the writer", application: newApplication(side, n, 1), session: s}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			err = w.run(ctx)
			cancel()
			if e := s.close(); err != nil || e != nil {
				t.Fatal(err, e)
			}
			var found problems
			w.ledger.check(w.name, read(t, side, paths), found.report)
			if len(found) > 0 || w.ledger.transactions == 0 {
				t.Errorf("side %d, writer %d: %d transactions, %q", side, n, w.ledger.transactions, found)
			}
		}
	}
}

func TestLedgerMissesWhatIsLost(t *testing.T) {
	l := newLedger()
	l.orders.put(1, order{customer: 1, item: "H-001", amount: 1})
	l.customers.put(2, customer{name: "Ada"})
	l.customers.put(3, customer{name: "gone"})
	l.orders.put(4, order{customer: 3})
	l.deleteCustomer(3)
	s := newShop()
	s.customers[3], s.orders[4] = customer{name: "gone"}, order{customer: 3}
	var found problems
	l.check("a writer", s, found.report)
	slices.Sort(found)
	for i, want := range []string{"customer 2", "customer 3", "order 1", "order 4"} {
		if i >= len(found) || !strings.HasPrefix(found[i], want+":") {
			t.Fatalf("found %q, want one for each of order 1 and 4, customer 2 and 3", found)
		}
	}
}

func TestShellTellsWhyItFailed(t *testing.T) {
	shell := findShell()
	if shell == "" {
		t.Skip("there is no sqlite3 shell")
	}
	s, err := newShellSession(shell, files(t)[left])
	if err != nil {
		t.Fatal(err)
	}
	err = s.do(t.Context(), []string{"INSERT INTO tbl_cust (cust_id) VALUES (1)"})
	if err == nil || !strings.Contains(err.Error(), "NOT NULL constraint failed") {
		t.Errorf("got %v", err)
	}
	if err := s.close(); err != nil {
		t.Errorf("close after a failure: %v", err)
	}
}

func TestCentsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1e12, 1e12).Draw(t, "cents")
		var f float64
		if _, err := fmt.Sscan(hundredths(n), &f); err != nil {
			t.Fatal(err)
		}
		if got, ok := cents(f, true); got != n || !ok {
			t.Fatalf("%d is %s and comes back as %d, %v", n, hundredths(n), got, ok)
		}
	})
}

func TestOwnedDrawsOnlyWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, model := newOwned[int](), map[int64]int{}
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			key := rapid.Int64Range(0, 9).Draw(t, "key")
			if rapid.Bool().Draw(t, "put") {
				o.put(key, int(key)+1)
				model[key] = int(key) + 1
			} else {
				o.drop(key)
				delete(model, key)
			}
			if !maps.Equal(o.rows, model) || !slices.Equal(slices.Sorted(slices.Values(o.keys)), slices.Sorted(maps.Keys(model))) {
				t.Fatalf("%v and %v, want %v", o.rows, o.keys, model)
			}
		}
	})
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"福田福田", 5, "福田…"}, {"abc", 0, "abc"}} {
		if got := cut(c.in, c.n); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
