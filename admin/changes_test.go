package admin

import (
	"bufio"
	"context"
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

	"github.com/cdcsync/cdcsync/change"
)

// fakeStream is a Stream that is told what there is.
type fakeStream struct {
	news   chan []Change
	lost   uint64
	closed chan struct{}
}

func newFakeStream() *fakeStream {
	return &fakeStream{news: make(chan []Change), closed: make(chan struct{})}
}

func (s *fakeStream) Next(ctx context.Context) ([]Change, uint64, error) {
	select {
	case list, ok := <-s.news:
		if !ok {
			return nil, 0, ErrStopped
		}
		return list, s.lost, nil
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func (s *fakeStream) Close() { close(s.closed) }

func (f *fake) Listen(link string, tables []string) (Stream, error) {
	if f.each != nil {
		return f.each(), nil
	}
	f.did = append(f.did, "listen "+link+" "+strings.Join(tables, ","))
	if f.err != nil {
		return nil, f.err
	}
	return f.stream, nil
}

// streaming asks a running server for the changes, and returns the lines of the answer.
func streaming(t *testing.T, address, query, token string) (lines <-chan string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/v1/links/shop/changes"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil || answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%+v %v", answer, err)
	}
	out := make(chan string)
	go func() {
		defer close(out)
		defer answer.Body.Close()
		for s := bufio.NewScanner(answer.Body); s.Scan(); {
			select {
			case out <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range out {
		}
	})
	return out, cancel
}

// expect reads lines of a stream.
func expect(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got, ok := <-lines; got != w || !ok {
			t.Fatalf("got %q (%v), want %q", got, ok, w)
		}
	}
}

func sample() Change {
	key := Row{Columns: []string{"id"}, Values: change.Row{change.Int(1)}}
	return Change{Kind: KindChange, Table: "t", Side: "left", Origin: "local", Position: "s1:x:2", Operation: "insert", Key: &key, Before: &Row{}}
}

func TestChanges(t *testing.T) {
	f := newFake()
	f.stream = newFakeStream()
	lines, leave := streaming(t, serve(t, f), "?table=t", "")
	expect(t, lines, ": changes of link shop from now on", "")
	f.stream.news <- []Change{sample(), {Kind: KindEmptied, Table: "t", Side: "right", Origin: "echo", Position: "2"}}
	expect(t, lines, "event: change",
		`data: {"table":"t","side":"left","origin":"local","position":"s1:x:2","operation":"insert","key":{"id":1},"before":null}`, "",
		"event: emptied", `data: {"table":"t","side":"right","origin":"echo","position":"2"}`, "")
	f.stream.lost = 7
	f.stream.news <- nil
	expect(t, lines, "event: lost", `data: {"changes":7}`, "")
	leave()
	<-f.stream.closed
	if !slices.Equal(f.did, []string{"listen shop t"}) {
		t.Errorf("did %q", f.did)
	}
}

// A stream ends with the link, with the server, and with the token that let it in, and says so.
func TestChangesEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(f *fake, s *Server, stop func())
		want string
	}{
		"link":   {func(f *fake, _ *Server, _ func()) { close(f.stream.news) }, "the link is stopped"},
		"server": {func(_ *fake, _ *Server, stop func()) { stop() }, "cdcsync stops"},
		"token": {func(_ *fake, s *Server, _ func()) { _ = s.Adopt(tokens("another-token-to-read", operateToken)) },
			"the tokens were replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.stream = newFakeStream()
			settings := tokens(readToken, operateToken)
			settings.Listen = freeAddress(t)
			s := NewServer(f, settings, hclog.NewNullLogger())
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			await(t, settings.Listen)
			lines, _ := streaming(t, settings.Listen, "", readToken)
			expect(t, lines, ": changes of link shop from now on", "")
			c.end(f, s, stop)
			expect(t, lines, "event: end", `data: {"reason":"`+c.want+`"}`, "")
			if line, ok := <-lines; ok {
				t.Errorf("after the end: %q", line)
			}
			<-f.stream.closed
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	// With the same tokens it goes on.
	f := newFake()
	f.stream = newFakeStream()
	settings := tokens(readToken, operateToken)
	settings.Listen = freeAddress(t)
	s := NewServer(f, settings, hclog.NewNullLogger())
	lines, _ := streaming(t, run(t, s, settings.Listen), "", readToken)
	if err := s.Adopt(tokens(readToken, operateToken)); err != nil {
		t.Fatal(err)
	}
	expect(t, lines, ": changes of link shop from now on", "")
	f.stream.news <- []Change{sample()}
	expect(t, lines, "event: change")
}

func TestChangesRefused(t *testing.T) {
	f := newFake()
	f.stream = newFakeStream()
	wantError(t, ask(t, f, "GET", "/v1/links/ship/changes"), 404, `no link "ship"`)
	wantError(t, ask(t, f, "GET", "/v1/links/shop/changes?table=t&table=x"), 404, `link shop has no table "x"; there are: t`)
	f.err = ErrStopped
	wantError(t, ask(t, f, "GET", "/v1/links/shop/changes"), 409, "stopped")
	f.err = nil
	if w := ask(t, f, "HEAD", "/v1/links/shop/changes"); w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	<-f.stream.closed
}

// One stream more than there may be is sent away; other requests are not.
func TestTooManyStreams(t *testing.T) {
	f := newFake()
	f.each = newFakeStream
	address := serve(t, f)
	leave := func() {}
	for range maxStreams {
		var lines <-chan string
		lines, leave = streaming(t, address, "", "")
		expect(t, lines, ": changes of link shop from now on", "")
	}
	status := func(path string) (int, string) {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode == 200 {
			return 200, ""
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	if code, text := status("/v1/links/shop/changes"); code != 503 || !strings.Contains(text, "16 streams are open already") {
		t.Errorf("one more: %d %s", code, text)
	}
	for _, path := range []string{"/v1/links", "/v1/links/shop/barrier"} {
		if code, text := status(path); code != 200 {
			t.Errorf("%s while streams are open: %d %s", path, code, text)
		}
	}
	leave()
	for { // it ends soon
		if code, _ := status("/v1/links/shop/changes"); code == 200 {
			return
		}
	}
}

// await waits until a server answers.
func await(t *testing.T, address string) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
	}
}

// Whoever takes nothing is not asked for again, and costs no more than what is on its way to him.
func TestChangesOfWhoTakesNothing(t *testing.T) {
	f := newFake()
	f.stream = newFakeStream()
	handler := NewServer(f, Settings{Listen: "127.0.0.1:0"}, hclog.NewNullLogger()).Handler()
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /v1/links/shop/changes HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	large := sample()
	large.Reason = strings.Repeat("x", 64<<20) // more than the buffers on the way hold
	f.stream.news <- []Change{large}
	select {
	case <-f.stream.closed:
		t.Error("the stream was closed at once")
	case f.stream.news <- nil:
		t.Error("the stream was asked for more, although nothing was taken")
	case <-time.After(100 * time.Millisecond):
	}
	conn.Close()
	<-f.stream.closed
}
