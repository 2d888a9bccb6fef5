package admin

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/openapi"
)

// requestsOf has a request that is answered as it should be, of each operation that needs more than its path.
var requestsOf = map[string]struct{ target, body string }{
	"GET /v1/links/{link}":                               {"/v1/links/shop", ""},
	"POST /v1/links/{link}/pause":                        {"/v1/links/shop/pause", `{"reason":"moving"}`},
	"POST /v1/links/{link}/resume":                       {"/v1/links/shop/resume", `{}`},
	"GET /v1/links/{link}/barrier":                       {"/v1/links/shop/barrier?wait=1s", ""},
	"GET /v1/links/{link}/changes":                       {"/v1/links/shop/changes?table=t&table=t", ""},
	"GET /v1/links/{link}/tables":                        {"/v1/links/shop/tables", ""},
	"GET /v1/links/{link}/tables/{table}":                {"/v1/links/shop/tables/t", ""},
	"POST /v1/links/{link}/tables/{table}/pause":         {"/v1/links/shop/tables/t/pause", `{"reason":"moving"}`},
	"POST /v1/links/{link}/tables/{table}/resume":        {"/v1/links/shop/tables/t/resume", ``},
	"POST /v1/links/{link}/tables/{table}/resync":        {"/v1/links/shop/tables/t/resync", `{"by":"left"}`},
	"GET /v1/links/{link}/parked":                        {"/v1/links/shop/parked", ""},
	"POST /v1/links/{link}/parked/retry":                 {"/v1/links/shop/parked/retry", ""},
	"POST /v1/links/{link}/parked/{id}/retry":            {"/v1/links/shop/parked/7/retry", ""},
	"POST /v1/links/{link}/parked/{id}/discard":          {"/v1/links/shop/parked/7/discard", ""},
	"POST /v1/links/{link}/parked/{id}/resolve":          {"/v1/links/shop/parked/7/resolve", `{"row":{"id":1,"at":null,"raw":{"bytes":"AA=="}}}`},
	"GET /v1/links/{link}/conflicts":                     {"/v1/links/shop/conflicts?limit=5", ""},
	"POST /v1/links/{link}/conflicts/{side}/{id}/revert": {"/v1/links/shop/conflicts/left/7/revert", `{"take":"left"}`},
	"POST /v1/links/{link}/conflicts/replay":             {"/v1/links/shop/conflicts/replay", `{"policy":"merge","deletes":"delete_wins","limit":3}`},
	"GET /v1/links/{link}/shadow":                        {"/v1/links/shop/shadow", ""},
	"POST /v1/links/{link}/verify":                       {"/v1/links/shop/verify", `{"tables":["t"],"repair":true,"by":"left","values":true}`},
	"GET /v1/jobs/{job}":                                 {"/v1/jobs/6", ""},
	"DELETE /v1/jobs/{job}":                              {"/v1/jobs/6", ""},
	"GET /v1/log":                                        {"/v1/log?limit=2", ""},
	"PUT /v1/log-level":                                  {"/v1/log-level", `{"level":"debug"}`},
}

// newFullFake is an instance on which everything has happened, so that every field is there.
func newFullFake() *fake {
	f := newFake()
	at := time.Unix(1, 500).UTC()
	row := Row{Columns: []string{"id", "raw", "x"}, Values: change.Row{change.Int(1), change.BytesValue([]byte{0}), change.Float(1)}}
	f.links[0].Error, f.links[0].Stalled, f.links[0].Breaker, f.links[0].Paused = "e", "s", "b", "p"
	f.links[0].Left.LagBytes, f.links[0].Left.Amplification = new(uint64), new(float64)
	f.links[0].ByPolicy = []PolicyConflicts{{Policy: "latest", Conflicts: 7}}
	f.links[0].Tables = []Table{
		{Name: "t", Stage: "contact", Pass: "left", Contact: &Contact{Rows: 1, Total: 2, RowsPerSecond: 0.5, SecondsLeft: 2}, Reason: "r"},
		{Name: "u", Stage: stagePaused},
	}
	c := certificate()
	c.Started, c.Ended = at, at
	c.Tables[0].Differences = append(c.Tables[0].Differences, Difference{Key: row, What: "left only", Left: &row, Right: &Row{}, Note: "n"})
	c.Tables[0].Paused, c.Tables[0].Why = "p", "w"
	f.jobs = []Job{{ID: "6", Kind: "verify", Link: "shop", State: JobDone, Started: at, Ended: &at, Result: c,
		Progress: &JobProgress{Table: "t", Tables: 1}}, {ID: "5", Kind: "verify", Link: "shop", State: JobFailed, Error: "e", Started: at}}
	conflict := Conflict{HiddenDiffer: []string{"raw"}, ID: 7, Side: "left", Table: "t", Key: row, Base: &row, Left: row, Right: Row{}, Result: row, Winner: "given", Policy: "p",
		LeftPosition: "m1:7", RightPosition: "m1:8", LeftTime: &at, RightTime: &at, Decided: at}
	f.conflicts = []Conflict{conflict}
	f.rows = []Parked{{HiddenDiffer: []string{"raw"}, ID: "7", Table: "t", Key: row, Left: &row, Right: &Row{}, Reason: "r", Since: at, Retry: &at}}
	f.replay = Replay{Conflicts: 7, Examples: []ReplayExample{{Conflict: conflict, Would: &row}, {Conflict: conflict}}}
	f.stream = newFakeStream()
	f.stream.lost = 3
	return f
}

