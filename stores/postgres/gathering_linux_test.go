package postgres

import (
	"net"
	"syscall"
	"testing"
)

// The buffer of a connection within the machine stays as it is, and pauses there are longer.
func TestNearBuffer(t *testing.T) {
	ours, _ := connected(t)
	if p := newPausing(ours.Conn, ours.Conn); p.pause != pauseNear {
		t.Errorf("a pause is %v", p.pause)
	}
	raw, err := ours.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var size int
	if e := raw.Control(func(fd uintptr) { size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if size != 2*nearBuffer {
		t.Errorf("the receive buffer has %d bytes", size)
	}
}
