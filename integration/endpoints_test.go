package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/openapi"
)

const endpointLinks = `
link "shop" {
  left  = store.old
  right = store.new
  table "orders" {
    conflict { policy = "manual" }
  }
  table "items" {}
}
link "dark" {
  left   = store.old
  right  = store.new
  shadow = "left_to_right"
  table "notes" {}
}
admin {
  listen        = %q
  read_token    = file("read.token")
  operate_token = file("operate.token")
}
`

const (
	endpointRead    = "the-token-that-reads"
	endpointOperate = "the-token-that-operates"
)

// endpoints is a running instance that is asked for everything, and the document that it serves.
type endpoints struct {
	*schemaShop
	document *openapi.Document
}

// TestEveryEndpoint has the built binary answer every operation that it describes, well and badly, and
// checks each answer against that description.
func TestEveryEndpoint(t *testing.T) {
	e := newEndpoints(t)
	parked := e.conflicts()
	good := []struct{ method, target, body string }{
		{"GET", "/healthz", ""},
		{"GET", "/readyz", ""},
		{"GET", "/metrics", ""},
		{"GET", "/openapi.json", ""},
		{"GET", "/", ""},
		{"GET", "/console/script.js", ""},
		{"GET", "/v1/links", ""},
		{"GET", "/v1/links/shop", ""},
		{"GET", "/v1/links/shop/tables", ""},
		{"GET", "/v1/links/shop/tables/orders", ""},
		{"GET", "/v1/links/shop/conflicts?limit=10", ""},
		{"GET", "/v1/links/shop/parked", ""},
		{"GET", "/v1/links/dark/shadow", ""},
		{"GET", "/v1/log?limit=50", ""},
		{"GET", "/v1/log-level", ""},
		{"PUT", "/v1/log-level", `{"level": "debug"}`},
		{"POST", "/v1/links/shop/parked/" + parked[0] + "/resolve", `{"row": {"id": 1, "qty": 15}}`},
		{"POST", "/v1/links/shop/parked/" + parked[1] + "/retry", ""},
		{"POST", "/v1/links/shop/parked/retry", ""},
		{"POST", "/v1/links/shop/parked/" + parked[1] + "/discard", "{}"},
		{"POST", "/v1/links/shop/conflicts/left/1/revert", `{"take": "left"}`},
		{"POST", "/v1/links/shop/conflicts/replay", `{"policy": "left"}`},
		{"POST", "/v1/links/shop/tables/items/pause", `{"reason": "lunch"}`},
		{"POST", "/v1/links/shop/tables/items/resume", ""},
		{"POST", "/v1/links/shop/tables/items/resync", `{"by": "right"}`},
		{"GET", "/v1/links/shop/barrier?wait=1m", ""},
		{"POST", "/v1/links/shop/verify", `{"values": true}`},
		{"GET", "/v1/jobs", ""},
		{"GET", "/v1/jobs/1", ""},
		{"DELETE", "/v1/jobs/1", ""},
		{"POST", "/v1/links/shop/pause", `{"reason": "dinner"}`},
		{"POST", "/v1/links/shop/resume", ""},
		{"POST", "/v1/reload", ""},
	}
	e.listen()
	for _, q := range good {
		e.well(q.method, q.target, q.body)
	}
	for _, missing := range e.document.Unseen() {
		if strings.Contains(missing, " 2") {
			t.Errorf("%s was not asked for", missing)
		}
	}
	for _, q := range good {
		e.badly(q.method, q.target)
	}
	e.settledAgain()
	e.guessing()
}

func newEndpoints(t *testing.T) *endpoints {
	t.Helper()
	e := &endpoints{schemaShop: &schemaShop{shop: &shop{t: t, config: t.TempDir() + "/shop.hcl", address: freeAddress(t), sites: [2]site{file(t), file(t)}}}}
	for name, token := range map[string]string{"read.token": endpointRead, "operate.token": endpointOperate} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(e.config), name), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range e.sites {
		e.exec(i, "CREATE TABLE orders (id INTEGER PRIMARY KEY, qty INTEGER)", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)",
			"CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
	}
	e.exec(0, "INSERT INTO orders VALUES (1, 1), (2, 2)", "INSERT INTO items VALUES (1, 'nail')")
	e.writeConfig(endpointLinks)
	e.p = start(t, "run", e.config)
	e.await("/openapi.json")
	_, _, text := e.ask("GET", "/openapi.json", "", endpointRead)
	var err error
	if e.document, err = openapi.Parse(text); err != nil {
		t.Fatal(err)
	}
	e.settledAgain()
	return e
}

