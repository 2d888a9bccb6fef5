package admin

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
)

func TestRows(t *testing.T) {
	const parked, conflicts = "/v1/links/shop/parked", "/v1/links/shop/conflicts"
	for _, c := range []struct {
		target, body string
		status       int
		want, did    string
	}{
		{parked + "/5f/resolve", `{"take":"left"}`, 200, `{"rows":1}`, "resolve shop 5f left"},
		{parked + "/5f/resolve", `{"row":{"id":7,"name":"x"}}`, 200, `{"rows":1}`, "resolve shop 5f id=7 name=x"},
		{parked + "/5f/resolve", `{"delete":true}`, 200, `{"rows":1}`, "resolve shop 5f absent"},
		{parked + "/5f/resolve", `{}`, 422, "say what the row is to be", ""},
		{parked + "/5f/resolve", `{"row":null}`, 422, "say what the row is to be", ""},
		{parked + "/5f/resolve", `{"take":"left","delete":true}`, 422, "say what the row is to be", ""},
		{parked + "/5f/resolve", `{"take":"middle"}`, 422, "say what the row is to be", ""},
		{parked + "/5f/resolve", `{"row":[1]}`, 400, "it is no object", ""},
		{parked + "/5f/retry", "", 200, `{"rows":3}`, "retry shop 5f"},
		{parked + "/retry", "", 200, `{"rows":3}`, "retry shop "},
		{parked + "/5f/discard", "", 200, `{"rows":1}`, "discard shop 5f"},
		{conflicts + "/right/42/revert", "", 200, `{"rows":1}`, "revert shop right 42 "},
		{conflicts + "/left/42/revert", `{"take":"left"}`, 200, `{"rows":1}`, "revert shop left 42 left"},
		{conflicts + "/middle/42/revert", "", 422, "named by the side", ""},
		{conflicts + "/left/x/revert", "", 422, "named by the side", ""},
		{conflicts + "/replay", `{"policy":"merge","deletes":"delete_wins","limit":9}`, 200,
			`{"conflicts":7,"different":3,"parked":0,"skipped":0,"examples":[]}`, "replay shop merge delete_wins 9"},
		{conflicts + "/replay", `{"polici":"merge"}`, 400, "unknown field", ""},
		{"/v1/links/none/parked/5f/retry", "", 404, "no link", ""},
	} {
		f := newFake()
		w := post(f, c.target, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Join(f.did, ", ") != c.did {
			t.Errorf("%s %s: %d %s, did %q, want %q", c.target, c.body, w.Code, w.Body, f.did, c.did)
		}
	}
}

func TestShadowed(t *testing.T) {
	want := `{"shadowed":[{"table":"t","side":"right","key":{"id":1},"has":null,"would":null,"at":"1970-01-01T00:00:00Z"}]}`
	if w := ask(t, newFake(), "GET", "/v1/links/shop/shadow"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestClientSettlesRows(t *testing.T) {
	f := newFake()
	server := httptest.NewServer(NewServer(f, Settings{Listen: "127.0.0.1:0"}, hclog.NewNullLogger()).Handler())
	defer server.Close()
	c := newClient(t, server.URL)
	row := &Row{Columns: []string{"id"}, Values: change.Row{change.Int(7)}}
	for _, err := range []error{
		c.Resolve(t.Context(), "shop", "5f", "right", nil), c.Resolve(t.Context(), "shop", "5f", "", row),
		c.Resolve(t.Context(), "shop", "5f", "", &Row{}), c.Discard(t.Context(), "shop", "5f"), c.Revert(t.Context(), "shop", "left", 9, "right"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if n, err := c.Retry(t.Context(), "shop", ""); n != 3 || err != nil {
		t.Errorf("retry: %d, %v", n, err)
	}
	want := []string{"resolve shop 5f right", "resolve shop 5f id=7", "resolve shop 5f absent", "discard shop 5f", "revert shop left 9 right", "retry shop "}
	if !slices.Equal(f.did, want) {
		t.Errorf("did %q, want %q", f.did, want)
	}
}
