package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// FuzzRequest sends arbitrary requests: the answer is never an error of the server's own, and
// what is refused was not done.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct{ method, path, query, body string }{
		{"POST", "/v1/links/shop/pause", "", `{"reason":"why"}`},
		{"POST", "/v1/links/shop/tables/t/pause", "", `{"reason":1}`},
		{"POST", "/v1/links/shop/tables/t/resync", "", `{"by":"left"}`},
		{"POST", "/v1/links/shop/parked/1/resolve", "", `{"take":"row","row":{"id":{"bytes":"AP8="}}}`},
		{"POST", "/v1/links/shop/conflicts/right/7/revert", "", `{"take":"left"}`},
		{"POST", "/v1/links/shop/conflicts/replay", "", `{"policy":"latest","limit":1e9}`},
		{"POST", "/v1/links/shop/verify", "", `{"repair":"left"}{}`},
		{"PUT", "/v1/log-level", "", `{"level":"debug"}`},
		{"GET", "/v1/links/shop/conflicts", "limit=-1", ""},
		{"GET", "/v1/links/shop/parked", "table=%00&limit=99999999999999999999", ""},
		{"GET", "/v1/jobs/1", "wait=1e9s", ""},
		{"GET", "/v1/links/shop/barrier", "wait=1ns", ""},
		{"DELETE", "/v1/links/%2e%2e", "", strings.Repeat("[", 20_000)},
	} {
		f.Add(s.method, s.path, s.query, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		target := (&url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}).String()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond) // some answers are streams
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = "127.0.0.1:1"
		instance := newFake()
		w := httptest.NewRecorder()
		NewServer(instance, Settings{Listen: "127.0.0.1:0"}, hclog.NewNullLogger()).Handler().ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s %q: %d %s", method, target, body, w.Code, w.Body)
		}
		if w.Code >= 400 && len(instance.did) > 0 {
			t.Fatalf("%s %s %q: %d %s, but it did %q", method, target, body, w.Code, w.Body, instance.did)
		}
	})
}
