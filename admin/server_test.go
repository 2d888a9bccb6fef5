package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/cdcsync/cdcsync/change"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is an Instance with two links, shop and stock.
type fake struct {
	links   []Link
	barrier func(ctx context.Context) error
	parking func() // while parked rows are listed
	stream  *fakeStream
	each    func() *fakeStream // nil: all get stream
	// What is listed, where it is not what it always is.
	conflicts []Conflict
	rows      []Parked
	replay    Replay
	err       error
	limit     int
	did       []string // what was asked of tables
	// See jobs_test.go.
	requests []VerifyRequest
	jobs     []Job
	asked    int
}

func (f *fake) PauseTable(_ context.Context, link, table, reason string) error {
	f.did = append(f.did, "pause "+link+" "+table+" "+reason)
	return f.err
}

func (f *fake) PauseLink(_ context.Context, link, reason string) error {
	f.did = append(f.did, "pause "+link+" "+reason)
	return f.err
}

func (f *fake) ResumeLink(_ context.Context, link string) error {
	f.did = append(f.did, "resume "+link)
	return f.err
}

func (f *fake) ResolveParked(_ context.Context, link, id, take string, row *Row) error {
	what := take
	if row != nil {
		what = row.String()
	}
	f.did = append(f.did, "resolve "+link+" "+id+" "+what)
	return f.err
}

func (f *fake) RetryParked(_ context.Context, link, id string) (int, error) {
	f.did = append(f.did, "retry "+link+" "+id)
	return 3, f.err
}

func (f *fake) DiscardParked(_ context.Context, link, id string) error {
	f.did = append(f.did, "discard "+link+" "+id)
	return f.err
}

func (f *fake) RevertConflict(_ context.Context, link, side string, id int64, take string) error {
	f.did = append(f.did, fmt.Sprint("revert ", link, " ", side, " ", id, " ", take))
	return f.err
}

func (f *fake) ReplayConflicts(_ context.Context, link string, q ReplayRequest) (Replay, error) {
	f.did = append(f.did, fmt.Sprint("replay ", link, " ", q.Policy, " ", q.Deletes, " ", q.Limit))
	if f.replay.Conflicts > 0 {
		return f.replay, f.err
	}
	return Replay{Conflicts: 7, Different: 3}, f.err
}

func (f *fake) Shadowed(context.Context, string) ([]Shadowed, error) {
	return []Shadowed{{Table: "t", Side: "right", Key: Row{Columns: []string{"id"}, Values: change.Row{change.Int(1)}}, At: time.Unix(0, 0).UTC()}}, f.err
}

func (f *fake) Reload(context.Context) error {
	f.did = append(f.did, "reload")
	return f.err
}

func (f *fake) ResumeTable(_ context.Context, link, table string) error {
	f.did = append(f.did, "resume "+link+" "+table)
	return f.err
}

func (f *fake) ResyncTable(_ context.Context, link, table, by string) error {
	f.did = append(f.did, "resync "+link+" "+table+" "+by)
	return f.err
}

func newFake() *fake {
	link := func(name string) Link {
		return Link{Name: name, Direction: "both", State: "running", Since: time.Unix(0, 0).UTC(),
			Left: Side{Store: "a", Engine: "sqlite", Position: "s1:x:1", Epoch: 2}, Tables: []Table{{Name: "t", Stage: "live"}}}
	}
	return &fake{
		links:   []Link{link("shop"), link("stock")},
		barrier: func(context.Context) error { return nil },
		parking: func() {},
	}
}

func (f *fake) Links() []Link { return f.links }

func (f *fake) Conflicts(_ context.Context, link string, limit int) ([]Conflict, error) {
	f.limit = limit
	if f.conflicts != nil {
		return f.conflicts, f.err
	}
	if link != "shop" {
		return nil, f.err
	}
	row := Row{Columns: []string{"id", "name"}, Values: change.Row{change.Int(1), change.TextValue("a")}}
	return []Conflict{{
		ID: 7, Side: "right", Table: "t", Key: Row{Columns: []string{"id"}, Values: change.Row{change.Int(1)}},
		Left: row, Result: row, Winner: "left", Policy: "latest", Decided: time.Unix(0, 0).UTC(),
	}}, f.err
}

func (f *fake) Parked(context.Context, string) ([]Parked, error) {
	f.parking()
	if f.rows != nil {
		return f.rows, f.err
	}
	return []Parked{{Table: "t", Key: Row{Columns: []string{"id"}, Values: change.Row{change.Int(1)}},
		Left: &Row{}, Reason: "unique", Since: time.Unix(0, 0).UTC()}}, f.err
}

