package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// A reader pauses while many reads find little each, not after one that found much, and no longer
// when little comes.
func TestPauses(t *testing.T) {
	begin := time.Now()
	for _, c := range []struct {
		name   string
		behind bool // before
		reads  int  // in 10 ms
		bytes  int
		last   int
		pauses bool
	}{
		{"idle", false, 0, 0, 0, false},
		{"500 transactions a second", false, 15, 1500, 100, false},
		{"every message by itself", false, 500, 50_000, 100, true},
		{"large rows, each read by itself", false, 100, 800_000, 8000, false},
		{"gathered", true, 2, 60_000, 900, true},
		{"much was found", true, 2, 60_000, 60_000, false},
		{"caught up", true, 1, 5000, 5000, false},
		{"the end", true, 1, 100, 100, false},
	} {
		p := pausing{behind: c.behind, since: begin, reads: c.reads, bytes: c.bytes, last: c.last}
		if got := p.waits(begin.Add(10 * time.Millisecond)); got != c.pauses {
			t.Errorf("%s: pauses is %t", c.name, got)
		}
	}
}

// connected are the two ends of a connection within the machine, the first of them gathering.
func connected(t *testing.T) (*gathering, net.Conn) {
	t.Helper()
	ours, theirs := servers.Loopback(t)
	return newGathering(ours, ours), theirs
}

// What is sent in many small pieces, in a few large ones, and in pieces that are larger than every
// buffer, arrives as it is.
func TestGathered(t *testing.T) {
	ours, theirs := connected(t)
	var sent []byte
	var sizes []int
	for _, s := range []struct{ size, times int }{{70, 50_000}, {1 << 20, 3}, {70, 1000}, {3 * nearBuffer, 10}, {1, 1000}} {
		for range s.times {
			sizes = append(sizes, s.size)
			for i := range s.size {
				sent = binary.LittleEndian.AppendUint16(sent, uint16(len(sent)*31+i))[:len(sent)+1]
			}
		}
	}
	go func() {
		rest := sent
		for _, size := range sizes {
			if _, err := theirs.Write(rest[:size]); err != nil {
				return
			}
			rest = rest[size:]
		}
		theirs.Close()
	}()
	got, err := io.ReadAll(ours)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
}

// A deadline ends a read that waits, and a pause; what comes later is read.
func TestGatheringDeadline(t *testing.T) {
	ours, theirs := connected(t)
	b := make([]byte, 10)
	for _, behind := range []bool{false, true} {
		reader := &pausing{conn: ours.Conn, pause: time.Millisecond, behind: behind, since: time.Now().Add(time.Hour)}
		ours.reader.Reset(reader)
		if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if n, err := ours.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if err := ours.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		if n, err := ours.Read(b); string(b[:n]) != "more" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
	}
}
