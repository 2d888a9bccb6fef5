package admin

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// post sends a body to the API of f, with headers such as "Origin: http://x".
func post(f *fake, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8480"
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return send(f, r)
}

func TestReload(t *testing.T) {
	f := newFake()
	if w := post(f, "/v1/reload", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"links":[{"name":"shop"`) || !slices.Equal(f.did, []string{"reload"}) {
		t.Errorf("%d %s, did %q", w.Code, w.Body, f.did)
	}
	f.err = &RefusedError{"shop.hcl:3,1-5: Unknown table"}
	wantError(t, post(f, "/v1/reload", ""), 422, "shop.hcl:3,1-5: Unknown table")
	wantError(t, ask(t, f, "GET", "/v1/reload"), 405, "allowed: POST")
}

func TestTables(t *testing.T) {
	f := newFake()
	const table = "/v1/links/shop/tables/t"
	for _, c := range []struct{ method, target, body, want, did string }{
		{"GET", "/v1/links/shop/tables", "", `{"tables":[{"name":"t","stage":"live"`, ""},
		{"GET", table, "", `{"name":"t","stage":"live"`, ""},
		{"POST", table + "/pause", `{"reason":"migration"}`, `{"name":"t"`, "pause shop t migration"},
		{"POST", table + "/pause", "", `{"name":"t"`, "pause shop t "},
		{"POST", table + "/resume", "", `{"name":"t"`, "resume shop t"},
		{"POST", table + "/resync", "", `{"name":"t"`, "resync shop t "},
		{"POST", table + "/resync", ` {"by":"left"} `, `{"name":"t"`, "resync shop t left"},
	} {
		f.did = nil
		var w *httptest.ResponseRecorder
		if c.method == "POST" {
			w = post(f, c.target, c.body)
		} else {
			w = ask(t, f, c.method, c.target)
		}
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), c.want) || strings.Join(f.did, ", ") != c.did {
			t.Errorf("%s %s %s: %d %s, did %q, want %q", c.method, c.target, c.body, w.Code, w.Body, f.did, c.did)
		}
	}
}

// Nothing is done that was not asked for plainly, by whom it may be asked.
func TestTablesRefused(t *testing.T) {
	const table = "/v1/links/shop/tables/t"
	for name, c := range map[string]struct {
		target, body, header string
		status               int
		part                 string
	}{
		"no link":           {"/v1/links/x/tables/t/pause", "", "", 404, `no link "x"`},
		"no table":          {"/v1/links/shop/tables/x/pause", "", "", 404, `link shop has no table "x"; there are: t`},
		"no such action":    {table + "/drop", "", "", 404, "there is nothing at"},
		"a field too many":  {table + "/pause", `{"reasn":"x"}`, "", 400, `unknown field "reasn"`},
		"no object":         {table + "/pause", `[1]`, "", 400, "cannot unmarshal array"},
		"cut off":           {table + "/pause", `{"reason":"x"`, "", 400, "unexpected EOF"},
		"two objects":       {table + "/pause", `{} {}`, "", 400, "something follows"},
		"another type":      {table + "/pause", `{"reason":1}`, "", 400, "cannot unmarshal number"},
		"too long":          {table + "/pause", `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, "", 413, "longer than 65536 bytes"},
		"a form":            {table + "/pause", "reason=x", "Content-Type: application/x-www-form-urlencoded", 415, "Content-Type: application/json"},
		"text":              {table + "/pause", "{}", "Content-Type: text/plain", 415, "Content-Type: application/json"},
		"a side unknown":    {table + "/resync", `{"by":"middle"}`, "", 422, "by is left or right"},
		"a page elsewhere":  {table + "/pause", "", "Origin: http://evil.example", 403, "another origin"},
		"a page, no origin": {table + "/pause", "", "Sec-Fetch-Site: cross-site", 403, "another origin"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			headers := []string{}
			if c.header != "" {
				headers = append(headers, c.header)
			}
			wantError(t, post(f, c.target, c.body, headers...), c.status, c.part)
			if len(f.did) > 0 {
				t.Errorf("it did %q", f.did)
			}
		})
	}
	f := newFake()
	f.err = &RefusedError{"the config does not fit"}
	wantError(t, post(f, table+"/resume", ""), 422, "the config does not fit")
	f.err = ErrStopped
	wantError(t, post(f, table+"/resume", ""), 409, "stopped")
	w := ask(t, newFake(), "GET", table+"/pause")
	wantError(t, w, 405, "allowed: POST")
}

// A page that the instance itself serves may change things.
func TestSameOrigin(t *testing.T) {
	f := newFake()
	if w := post(f, "/v1/links/shop/tables/t/pause", "", "Origin: http://127.0.0.1:8480", "Sec-Fetch-Site: same-origin"); w.Code != 200 || len(f.did) != 1 {
		t.Errorf("%d %s, did %q", w.Code, w.Body, f.did)
	}
}

func TestClientControlsTables(t *testing.T) {
	f := newFake()
	server := httptest.NewServer(NewServer(f, Settings{Listen: "127.0.0.1:0"}, hclog.NewNullLogger()).Handler())
	defer server.Close()
	c := newClient(t, server.URL)
	if got, err := c.Pause(t.Context(), "shop", "t", "why"); err != nil || got.Name != "t" {
		t.Errorf("pause: %+v, %v", got, err)
	}
	if _, err := c.Resume(t.Context(), "shop", "t"); err != nil {
		t.Error(err)
	}
	if _, err := c.Resync(t.Context(), "shop", "t", "right"); err != nil {
		t.Error(err)
	}
	if _, err := c.Resync(t.Context(), "shop", "t", "middle"); err == nil || !strings.Contains(err.Error(), "by is left or right") {
		t.Errorf("resync by nobody: %v", err)
	}
	if want := []string{"pause shop t why", "resume shop t", "resync shop t right"}; !slices.Equal(f.did, want) {
		t.Errorf("did %q, want %q", f.did, want)
	}
}
