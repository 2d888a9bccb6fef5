package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

const (
	readToken    = "CANARY-for-reading"
	operateToken = "CANARY-for-operating"
)

func tokens(read, operate string) Settings {
	return Settings{Listen: "127.0.0.1:8480", Read: NewToken(read), Operate: NewToken(operate)}
}

// shown is a request that shows a token, unless that is empty.
func shown(method, target, token string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestTokens(t *testing.T) {
	const none, other = "", "some-other-token"
	all := []string{none, other, readToken, operateToken}
	for name, c := range map[string]struct {
		settings     Settings
		read, change [4]int // the answers to all
	}{
		"no tokens":     {tokens("", ""), [4]int{200, 200, 200, 200}, [4]int{200, 200, 200, 200}},
		"both":          {tokens(readToken, operateToken), [4]int{401, 401, 200, 200}, [4]int{401, 401, 403, 200}},
		"operate alone": {tokens("", operateToken), [4]int{200, 401, 401, 200}, [4]int{401, 401, 401, 200}},
		// No config has it; then nobody operates.
		"read alone": {tokens(readToken, ""), [4]int{401, 401, 200, 401}, [4]int{401, 401, 403, 401}},
	} {
		t.Run(name, func(t *testing.T) {
			for i, token := range all {
				for _, target := range []string{"/v1/links", "/v1/links/shop/parked", "/readyz"} {
					w := serveWith(newFake(), c.settings, shown("GET", target, token))
					if w.Code != c.read[i] {
						t.Errorf("GET %s with %q: %d, want %d", target, token, w.Code, c.read[i])
					}
				}
				f := newFake()
				w := serveWith(f, c.settings, shown("POST", "/v1/links/shop/tables/t/resume", token))
				if did := len(f.did) > 0; w.Code != c.change[i] || did != (w.Code == 200) {
					t.Errorf("POST with %q: %d, want %d; did %q", token, w.Code, c.change[i], f.did)
				}
				if challenge := w.Header().Get("WWW-Authenticate") != ""; challenge != (w.Code == 401) {
					t.Errorf("POST with %q: %d with %q", token, w.Code, w.Header())
				}
				if w := serveWith(newFake(), c.settings, shown("GET", "/healthz", token)); w.Code != 200 {
					t.Errorf("/healthz with %q: %d", token, w.Code)
				}
			}
		})
	}
}

// What is near a token is none, and nothing is told to whoever has none.
func TestNearlyTokens(t *testing.T) {
	for _, header := range []string{
		"", "Bearer", "Bearer ", readToken, "Basic " + readToken, "Bearer " + readToken[1:], "Bearer " + readToken + "x",
		"Bearer " + strings.ToLower(readToken), "Bearer " + readToken + " " + operateToken, "Bearer\t" + readToken,
	} {
		for _, target := range []string{"/v1/links", "/v1/links/nowhere", "/nowhere"} {
			r := shown("GET", target, "")
			r.Header.Set("Authorization", header)
			w := serveWith(newFake(), tokens(readToken, operateToken), r)
			if w.Code != 401 || strings.Contains(w.Body.String(), "shop") || strings.Contains(w.Body.String(), "CANARY") {
				t.Errorf("%q gets %d %s of %s", header, w.Code, w.Body, target)
			}
		}
	}
	r := shown("GET", "/v1/links", "")
	r.Header.Set("Authorization", "bearer "+readToken)
	if w := serveWith(newFake(), tokens(readToken, operateToken), r); w.Code != 200 {
		t.Errorf("a scheme in lower case: %d", w.Code)
	}
	if text := fmt.Sprintf("%v %+v %#v", tokens(readToken, operateToken), NewToken(readToken), NewToken(readToken)); strings.Contains(text, "CANARY") {
		t.Errorf("a token is printed: %s", text)
	}
}

func TestHostsOfTheConfig(t *testing.T) {
	settings := Settings{Listen: "0.0.0.0:8480", Hosts: []string{"Sync.example.org", "10.0.0.7"}}
	for host, want := range map[string]int{
		"sync.example.org": 200, "SYNC.example.org:8480": 200, "10.0.0.7:8480": 200, "localhost": 200,
		"example.org": 403, "a.sync.example.org": 403, "10.0.0.8": 403,
	} {
		r := shown("GET", "/v1/links", "")
		r.Host = host
		if w := serveWith(newFake(), settings, r); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// Ten wrong tokens from an address are answered, then none, and other addresses still are.
func TestTooManyWrongTokens(t *testing.T) {
	handler := NewServer(newFake(), tokens(readToken, operateToken), hclog.NewNullLogger()).Handler()
	from := func(address, token string) *httptest.ResponseRecorder {
		r, w := shown("GET", "/v1/links", token), httptest.NewRecorder()
		r.RemoteAddr = address
		handler.ServeHTTP(w, r)
		return w
	}
	for i := range 200 {
		if w := from("192.0.2.1:1000", readToken); w.Code != 200 {
			t.Fatalf("right token %d: %d", i, w.Code)
		}
		if w := from("192.0.2.1:1000", ""); w.Code != 401 {
			t.Fatalf("no token %d: %d", i, w.Code)
		}
	}
	for i := range 10 {
		if w := from(fmt.Sprint("192.0.2.1:", 1000+i), "wrong"); w.Code != 401 {
			t.Fatalf("wrong token %d: %d", i, w.Code)
		}
	}
	for _, token := range []string{"wrong", readToken} { // or guessing on would pay
		w := from("192.0.2.1:2000", token)
		wantError(t, w, 429, "too many wrong tokens")
		if after := w.Header().Get("Retry-After"); after < "1" || after > "6" || len(after) != 1 {
			t.Errorf("Retry-After is %q", after)
		}
	}
	if w := from("192.0.2.2:1000", readToken); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
}

// hold has a handler answer barriers, one for each place that there is for them, until the returned
// function is called: that lets them end.
func hold(t *testing.T, f *fake, handler http.Handler) (end func()) {
	t.Helper()
	waiting, goOn, done := make(chan struct{}), make(chan struct{}), make(chan int)
	f.barrier = func(context.Context) error { waiting <- struct{}{}; <-goOn; return nil }
	for range maxWaiting {
		go func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, shown("GET", "/v1/links/shop/barrier", ""))
			done <- w.Code
		}()
		<-waiting
	}
	return func() {
		close(goOn)
		for range maxWaiting {
			if code := <-done; code != 200 {
				t.Errorf("a barrier: %d", code)
			}
		}
	}
}

// One barrier more than may wait is sent away, and let in once the others have ended. What is
// answered at once is answered all the time.
func TestTooManyBarriers(t *testing.T) {
	f := newFake()
	handler := NewServer(f, tokens("", ""), hclog.NewNullLogger()).Handler()
	get := func(target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, shown("GET", target, ""))
		return w
	}
	end := hold(t, f, handler)
	w := get("/v1/links/shop/barrier")
	wantError(t, w, 503, "64 barriers wait already")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	for _, target := range []string{"/healthz", "/readyz", "/v1/links", "/v1/links/shop/parked", "/"} {
		if w := get(target); w.Code != 200 {
			t.Errorf("%s while barriers wait: %d %s", target, w.Code, w.Body)
		}
	}
	end()
	f.barrier = func(context.Context) error { return nil }
	if w := get("/v1/links/shop/barrier"); w.Code != 200 {
		t.Errorf("a barrier afterwards: %d", w.Code)
	}
}