func (f *fake) Barrier(ctx context.Context, _ string) error { return f.barrier(ctx) }

// ask sends one request to the API of f and returns the status and the body.
func ask(t *testing.T, f *fake, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8480"
	return send(f, r)
}

func send(f *fake, r *http.Request) *httptest.ResponseRecorder {
	return serveWith(f, Settings{Listen: "127.0.0.1:8480"}, r)
}

func serveWith(f *fake, settings Settings, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	NewServer(f, settings, hclog.NewNullLogger()).Handler().ServeHTTP(w, r)
	return w
}

// wantError checks that an answer is an error that says part.
func wantError(t *testing.T, w *httptest.ResponseRecorder, status int, part string) {
	t.Helper()
	var body map[string]string
	err := json.Unmarshal(w.Body.Bytes(), &body)
	if w.Code != status || err != nil || len(body) != 1 || !strings.Contains(body["error"], part) {
		t.Errorf("got %d %s (%v), want %d and an error with %q", w.Code, w.Body, err, status, part)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

func TestAnswers(t *testing.T) {
	side := `{"store":"","engine":"","position":"","epoch":0,"behind":0,"lag_seconds":0,"pending":0,"counters":` + zeroCounters + `}`
	left := `{"store":"a","engine":"sqlite","position":"s1:x:1","epoch":2,"behind":0,"lag_seconds":0,"pending":0,"counters":` + zeroCounters + `}`
	link := func(name string) string {
		return `{"name":"` + name + `","direction":"both","state":"running","since":"1970-01-01T00:00:00Z","left":` + left + `,"right":` + side +
			`,"unsettled":0,"bytes":0,"parked":0,"conflicts":0,"compared":0,"tables":[{"name":"t","stage":"live","compared":0,"differ":0,"parked":0,"waiting":0,"ignored":0}]}`
	}
	for target, want := range map[string]string{
		"/healthz":       `{"status":"ok"}`,
		"/readyz":        `{"ready":true}`,
		"/v1/links":      `{"links":[` + link("shop") + `,` + link("stock") + `]}`,
		"/v1/links/shop": link("shop"),
		"/v1/links/shop/conflicts": `{"conflicts":[{"id":7,"side":"right","table":"t","key":{"id":1},"left":{"id":1,"name":"a"},"right":null,` +
			`"result":{"id":1,"name":"a"},"winner":"left","policy":"latest","decided":"1970-01-01T00:00:00Z"}]}`,
		"/v1/links/stock/conflicts": `{"conflicts":[]}`,
		"/v1/links/shop/parked":     `{"parked":[{"id":"","table":"t","key":{"id":1},"left":null,"reason":"unique","since":"1970-01-01T00:00:00Z"}]}`,
	} {
		w := ask(t, newFake(), "GET", target)
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d\n got %s\nwant %s", target, w.Code, got, want)
		}
		if head := ask(t, newFake(), "HEAD", target); head.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", target, head.Code)
		}
	}
}

const zeroCounters = `{"changes":0,"echoed":0,"effects":0,"applied":0,"batches":0,"split":0,"differs":0,"refused":0,"looks":0,"drift":0,"retries":0,"repeated":0}`

// Ready is what every link in contact or running is; the reasons name the others.
func TestReady(t *testing.T) {
	for state, want := range map[string]int{
		"running": 200, "contact": 200, "starting": 503, "recovering": 503, "stopped": 503, "": 503,
	} {
		f := newFake()
		f.links[1].State, f.links[1].Error = state, "the disk is full"
		w := ask(t, f, "GET", "/readyz")
		var body readyBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		reasons := []string{"link stock is " + state + ": the disk is full"}
		if want == 200 {
			reasons = nil
		}
		if w.Code != want || body.Ready != (want == 200) || !slices.Equal(body.Reasons, reasons) {
			t.Errorf("%q: %d %s", state, w.Code, w.Body)
		}
	}
}

