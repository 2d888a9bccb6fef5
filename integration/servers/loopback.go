package servers

import (
	"net"
	"testing"
)

// Loopback returns the two ends of a TCP connection within this machine, for tests of what reads and
// writes one. They are closed when the test ends.
func Loopback(tb testing.TB) (ours, theirs net.Conn) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ours, err = net.Dial("tcp", listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ours.Close() })
	theirs, err = listener.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}