// One request more than is answered at a time is sent away, and let in once another has ended.
// /healthz is always answered.
func TestTooManyRequests(t *testing.T) {
	f := newFake()
	asked, goOn := make(chan struct{}), make(chan struct{})
	f.parking = func() { asked <- struct{}{}; <-goOn }
	handler := NewServer(f, tokens("", ""), hclog.NewNullLogger()).Handler()
	done := make(chan int)
	get := func(target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, shown("GET", target, ""))
		return w
	}
	for range maxRequests {
		go func() { done <- get("/v1/links/shop/parked").Code }()
		<-asked
	}
	w := get("/v1/links")
	wantError(t, w, 503, "64 requests are being answered already")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	for _, target := range []string{"/healthz", "/v1/links/shop/barrier"} {
		if w := get(target); w.Code != 200 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	goOn <- struct{}{}
	if code := <-done; code != 200 {
		t.Errorf("a request: %d", code)
	}
	if w := get("/v1/links"); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
	close(goOn)
	for range maxRequests - 1 {
		if code := <-done; code != 200 {
			t.Errorf("a request: %d", code)
		}
	}
}

// Every request that changes something, or would have, is one line of the audit; others are none.
func TestAudit(t *testing.T) {
	const parked = "/v1/links/shop/parked/1/"
	for _, c := range []struct {
		method, target, token, body string
		err                         error
		want                        map[string]any // nil: no line
	}{
		{"GET", "/v1/links", "wrong", "", nil, nil},
		{"HEAD", "/v1/links", operateToken, "", nil, nil},
		{"POST", "/v1/reload", operateToken, "", nil, map[string]any{"token": "operate", "outcome": "done", "status": 200.0, "path": "/v1/reload"}},
		{"POST", "/v1/reload", readToken, "", nil, map[string]any{"token": "read", "outcome": "refused", "status": 403.0}},
		{"POST", "/v1/reload", "wrong", "", nil, map[string]any{"token": "wrong", "outcome": "refused", "status": 401.0}},
		{"POST", "/v1/reload", "", "", nil, map[string]any{"token": "none", "outcome": "refused", "status": 401.0, "from": "192.0.2.1:1234"}},
		{"POST", "/nowhere%0Aname=x", operateToken, "", nil, map[string]any{"outcome": "refused", "status": 404.0, "path": "/nowhere%0Aname=x"}},
		{"BREW", "/v1/links", operateToken, "", nil, map[string]any{"method": "BREW", "outcome": "refused", "status": 405.0}},
		{"POST", "/v1/links/shop/tables/t/pause", operateToken, `{"reason":"migration"}`, nil,
			map[string]any{"link": "shop", "reason": "migration", "outcome": "done", "method": "POST"}},
		{"POST", "/v1/links/shop/tables/t/resync", operateToken, `{"by":"left"}`, fmt.Errorf("the disk is full"),
			map[string]any{"link": "shop", "by": "left", "outcome": "failed", "status": 500.0}},
		{"POST", "/v1/links/ship/tables/t/resume", operateToken, "", nil, map[string]any{"link": "ship", "outcome": "refused", "status": 404.0}},
		{"POST", parked + "resolve", operateToken, `{"row":{"name":"CANARY"}}`, nil, map[string]any{"take": "a row", "rows": 1.0, "outcome": "done"}},
		{"POST", parked + "resolve", operateToken, `{"row":{"name":"CANARY"}}`, &RefusedError{"name CANARY is too long"}, map[string]any{"outcome": "refused", "status": 422.0}},
		{"POST", "/v1/links/shop/conflicts/left/7/revert", operateToken, "", nil, map[string]any{"take": "what lost", "outcome": "done"}},
		{"POST", "/v1/links/shop/verify", operateToken, `{"tables":["t"],"repair":true,"by":"left"}`, nil,
			map[string]any{"tables": "t", "repair": true, "by": "left", "job": "7", "status": 202.0}},
	} {
		var out bytes.Buffer
		settings := tokens(readToken, operateToken)
		settings.Audit = hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true, Name: "audit"})
		r := shown(c.method, c.target, c.token)
		if c.body != "" {
			r = withBody(r, c.body)
		}
		f := newFake()
		f.err = c.err
		serveWith(f, settings, r)
		if strings.Contains(out.String(), "CANARY") {
			t.Errorf("%s %s: a secret or a value is in the audit: %s", c.method, c.target, &out)
		}
		lines := slices.Collect(strings.Lines(out.String()))
		if c.want == nil {
			if len(lines) > 0 {
				t.Errorf("%s %s: %s", c.method, c.target, &out)
			}
			continue
		}
		var line map[string]any
		if len(lines) != 1 || json.Unmarshal([]byte(lines[0]), &line) != nil || line["@module"] != "audit" || line["@level"] != "info" {
			t.Errorf("%s %s: not one line of the audit: %q", c.method, c.target, lines)
		}
		for key, want := range c.want {
			if line[key] != want {
				t.Errorf("%s %s: %s is %v, want %v: %s", c.method, c.target, key, line[key], want, &out)
			}
		}
	}
}

// A request that a page of another origin, or a name of the web, brings is on record, too.
func TestAuditOfWhatIsRefusedFirst(t *testing.T) {
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "evil.example" },
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		var out bytes.Buffer
		settings := tokens("", "")
		settings.Audit = hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true})
		r := shown("POST", "/v1/reload", "")
		change(r)
		if w := serveWith(newFake(), settings, r); w.Code != 403 || !strings.Contains(out.String(), `"outcome":"refused"`) {
			t.Errorf("%d: %s", w.Code, &out)
		}
	}
}

func withBody(r *http.Request, body string) *http.Request {
	with := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
	with.Host, with.Header = r.Host, r.Header
	with.Header.Set("Content-Type", "application/json")
	return with
}
