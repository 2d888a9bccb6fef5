package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/cdcsync/cdcsync/change"
)

// StartVerify begins a job that is done once it was asked for twice.
func (f *fake) StartVerify(link string, request VerifyRequest) (Job, error) {
	if f.err != nil {
		return Job{}, f.err
	}
	f.requests = append(f.requests, request)
	j := Job{ID: "7", Kind: "verify", Link: link, State: JobRunning, Started: time.Unix(0, 0).UTC()}
	f.jobs = append(f.jobs, j)
	return j, nil
}

func (f *fake) Jobs() []Job {
	for i := range f.jobs {
		if f.asked++; f.asked > 2 && f.jobs[i].State == JobRunning {
			f.jobs[i].State, f.jobs[i].Result = JobDone, certificate()
		}
	}
	return f.jobs
}

func (f *fake) CancelJob(id string) bool {
	f.did = append(f.did, "cancel "+id)
	for i := range f.jobs {
		if f.jobs[i].ID == id {
			f.jobs[i].State = JobCanceled
		}
	}
	return true
}

func certificate() *Certificate {
	key := Row{Columns: []string{"id"}, Values: change.Row{change.Int(3)}}
	return &Certificate{Link: "shop", Left: Span{Start: "s1:x:1", End: "s1:x:2"}, Tables: []VerifiedPair{{
		Name: "t", Verdict: "differs", Method: "digests", Different: 1, Kept: map[string]int64{"at": 2},
		Differences: []Difference{{Key: key, What: "differs", Columns: []string{"name"}}},
	}}}
}

func TestVerify(t *testing.T) {
	f := newFake()
	w := post(f, "/v1/links/shop/verify", `{"tables":["t"],"repair":true,"by":"left"}`)
	want := `{"id":"7","kind":"verify","link":"shop","state":"running","started":"1970-01-01T00:00:00Z"}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusAccepted || got != want || w.Header().Get("Location") != "/v1/jobs/7" {
		t.Errorf("got %d %s at %q, want %s", w.Code, got, w.Header().Get("Location"), want)
	}
	if len(f.requests) != 1 || !slices.Equal(f.requests[0].Tables, []string{"t"}) || !f.requests[0].Repair || f.requests[0].By != "left" {
		t.Errorf("asked for %+v", f.requests)
	}
	if got := strings.TrimSpace(ask(t, f, "GET", "/v1/jobs").Body.String()); got != `{"jobs":[`+want+`]}` {
		t.Errorf("the jobs are %s", got)
	}
	ask(t, f, "GET", "/v1/jobs/7")
	done := ask(t, f, "GET", "/v1/jobs/7").Body.String()
	for _, part := range []string{`"state":"done"`, `"equal":false`, `"left":{"start":"s1:x:1","end":"s1:x:2"}`, `"kept":{"at":2}`,
		`"differences":[{"key":{"id":3},"what":"differs","columns":["name"]}]`} {
		if !strings.Contains(done, part) {
			t.Errorf("%s is not in %s", part, done)
		}
	}
	if got := strings.TrimSpace(ask(t, newFake(), "GET", "/v1/jobs").Body.String()); got != `{"jobs":[]}` {
		t.Errorf("no jobs are %s", got)
	}
}

func TestCancelJob(t *testing.T) {
	f := newFake()
	post(f, "/v1/links/shop/verify", "")
	if w := ask(t, f, "DELETE", "/v1/jobs/7"); w.Code != http.StatusAccepted || !slices.Equal(f.did, []string{"cancel 7"}) {
		t.Errorf("got %d %s, did %q", w.Code, w.Body, f.did)
	}
	wantError(t, ask(t, f, "DELETE", "/v1/jobs/8"), 404, `there is no job "8"`)
	wantError(t, ask(t, f, "GET", "/v1/jobs/8"), 404, `there is no job "8"`)
	wantError(t, ask(t, f, "DELETE", "/v1/jobs"), 405, "DELETE is not allowed here")
}

func TestVerifyRefused(t *testing.T) {
	const path = "/v1/links/shop/verify"
	for name, c := range map[string]struct {
		target, body, header string
		err                  error
		status               int
		part                 string
	}{
		"no link":          {"/v1/links/x/verify", "", "", nil, 404, `no link "x"`},
		"a field too many": {path, `{"table":"t"}`, "", nil, 400, `unknown field "table"`},
		"a form":           {path, "repair=true", "Content-Type: application/x-www-form-urlencoded", nil, 415, "application/json"},
		"a page elsewhere": {path, "", "Origin: http://evil.example", nil, 403, "another origin"},
		"too long":         {path, `{"by":"` + strings.Repeat("x", maxBody) + `"}`, "", nil, 413, "longer than"},
		"refused":          {path, "", "", &RefusedError{"say which side"}, 422, "say which side"},
		"stopped":          {path, "", "", ErrStopped, 409, "stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.err = c.err
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			wantError(t, post(f, c.target, c.body, headers...), c.status, c.part)
			if len(f.jobs) > 0 {
				t.Error("a job was begun")
			}
		})
	}
}

func TestClientFollowsJobs(t *testing.T) {
	f := newFake()
	server := httptest.NewServer(NewServer(f, Settings{Listen: "127.0.0.1:0"}, hclog.NewNullLogger()).Handler())
	defer server.Close()
	client, err := NewClient(server.URL, Access{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := client.StartVerify(t.Context(), "shop", VerifyRequest{Values: true})
	if err != nil || !f.requests[0].Values {
		t.Fatal(j, err)
	}
	shown := 0
	j, err = client.FollowJob(t.Context(), j.ID, time.Millisecond, func(Job) { shown++ })
	if err != nil || j.State != JobDone || shown != 3 || j.Result.Tables[0].Differences[0].Key.String() != "id=3" {
		t.Errorf("%+v after %d (%v)", j, shown, err)
	}
	f.jobs, f.asked = nil, -1000
	if j, err = client.StartVerify(t.Context(), "shop", VerifyRequest{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err = client.FollowJob(ctx, j.ID, time.Hour, func(Job) { cancel() }); ctx.Err() == nil || err == nil || f.jobs[0].State != JobCanceled {
		t.Errorf("a job whose follower went away is %s (%v)", f.jobs[0].State, err)
	}
}