// await waits until a path answers 200.
func (e *endpoints) await(path string) {
	e.t.Helper()
	for range 600 {
		if status, _, _ := e.ask("GET", path, "", endpointRead); status == http.StatusOK {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	e.t.Fatalf("%s never answered 200:\n%s", path, e.p.output)
}

func (e *endpoints) settledAgain() {
	e.t.Helper()
	for _, link := range []string{"shop", "dark"} {
		e.await("/v1/links/" + link + "/barrier?wait=1m")
	}
}

// ask sends a request, with more headers, and returns the answer; status 0 if there is none.
func (e *endpoints) ask(method, target, body, token string, headers ...string) (status int, contentType string, text []byte) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+e.address+target, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", nil
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err = io.ReadAll(answer.Body); err != nil {
		e.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), text
}

// conflicts makes two parked rows, whose ids it returns, a conflict that is decided, and a row in shadow.
func (e *endpoints) conflicts() (parked [2]string) {
	e.t.Helper()
	if status, _, text := e.ask("POST", "/v1/links/shop/pause", "", endpointOperate); status != 200 {
		e.t.Fatalf("pause: %d %s", status, text)
	}
	e.exec(0, "UPDATE orders SET qty = 11", "UPDATE items SET name = 'nut'", "INSERT INTO notes VALUES (1, 'in the dark')")
	time.Sleep(5 * time.Millisecond) // the later one wins
	e.exec(1, "UPDATE orders SET qty = 12", "UPDATE items SET name = 'bolt'")
	if status, _, text := e.ask("POST", "/v1/links/shop/resume", "", endpointOperate); status != 200 {
		e.t.Fatalf("resume: %d %s", status, text)
	}
	e.settledAgain()
	var body struct{ Parked []admin.Parked }
	_, _, text := e.ask("GET", "/v1/links/shop/parked", "", endpointRead)
	if err := json.Unmarshal(text, &body); err != nil || len(body.Parked) != 2 {
		e.t.Fatalf("parked: %v %s\n%s", err, text, e.p.output)
	}
	var dark struct{ Shadowed []admin.Shadowed }
	_, _, text = e.ask("GET", "/v1/links/dark/shadow", "", endpointRead)
	if err := json.Unmarshal(text, &dark); err != nil || len(dark.Shadowed) != 1 {
		e.t.Errorf("in shadow: %v %s", err, text)
	}
	return [2]string{body.Parked[0].ID, body.Parked[1].ID}
}

// well asks for what is answered as it should be.
func (e *endpoints) well(method, target, body string) {
	e.t.Helper()
	if err := e.document.Request(method, target, []byte(body)); err != nil {
		e.t.Error(err)
	}
	status, contentType, text := e.ask(method, target, body, endpointOperate)
	if status/100 != 2 {
		e.t.Errorf("%s %s: %d %s", method, target, status, text)
	}
	if err := e.document.Answer(method, target, status, contentType, text); err != nil {
		e.t.Error(err)
	}
}

// badly asks for the same in ways that have to be refused.
func (e *endpoints) badly(method, target string) {
	e.t.Helper()
	refused := func(want int, body, token string, headers ...string) {
		e.t.Helper()
		status, contentType, text := e.ask(method, target, body, token, headers...)
		if status != want {
			e.t.Errorf("%s %s with %.40q, %q and %q: %d %s, want %d", method, target, body, token, headers, status, text, want)
		} else if err := e.document.Answer(method, target, status, contentType, text); err != nil {
			e.t.Error(err)
		}
	}
	large := `{"x": "` + strings.Repeat("x", 100_000) + `"}`
	refused(http.StatusForbidden, "", endpointOperate, "Host: evil.example")
	refused(http.StatusRequestEntityTooLarge, large, endpointOperate)
	if path := strings.Split(target, "?")[0]; path != "/healthz" && path != "/" && !strings.HasPrefix(path, "/console/") {
		refused(http.StatusUnauthorized, "", "")
	}
	switch method {
	case "GET":
		return
	case "DELETE":
	default:
		for _, malformed := range []string{"{", "[]", `"text"`, `{} {}`, `{"nobody knows": 1}`, "\x00", strings.Repeat("[", 10_000), `{"reason": ` + strings.Repeat(`{"a":`, 9_000)} {
			refused(http.StatusBadRequest, malformed, endpointOperate)
		}
		refused(http.StatusUnsupportedMediaType, "{}", endpointOperate, "Content-Type: text/plain")
	}
	refused(http.StatusForbidden, "", endpointRead)
	refused(http.StatusForbidden, "", endpointOperate, "Origin: http://evil.example")
}

// guessing shows wrong tokens, until right ones are not answered either.
func (e *endpoints) guessing() {
	e.t.Helper()
	for range 10 {
		if status, _, _ := e.ask("GET", "/v1/links", "", "a-wrong-token"); status != http.StatusUnauthorized {
			e.t.Errorf("a wrong token: %d", status)
		}
	}
	status, contentType, text := e.ask("POST", "/v1/reload", "", endpointOperate)
	if status != http.StatusTooManyRequests {
		e.t.Errorf("after ten wrong tokens: %d %s", status, text)
	}
	if err := e.document.Answer("POST", "/v1/reload", status, contentType, text); err != nil {
		e.t.Error(err)
	}
}

// listen follows the changes while both sides write.
func (e *endpoints) listen() {
	e.t.Helper()
	const target = "/v1/links/shop/changes"
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+e.address+target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+endpointRead)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	for i := range e.sites {
		e.exec(i, fmt.Sprintf("INSERT INTO items VALUES (%d, 'new')", 10+i))
	}
	text, part := "", make([]byte, 4096)
	missing := func(part string) bool { return !strings.Contains(text, part) }
	wanted := []string{`"side":"left","origin":"local"`, `"side":"right","origin":"echo"`, `"operation":"insert"`, `"after":{"id":10,"name":"new"}`, `"after":{"id":11,"name":"new"}`}
	for slices.ContainsFunc(wanted, missing) || !strings.HasSuffix(text, "\n\n") {
		n, err := answer.Body.Read(part)
		if text += string(part[:n]); err != nil {
			e.t.Fatalf("the stream ended: %v\n%s", err, text)
		}
	}
	if err := e.document.Answer("GET", target, answer.StatusCode, answer.Header.Get("Content-Type"), []byte(text)); err != nil {
		e.t.Error(err)
	}
}
