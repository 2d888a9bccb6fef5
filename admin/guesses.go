package admin

import (
	"maps"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxGuesses is how many wrong tokens an address may show in a minute.
	maxGuesses = 10
	// maxGuessers is how many addresses are kept apart. Those beyond share one limit.
	maxGuessers = 4096
)

// guesses limits how often wrong tokens are shown. It is safe for concurrent use.
type guesses struct {
	mu     sync.Mutex
	from   map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
}

func newGuesses() *guesses {
	return &guesses{from: map[netip.Prefix]*rate.Limiter{}, others: newGuesser()}
}

// try calls wrong, which tells whether a wrong token is shown, unless there were too many from an
// address: then it returns how long to wait. One request at a time, so that many at once do not
// guess more often.
func (g *guesses) try(address string, now time.Time, wrong func() bool) time.Duration {
	network := networkOf(address)
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter := g.find(network, now)
	if limiter != nil {
		if left := limiter.TokensAt(now); left < 1 {
			return time.Duration((1 - left) / float64(limiter.Limit()) * float64(time.Second))
		}
	}
	if !wrong() {
		return 0
	}
	if limiter == nil {
		limiter = newGuesser()
		g.from[network] = limiter
	}
	limiter.AllowN(now, 1)
	return 0
}

// find returns the limiter of a network; nil if no wrong token came from there lately and there
// is room for it.
func (g *guesses) find(network netip.Prefix, now time.Time) *rate.Limiter {
	if l := g.from[network]; l != nil {
		return l
	}
	if len(g.from) >= maxGuessers {
		maps.DeleteFunc(g.from, func(_ netip.Prefix, l *rate.Limiter) bool { return l.TokensAt(now) >= maxGuesses })
	}
	if len(g.from) >= maxGuessers {
		return g.others
	}
	return nil
}

func newGuesser() *rate.Limiter {
	return rate.NewLimiter(rate.Every(time.Minute/maxGuesses), maxGuesses)
}

// networkOf returns the address of an address:port, or, of IPv6, the network that one machine
// has to itself.
func networkOf(address string) netip.Prefix {
	port, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := port.Addr().Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.WithZone("").Prefix(bits) // never fails for these
	return network
}

// seconds is a duration as Retry-After has it.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
