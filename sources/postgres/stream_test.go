package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// wired is a stream, and the other end of its connection.
func wired(t *testing.T) (*stream, net.Conn) {
	t.Helper()
	ours, theirs := servers.Loopback(t)
	return &stream{conn: ours, buffer: make([]byte, bufferSize)}, theirs
}

func frameOf(size int) []byte {
	b := make([]byte, 5+size)
	b[0] = 'd'
	binary.BigEndian.PutUint32(b[1:], uint32(size+4))
	for i := range size {
		b[5+i] = byte(i*7 + size)
	}
	return b
}

func wantFrame(t *testing.T, s *stream, ctx context.Context, want []byte) {
	t.Helper()
	f, err := s.next(ctx)
	if err != nil || f.kind != want[0] || !bytes.Equal(f.body, want[5:]) {
		t.Fatalf("got %q of %d bytes, %v; want %d bytes", f.kind, len(f.body), err, len(want)-5)
	}
}

// Frames that come in two pieces, cut anywhere.
func TestFramesInPieces(t *testing.T) {
	s, server := wired(t)
	both := append(frameOf(3), frameOf(0)...)
	for cut := range len(both) + 1 {
		if _, err := server.Write(both[:cut]); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		got := 0
		for _, want := range [][]byte{both[:8], both[8:]} {
			f, err := s.next(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				break // in the middle of a frame: nothing is lost by that
			}
			if err != nil || !bytes.Equal(f.body, want[5:]) {
				t.Fatalf("cut at %d: %q, %v", cut, f.body, err)
			}
			got++
		}
		cancel()
		if want := map[bool]int{true: 1}[cut >= 8] + map[bool]int{true: 1}[cut >= 13]; got > want {
			t.Fatalf("cut at %d: %d frames", cut, got)
		}
		if _, err := server.Write(both[cut:]); err != nil {
			t.Fatal(err)
		}
		for _, want := range [][]byte{both[:8], both[8:]}[got:] {
			wantFrame(t, s, t.Context(), want)
		}
	}
}

// Frames of every size, one after the other; the buffer does not stay large.
func TestFramesOfEverySize(t *testing.T) {
	s, server := wired(t)
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1, 0, 5 << 20, 1, bufferSize - 5, bufferSize - 4, bufferSize - 6, bufferSize, 2*bufferSize - 5, 2 * bufferSize, 3, 1 << 20, 1 << 20, 7}
	for range 400 {
		sizes = append(sizes, 1<<r.IntN(19)+r.IntN(100))
	}
	go func() {
		for _, size := range sizes {
			if _, err := server.Write(frameOf(size)); err != nil {
				return
			}
		}
	}()
	largest := 0
	for _, size := range sizes {
		wantFrame(t, s, t.Context(), frameOf(size))
		largest = max(largest, len(s.buffer))
	}
	if largest > 5<<20+bufferSize {
		t.Errorf("the buffer grew to %d bytes", largest)
	}
	go server.Write(frameOf(1))
	wantFrame(t, s, t.Context(), frameOf(1))
	if len(s.buffer) != bufferSize {
		t.Errorf("the buffer stays at %d bytes", len(s.buffer))
	}
}

// A length that cannot be is an error, and memory is taken for what has come only.
func TestFrameLength(t *testing.T) {
	for _, n := range []uint32{0, 1, 3, frameMost + 1, 1<<32 - 1} {
		s, server := wired(t)
		server.Write(binary.BigEndian.AppendUint32([]byte{'d'}, n))
		_, err := s.next(t.Context())
		if !errors.Is(err, errMalformed) || !strings.Contains(err.Error(), "1073741824") {
			t.Errorf("a length of %d: %v", n, err)
		}
	}
	s, server := wired(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server.Write(append(binary.BigEndian.AppendUint32([]byte{'d'}, frameMost), make([]byte, 1000)...))
	server.Close()
	if _, err := s.next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("a frame that ends early: %v", err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%d bytes were taken", after.TotalAlloc-before.TotalAlloc)
	}
}

func TestInterrupt(t *testing.T) {
	s, server := wired(t)
	s.interrupt() // before
	if _, err := s.next(t.Context()); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	go func() { // and while it waits
		server.Write(frameOf(10)[:7])
		time.Sleep(20 * time.Millisecond)
		s.interrupt()
	}()
	if _, err := s.next(t.Context()); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	server.Write(frameOf(10)[7:])
	wantFrame(t, s, t.Context(), frameOf(10))
	s.unread(frame{'d', frameOf(10)[5:]})
	wantFrame(t, s, t.Context(), frameOf(10))
	s.leave()
	if _, err := s.next(t.Context()); !errors.Is(err, net.ErrClosed) || !s.gone.Load() {
		t.Errorf("got %v", err)
	}
}

// What the library had read already comes first.
func TestPush(t *testing.T) {
	s, server := wired(t)
	s.push(frameOf(bufferSize))
	s.push(frameOf(3))
	server.Write(frameOf(4))
	for _, size := range []int{bufferSize, 3, 4} {
		wantFrame(t, s, t.Context(), frameOf(size))
	}
}

// A server asks for a reply now and then; one that shuts down does so at once, again and again.
func TestPing(t *testing.T) {
	const second = 1_000_000
	for _, c := range []struct {
		timeout time.Duration
		every   int64 // microseconds
		want    bool
	}{
		{time.Minute, 30 * second, false}, {time.Second, second / 2, false}, {100 * time.Millisecond, second / 20, false}, {0, second / 2, false},
		{time.Minute, 1000, true}, {0, 1000, true}, {100 * time.Millisecond, 1000, true},
	} {
		s := &stream{timeout: c.timeout}
		got := false
		for n := range int64(10) {
			got = s.ping(800_000_000*second+n*c.every) || got
		}
		if got != c.want {
			t.Errorf("%v of a timeout of %s: %v", time.Duration(c.every)*time.Microsecond, c.timeout, got)
		}
	}
}

// The clock of a server that goes on is set back by an hour, and later that of one that shuts down.
func TestPingSetBack(t *testing.T) {
	const second = 1_000_000
	s := &stream{timeout: time.Minute}
	for n := range int64(4) {
		if s.ping(800_000_000*second + n*30*second) {
			t.Error("a server that goes on is taken for one that shuts down")
		}
	}
	for n := range int64(4) {
		if s.ping(800_000_000*second - 3600*second + n*30*second) {
			t.Error("a server whose clock was set back is taken for one that shuts down")
		}
	}
	got := false
	for n := range int64(4) {
		got = s.ping(800_000_000*second-7200*second+n*1000) || got
	}
	if !got {
		t.Error("a server that shuts down, and whose clock was set back, is not noticed")
	}
}