// TestEveryAnswerIsAsDescribed has a running server give every answer that the document describes, of
// every route that there is, and checks each against its schema.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	d, err := openapi.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range NewServer(newFake(), Settings{}, hclog.NewNullLogger()).routes() {
		method, path := documented(x)
		w := &walker{t: t, document: d, method: method, path: path, target: cmp.Or(requestsOf[method+" "+path].target, strings.TrimSuffix(x.path, "{$}")),
			body: requestsOf[method+" "+path].body, operation: operations[method+" "+path]}
		w.all(&x)
	}
	if unseen := d.Unseen(); len(unseen) > 0 {
		t.Errorf("these answers are described and were never given:\n%s", strings.Join(unseen, "\n"))
	}
}

// walker asks for one operation.
type walker struct {
	t                          *testing.T
	document                   *openapi.Document
	method, path, target, body string
	operation                  described
	f                          *fake
	server                     *Server
	http                       *httptest.Server
}

// all provokes every answer that the operation may give.
func (w *walker) all(x *route) {
	w.t.Helper()
	if err := w.document.Request(w.method, w.target, []byte(w.body)); err != nil {
		w.t.Error(err)
	}
	healthy := func(f *fake) {
		if w.path == "/readyz" {
			f.links[0].Stalled, f.links[0].Breaker = "", ""
		}
	}
	w.with(healthy, func() { w.ask(w.operation.status, w.target, w.body) })
	for _, status := range (&maker{t: w.t}).errors(x, w.path, &w.operation) {
		w.provoke(status)
	}
	if w.path == "/readyz" { // and for a reason of its own
		w.with(func(f *fake) { f.links[0].State = "stopped" }, func() { w.ask(503, w.target, "") })
	}
}

// provoke has the operation fail in one way.
func (w *walker) provoke(status int) {
	failing := map[int]error{409: ErrStopped, 422: &RefusedError{"no"}, 500: errors.New("the disk is full"), 503: context.DeadlineExceeded, 504: context.DeadlineExceeded}
	fail := func(f *fake) {
		f.err = failing[status]
		f.barrier = func(context.Context) error { return failing[status] }
	}
	switch status {
	case 400:
		if w.operation.body != nil {
			w.with(nil, func() { w.ask(400, w.target, `{"nonsense`) })
			w.with(nil, func() { w.ask(400, w.target, `{"nonsense": 1}`) })
			return
		}
		name := w.operation.query[0].name
		w.with(nil, func() { w.ask(400, strings.Split(w.target, "?")[0]+"?"+name+"=x", "") })
	case 401:
		w.with(nil, func() { w.ask(401, w.target, w.body, "Authorization: ") })
	case 403:
		w.with(nil, func() { w.ask(403, w.target, w.body, "Host: evil.example") })
		if w.method != "GET" {
			w.with(nil, func() { w.ask(403, w.target, w.body, "Authorization: Bearer "+readToken) })
		}
	case 404:
		target := strings.NewReplacer("/shop", "/ship", "jobs/6", "jobs/60").Replace(w.target)
		w.with(nil, func() { w.ask(404, target, w.body) })
	case 413:
		w.with(nil, func() { w.ask(413, w.target, `{"x":"`+strings.Repeat("x", maxBody)+`"}`) })
	case 415:
		w.with(nil, func() { w.ask(415, w.target, `{}`, "Content-Type: text/plain") })
	case 429:
		w.with(nil, func() {
			for range maxGuesses {
				w.ask(401, w.target, w.body, "Authorization: Bearer wrong")
			}
			w.ask(429, w.target, w.body, "Authorization: Bearer wrong")
		})
	case 422:
		if w.path == "/v1/log-level" {
			w.with(nil, func() { w.ask(422, w.target, `{"level":"loud"}`) })
			return
		}
		w.with(fail, func() { w.ask(422, w.target, w.body) })
	case 503:
		w.with(nil, func() {
			for _, r := range []*room{&w.server.requests, &w.server.waiting, &w.server.streams} {
				for range cap(r.slots) {
					r.slots <- struct{}{}
				}
			}
			w.ask(503, w.target, w.body)
		})
	default:
		w.with(fail, func() { w.ask(status, w.target, w.body) })
	}
}

// with runs do with a server of an instance that was prepared.
func (w *walker) with(prepare func(*fake), do func()) {
	w.t.Helper()
	w.f = newFullFake()
	if prepare != nil {
		prepare(w.f)
	}
	w.server = NewServer(w.f, tokens(readToken, operateToken), hclog.NewNullLogger())
	w.http = httptest.NewServer(w.server.Handler())
	defer w.http.Close()
	do()
}

// ask sends a request with the operate token, unless headers say otherwise, and checks the answer.
func (w *walker) ask(status int, target, body string, headers ...string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), w.method, w.http.URL+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operateToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	if strings.HasSuffix(w.path, "/changes") && status == 200 {
		go func() {
			w.f.stream.news <- []Change{sample(), {Kind: KindAltered, Table: "t", Side: "left", Origin: "local", Position: "1", Reason: "r"}}
			close(w.f.stream.news)
		}()
	}
	answer, err := w.http.Client().Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", w.method, target, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if answer.StatusCode != status {
		w.t.Errorf("%s %s: %s, want %d: %.300s", w.method, target, answer.Status, status, text)
	}
	// What is not found at all is answered by another route.
	if err := w.document.Answer(w.method, target, answer.StatusCode, answer.Header.Get("Content-Type"), text); err != nil {
		w.t.Error(err)
	}
}