func TestBarrier(t *testing.T) {
	f := newFake()
	var left time.Duration
	f.barrier = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}
	for target, want := range map[string]time.Duration{"": 10 * time.Second, "?wait=5m": 5 * time.Minute, "?wait=1500ms": 1500 * time.Millisecond} {
		w := ask(t, f, "GET", "/v1/links/shop/barrier"+target)
		var body barrierBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 || !body.Settled || body.Link != "shop" {
			t.Errorf("%q: %d %s", target, w.Code, w.Body)
		}
		if left > want || left < want-time.Second {
			t.Errorf("%q: waits for %s, want %s", target, left, want)
		}
	}
	f.links[0].Parked = 2
	f.links[0].Tables = append(f.links[0].Tables, Table{Name: "orders", Stage: "paused"})
	if w := ask(t, f, "GET", "/v1/links/shop/barrier"); !strings.Contains(w.Body.String(), `"parked":2,"paused":["orders"]`) {
		t.Errorf("what was not waited for is not said: %s", w.Body)
	}
	for _, wait := range []string{"x", "10", "-1s", "0s", "5m1s", "1e9s", "%00", "9999999999999h"} {
		wantError(t, ask(t, f, "GET", "/v1/links/shop/barrier?wait="+wait), 400, "up to 5m0s")
	}
	f.barrier = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	wantError(t, ask(t, f, "GET", "/v1/links/shop/barrier?wait=1ms"), 504, "not in both stores after 1ms")
	f.barrier = func(context.Context) error { return fmt.Errorf("ask: %w", ErrStopped) }
	wantError(t, ask(t, f, "GET", "/v1/links/shop/barrier"), 409, "stopped")
	f.barrier = func(context.Context) error { return errors.New("the disk is gone") }
	wantError(t, ask(t, f, "GET", "/v1/links/shop/barrier"), 500, "the disk is gone")
}

func TestRefused(t *testing.T) {
	for _, target := range []string{"/v1/links/ship", "/v1/links/ship/conflicts", "/v1/links/ship/parked", "/v1/links/ship/barrier"} {
		wantError(t, ask(t, newFake(), "GET", target), 404, `no link "ship"; there are: shop, stock`)
	}
	for _, target := range []string{"/v1", "/v2/links", "/v1/links/shop/more", "/metrics/", "/debug/pprof/"} {
		wantError(t, ask(t, newFake(), "GET", target), 404, "there is nothing at")
	}
	for _, limit := range []string{"0", "-1", "x", "10001", "1.5", "99999999999999999999"} {
		wantError(t, ask(t, newFake(), "GET", "/v1/links/shop/conflicts?limit="+limit), 400, "from 1 to 10000")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		w := ask(t, newFake(), method, "/v1/links")
		wantError(t, w, 405, "allowed: GET, HEAD")
		if got := w.Header().Get("Allow"); got != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, got)
		}
	}
	r := httptest.NewRequest("GET", "/v1/links", strings.NewReader("{}"))
	r.Host = "localhost"
	wantError(t, send(newFake(), r), 413, "no body")
	f := newFake()
	f.err = errors.New("the disk is gone")
	wantError(t, ask(t, f, "GET", "/v1/links/shop/conflicts"), 500, "the disk is gone")
	f.err = context.DeadlineExceeded
	wantError(t, ask(t, f, "GET", "/v1/links/shop/parked"), 503, "does not answer")
	f.err = ErrStopped
	wantError(t, ask(t, f, "GET", "/v1/links/shop/parked"), 409, "stopped")
}

func TestLimitOfConflicts(t *testing.T) {
	f := newFake()
	for query, want := range map[string]int{"": 100, "?limit=1": 1, "?limit=10000": 10000} {
		ask(t, f, "GET", "/v1/links/shop/conflicts"+query)
		if f.limit != want {
			t.Errorf("%q: %d, want %d", query, f.limit, want)
		}
	}
}

// A name of the web that leads to this machine is not let in.
func TestHost(t *testing.T) {
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8480": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "127.0.0.1:8480": 200, "[::1]:8480": 200, "[::1]": 200,
		"127.0.0.2:8480": 403, "evil.example": 403, "evil.example:8480": 403, "localhost.evil.example": 403, "": 403, "127.0.0.1.evil.example": 403,
	} {
		r := httptest.NewRequest("GET", "/healthz", nil)
		r.Host = host
		if w := send(newFake(), r); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
	r := httptest.NewRequest("GET", "/healthz", nil)
	r.Host = "127.0.0.2:8480"
	w := httptest.NewRecorder()
	NewServer(newFake(), Settings{Listen: "127.0.0.2:8480"}, hclog.NewNullLogger()).Handler().ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("the address that it listens on: %d", w.Code)
	}
}

