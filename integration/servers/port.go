package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// reservePort returns a loopback port that nobody uses, and a lock that keeps other test
// processes from it, also while the server is down.
func (f folder) reservePort() (int, *lock, error) {
	// Not one that the kernel may give to an outgoing connection meanwhile: it would be gone
	// after a restart, or somebody who tries to reach the server would reach himself.
	low, high := 10_000, 32_000
	var begin, end int
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if _, err := fmt.Sscan(string(b), &begin, &end); err == nil {
			switch {
			case begin-low >= 1000:
				high = begin
			case 65_535-end >= 1000:
				low, high = end+1, 65_536
			}
		}
	}
	for range 1000 {
		port := low + rand.IntN(high-low)
		held, err := tryLock(f.lock("port-" + strconv.Itoa(port)))
		if err != nil {
			return 0, nil, err
		}
		if held == nil {
			continue
		}
		if isFree(port) {
			return port, held, nil
		}
		held.release()
	}
	return 0, nil, errors.New("find a free port: a thousand are taken")
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
