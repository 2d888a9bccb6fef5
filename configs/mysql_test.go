package configs

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// TestLegacyMigrationBinds carries rows of the legacy store to the modern one and back.
func TestLegacyMigrationBinds(t *testing.T) {
	_, pairs := bindExample(t, "legacy-migration")
	if got, want := names(pairs), "tblCustomer:customers tblOrder:orders tblOrderLine:order_lines"; got != want {
		t.Fatalf("pairs: %s\nwant:  %s", got, want)
	}
	timestamp := func(text string) change.Value { return change.Str(change.Timestamp, text) }
	customer := func(status, last change.Value) map[string]change.Value {
		return map[string]change.Value{"CustNo": change.Int(7), "CustName": change.TextValue("Ann"), "Status": status, "Kind": change.TextValue("private"),
			"LastOrder": last, "Notes": change.TextValue("naïve €")}
	}
	for _, c := range []struct {
		pair           *BoundPair
		legacy, modern map[string]change.Value
	}{
		{
			pairs[0], customer(change.TextValue("B"), timestamp("0000-00-00 00:00:00")),
			map[string]change.Value{"id": change.Int(7), "name": change.TextValue("Ann"), "status": change.TextValue("blocked"),
				"kind": change.TextValue("private"), "last_order": change.NullValue(), "notes": change.TextValue("naïve €")},
		},
		{
			pairs[0], customer(change.TextValue("A"), timestamp("2020-02-29 10:00:00")),
			map[string]change.Value{"id": change.Int(7), "name": change.TextValue("Ann"), "status": change.TextValue("active"),
				"kind": change.TextValue("private"), "last_order": timestamp("2020-02-29 10:00:00"), "notes": change.TextValue("naïve €")},
		},
		{
			pairs[1], map[string]change.Value{"OrderNo": change.Int(1), "CustNo": change.Int(7), "OrderDate": change.Str(change.Date, "2020-02-29"),
				"State": change.Int(2), "TotalCents": change.Int(1990)},
			map[string]change.Value{"id": change.Int(1), "customer_id": change.Int(7), "ordered_on": change.Str(change.Date, "2020-02-29"),
				"state": change.TextValue("cancelled"), "total": change.Str(change.Decimal, "19.90")},
		},
	} {
		legacy, modern := rowOf(c.pair, change.Left, c.legacy), rowOf(c.pair, change.Right, c.modern)
		canon, err := c.pair.Pair.Canon(change.Left, legacy)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.pair.Pair.Native(change.Right, canon); err != nil || !got.Equal(modern) {
			t.Errorf("%s: the modern store gets %v, %v, want %v", c.pair.Pair.Name, got, err, modern)
		}
		if got, err := c.pair.Pair.Native(change.Left, canon); err != nil || !got.Equal(legacy) {
			t.Errorf("%s: the legacy store gets %v, %v, want %v", c.pair.Pair.Name, got, err, legacy)
		}
		if got, err := c.pair.Pair.Canon(change.Right, modern); err != nil || !got.Equal(canon) {
			t.Errorf("%s: the modern row is %v, %v, want %v", c.pair.Pair.Name, got, err, canon)
		}
	}
}
