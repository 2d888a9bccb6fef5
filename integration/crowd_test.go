package integration

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
)

// crowdCarried is how many rows the link has to write to each side while the crowd asks.
const crowdCarried = 100

// A thousand requests at a time are answered, or told to come again, and the link goes on: what is
// written meanwhile on both sides arrives on the other, although as many streams of changes are open as
// there may be, of which nobody reads any.
func TestCrowdAtTheAdminAPI(t *testing.T) {
	s := newShop(t)
	p := start(t, "run", s.config)
	p.await(s.address, "/readyz")
	ctx, stop := context.WithCancel(t.Context())
	l := newLedger()
	var writers sync.WaitGroup
	writers.Go(func() { s.writeGo(ctx, l) })

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	streams := openStreams(t, client, "http://"+s.address+"/v1/links/shop/changes")
	before, carried, rounds := s.applied(), [2]uint64{}, 0
	for slices.Min(carried[:]) < crowdCarried {
		if rounds++; rounds > 200 {
			t.Fatalf("while %d crowds asked, only %d rows were carried to the two sides", rounds, carried)
		}
		askAll(t, client, s.address)
		now := s.applied()
		carried = [2]uint64{now[0] - before[0], now[1] - before[1]}
	}
	t.Logf("%d crowds asked while %d rows were written to the two sides", rounds, carried)
	hears(t, streams[0])
	stop()
	writers.Wait()
	p.await(s.address, "/v1/links/shop/barrier?wait=1m")
	if writes, _ := s.account(l, p); writes == 0 {
		t.Error("nothing was written meanwhile")
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

// applied is how many rows the link has written to each side.
func (s *shop) applied() [2]uint64 {
	s.t.Helper()
	var link admin.Link
	if status, err := get(s.address, "/v1/links/shop", &link); err != nil || status != http.StatusOK {
		s.t.Fatalf("link: %d %v", status, err)
	}
	return [2]uint64{link.Left.Counters.Applied, link.Right.Counters.Applied}
}

// askAll asks a thousand times at once; some have to be answered, the others told when to come again.
func askAll(t *testing.T, client *http.Client, address string) {
	t.Helper()
	paths := []string{"/v1/links", "/v1/links/shop", "/v1/links/shop/conflicts", "/v1/links/shop/parked", "/v1/links/shop/barrier?wait=1m", "/v1/jobs", "/healthz"}
	begin := make(chan struct{})
	var asking sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for i := range 1000 {
		asking.Go(func() {
			<-begin
			r, err := client.Get("http://" + address + paths[i%len(paths)])
			if err != nil {
				t.Errorf("%s: %v", paths[i%len(paths)], err)
				return
			}
			_ = r.Body.Close()
			again := r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != ""
			if r.StatusCode != http.StatusOK && !again {
				t.Errorf("%s: %s", paths[i%len(paths)], r.Status)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[r.StatusCode]++
		})
	}
	close(begin)
	asking.Wait()
	t.Logf("answers by status: %v", answers)
	if answers[http.StatusOK] == 0 {
		t.Errorf("nobody got an answer: %v", answers)
	}
}

// openStreams opens streams until one more is told to come again.
func openStreams(t *testing.T, client *http.Client, url string) (streams []io.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Body.Close() })
		if r.StatusCode == http.StatusOK {
			streams = append(streams, r.Body)
			continue
		}
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || len(streams) != 16 {
			t.Errorf("after %d streams: %s", len(streams), r.Status)
		}
		return streams
	}
}

// hears checks that a stream that was not read until now has changes that were made, and those that were carried over.
func hears(t *testing.T, stream io.Reader) {
	t.Helper()
	local, echo := 0, 0
	for lines := bufio.NewScanner(stream); local == 0 || echo == 0; {
		if !lines.Scan() {
			t.Fatalf("the stream ended after %d changes and %d echoes: %v", local, echo, lines.Err())
		}
		local += strings.Count(lines.Text(), `"origin":"local"`)
		echo += strings.Count(lines.Text(), `"origin":"echo"`)
	}
}