// serve runs a server on a free port until the test ends, and returns its address.
func serve(t *testing.T, f *fake) string {
	t.Helper()
	address := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(f, Settings{Listen: address}, hclog.NewNullLogger()).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	client := newClient(t, address)
	for {
		if _, err := client.Links(t.Context()); err == nil {
			return address
		} else if !errors.Is(err, ErrNobody) {
			t.Fatal(err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newClient(t *testing.T, address string) *Client {
	t.Helper()
	c, err := NewClient(address, Access{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requests that are no proper HTTP, or too large, get an answer or a closed connection, and
// the server goes on.
func TestMalformedRequests(t *testing.T) {
	address := serve(t, newFake())
	for name, raw := range map[string]string{
		"no http":        "hello\r\n\r\n",
		"no host":        "GET /healthz HTTP/1.1\r\n\r\n",
		"two hosts":      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
		"long path":      "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"long header":    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
		"many headers":   "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\n",
		"bad path":       "GET /v1/links/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"bad length":     "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"smuggled":       "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a body":         "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nsurprise!",
		"chunks":         "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"nul":            "GET /v1/links/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"absolute":       "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"large post":     "POST /v1/links HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n{",
		"method unknown": "BREW /v1/links HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go io.WriteString(conn, raw) // the server may close before it is all written
			answer, _ := io.ReadAll(io.LimitReader(conn, 16))
			if !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
				t.Errorf("got %q, want a refusal", answer)
			}
		})
	}
	if _, err := newClient(t, address).Links(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// An address that another instance still has is waited for, and had once that is gone.
func TestTakeOver(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	told := &lines{all: make(chan string, 10)}
	log := hclog.New(&hclog.LoggerOptions{Output: told, Level: hclog.Info})
	go func() { done <- NewServer(newFake(), Settings{Listen: taken.Addr().String()}, log).Run(ctx) }()
	if line := <-told.all; !strings.Contains(line, "is taken") {
		t.Errorf("first it said %q", line)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if line := <-told.all; !strings.Contains(line, "serving") {
		t.Errorf("then it said %q", line)
	}
	if _, err := newClient(t, taken.Addr().String()).Links(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type lines struct{ all chan string }

func (l *lines) Write(b []byte) (int, error) {
	l.all <- string(b)
	return len(b), nil
}

// Stopping ends barriers that wait.
func TestStopEndsBarriers(t *testing.T) {
	f := newFake()
	waiting := make(chan struct{})
	f.barrier = func(ctx context.Context) error { close(waiting); <-ctx.Done(); return ctx.Err() }
	address := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(f, Settings{Listen: address}, hclog.NewNullLogger()).Run(ctx) }()
	client := newClient(t, address)
	for errors.Is(errOf(client.Links(t.Context())), ErrNobody) {
	}
	asked := make(chan error, 1)
	go func() { asked <- client.Barrier(context.Background(), "shop", time.Minute) }()
	<-waiting
	cancel()
	if err := <-asked; err == nil || !strings.Contains(err.Error(), "does not answer now") {
		t.Errorf("the barrier got %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestNotLoopback(t *testing.T) {
	err := NewServer(newFake(), Settings{Listen: "0.0.0.0:0"}, hclog.NewNullLogger()).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
	if err := NewServer(newFake(), Settings{Listen: "127.0.0.1:99999"}, hclog.NewNullLogger()).Run(t.Context()); err == nil {
		t.Error("a port that does not exist is listened on")
	}
}

func TestClient(t *testing.T) {
	client := newClient(t, serve(t, newFake()))
	links, err := client.Links(t.Context())
	if err != nil || len(links) != 2 || links[0].Left.Position != "s1:x:1" {
		t.Errorf("links: %+v, %v", links, err)
	}
	conflicts, err := client.Conflicts(t.Context(), "shop", 3)
	if err != nil || len(conflicts) != 1 || conflicts[0].Left.String() != "id=1 name=a" || conflicts[0].Right.String() != "absent" || conflicts[0].Base != nil {
		t.Errorf("conflicts: %+v, %v", conflicts, err)
	}
	parked, err := client.Parked(t.Context(), "shop")
	if err != nil || len(parked) != 1 || parked[0].Key.String() != "id=1" {
		t.Errorf("parked: %+v, %v", parked, err)
	}
	if err := client.Barrier(t.Context(), "shop", time.Second); err != nil {
		t.Error(err)
	}
	if _, err := client.Conflicts(t.Context(), "a/b?c", 3); err == nil || !strings.Contains(err.Error(), `no link "a/b?c"`) {
		t.Errorf("unknown link: %v", err)
	}
	for _, bad := range []string{"", "ftp://localhost:1", "http://", "localhost:1:2:3/%zz"} {
		if _, err := NewClient(bad, Access{}); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }))
	defer other.Close()
	if _, err := newClient(t, other.URL).Links(t.Context()); err == nil || !strings.Contains(err.Error(), "not cdcsync") {
		t.Errorf("another program: %v", err)
	}
	if _, err := newClient(t, freeAddress(t)).Links(t.Context()); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody: %v", err)
	}
}
