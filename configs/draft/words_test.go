package draft

import (
	"slices"
	"testing"
)

func TestMeaning(t *testing.T) {
	for name, want := range map[string][]string{
		"tbl_order_lines": {"order", "line"}, "tblOrderLine": {"order", "line"}, "OrderLines": {"order", "line"}, "crm.order-line": {"order", "line"},
		"shop_orders": {"order"}, "categories": {"category"}, "addresses": {"address"}, "boxes": {"box"}, "status": {"status"}, "news": {"new"}, "glass": {"glass"},
		"HTTPLog": {"http", "log"}, "addresses2": {"address", "2"}, "T_USER": {"user"}, "user_tbl": {"user"}, "tbl": {"tbl"}, "people": {"person"}, "bus": {"bus"}, "analysis": {"analysis"},
	} {
		if got := meaning(name, "shop"); !slices.Equal(got, want) {
			t.Errorf("%s means %q, want %q", name, got, want)
		}
	}
}

// Names of the same thing are alike, and others are not.
func TestSameWords(t *testing.T) {
	for _, test := range []struct {
		a, b  string
		alike bool
	}{
		{"customer", "cust", true}, {"customer", "client", true}, {"order_line", "orderline", true}, {"quantity", "qty", true}, {"phone_no", "phone_number", true},
		{"mail", "email", true}, {"created", "created_at", true}, {"created_on", "created_at", true}, {"postal_code", "post_code", true}, {"mgr", "manager", true},
		{"customer", "order", false}, {"price", "cost", false}, {"first_name", "last_name", false}, {"created_at", "updated_at", false}, {"name", "note", false},
		{"state", "status", false}, {"order", "order_line", false}, {"billing_city", "shipping_city", false}, {"min_price", "max_price", false},
	} {
		got := sameWords(meaning(test.a, ""), meaning(test.b, ""))
		if (got >= alike+0.1) != test.alike {
			t.Errorf("%s and %s are alike by %.2f", test.a, test.b, got)
		}
		if back := sameWords(meaning(test.b, ""), meaning(test.a, "")); back != got {
			t.Errorf("%s and %s are alike by %.2f, and the other way round by %.2f", test.a, test.b, got, back)
		}
	}
}
