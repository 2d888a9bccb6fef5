package integration

import (
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/checkpoint"
)

// TestOldConflictsGo has conflicts on record in both stores, some for longer than the config allows:
// these are gone once the program runs, and the others are not.
func TestOldConflictsGo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.writeConfig(`
link "shop" {
  left           = store.old
  right          = store.new
  keep_conflicts = "30d"
  table "items" {
    left  = "tbl_item"
    right = "items"
    column "id"    { left = "item_id" }
    column "value" { left = "val" }
  }
}
admin { listen = %q }
`)
	p := start(t, "run", s.config)
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	ages := [2][]time.Duration{{31 * 24 * time.Hour, 29 * 24 * time.Hour}, {365 * 24 * time.Hour, 31 * 24 * time.Hour}}
	for side, list := range ages {
		db := s.open(side)
		for i, age := range list {
			row := change.Row{change.Int(int64(i)), change.TextValue("gone soon")}
			record := checkpoint.Conflict{Pair: "items", Key: row[:1], Base: change.Is(row), Left: row, Right: row, Result: row,
				Winner: "left", Policy: "latest", Decided: time.Now().Add(-age)}
			if _, err := db.Exec("INSERT INTO _cdcsync_conflict_shop (body) VALUES (?)", checkpoint.AppendConflict(nil, record)); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
	p = start(t, "run", s.config)
	p.await(s.address, "/readyz")
	var found struct{ Conflicts []admin.Conflict }
	for range 600 {
		found.Conflicts = nil
		if status, err := get(s.address, "/v1/links/shop/conflicts", &found); err != nil || status != 200 {
			t.Fatalf("conflicts: %d %v", status, err)
		}
		if len(found.Conflicts) == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(found.Conflicts) != 1 || found.Conflicts[0].Side != "left" || found.Conflicts[0].ID != 2 {
		t.Errorf("on record are %+v\n%s", found.Conflicts, p.output)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	for side, want := range []int{1, 0} {
		db := s.open(side)
		n := -1
		if err := db.QueryRow("SELECT count(*) FROM _cdcsync_conflict_shop WHERE length(body) > 0").Scan(&n); err != nil || n != want {
			t.Errorf("%d records are left on side %d (%v), want %d", n, side, err, want)
		}
		_ = db.Close()
	}
}
