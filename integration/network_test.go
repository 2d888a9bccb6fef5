package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/go-sql-driver/mysql"
	metric "github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// network is the way from the program to one server, which can be made a bad one.
type network struct {
	t     testing.TB
	name  string
	proxy *toxiproxy.Proxy
}

// address returns where the server of a site listens, and what makes its dsn one of another
// address.
func (s *site) address(t testing.TB) (address string, renamed func(to string) string) {
	t.Helper()
	switch {
	case s.engine == "postgres":
		dsn, err := url.Parse(s.dsn)
		if err != nil {
			t.Fatal(err)
		}
		return dsn.Host, func(to string) string {
			moved := *dsn
			moved.Host = to
			return moved.String()
		}
	case s.isMySQL():
		config, err := mysql.ParseDSN(s.dsn)
		if err != nil {
			t.Fatal(err)
		}
		return config.Addr, func(to string) string {
			moved := config.Clone()
			moved.Addr = to
			return moved.FormatDSN()
		}
	}
	t.Fatalf("there is no network to a %s", s.engine)
	return "", nil
}

// behind puts a network between the program and the server of a site. Applications stay
// beside the server.
func behind(t testing.TB, s *site) *network {
	t.Helper()
	address, renamed := s.address(t)
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log past the logger that they are given
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(metric.NewRegistry()), zerolog.Nop())
	n := &network{t: t, name: s.engine, proxy: toxiproxy.NewProxy(server, s.engine, "127.0.0.1:0", address)}
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.proxy.Stop)
	s.through = renamed(n.proxy.Listen)
	return n
}

// toxic puts a toxic of that kind on a direction of all connections, those that are open and
// those to come, until heal.
func (n *network) toxic(kind, direction string, attributes map[string]int) {
	n.t.Helper()
	spec, err := json.Marshal(map[string]any{"type": kind, "name": kind + " " + direction, "stream": direction, "attributes": attributes})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(string(spec))); err != nil {
		n.t.Fatalf("%s: %v", spec, err)
	}
}

// cut refuses connections and ends those that are open.
func (n *network) cut() { n.proxy.Stop() }

// heal makes it a good network again. What a black hole has swallowed does not come any more:
// the connections that it was on are ended.
func (n *network) heal() {
	n.t.Helper()
	n.proxy.Toxics.ResetToxics(context.Background())
	if n.proxy.Enabled {
		return
	}
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// faults are what can be wrong with a network, by name. Each draws its measure.
var faults = map[string]func(n *network, rng *rand.Rand){
	"latency": func(n *network, rng *rand.Rand) {
		n.toxic("latency", "upstream", map[string]int{"latency": rng.IntN(80), "jitter": rng.IntN(80)})
		n.toxic("latency", "downstream", map[string]int{"latency": rng.IntN(80), "jitter": rng.IntN(80)})
	},
	"reset": func(n *network, rng *rand.Rand) {
		n.toxic("reset_peer", direction(rng), map[string]int{"timeout": rng.IntN(50)})
	},
	"bandwidth": func(n *network, rng *rand.Rand) { // KB/s
		n.toxic("bandwidth", direction(rng), map[string]int{"rate": 1 + rng.IntN(50)})
	},
	"black hole": func(n *network, rng *rand.Rand) {
		n.toxic("timeout", direction(rng), map[string]int{"timeout": 0})
	},
	"slices": func(n *network, rng *rand.Rand) { // a message comes in pieces
		n.toxic("slicer", direction(rng), map[string]int{"average_size": 2 + rng.IntN(60), "size_variation": 1, "delay": rng.IntN(200)})
	},
	"cut in a message": func(n *network, rng *rand.Rand) { // after so many bytes of each connection
		n.toxic("limit_data", direction(rng), map[string]int{"bytes": 1 + rng.IntN(20_000)})
	},
	"cut": func(n *network, _ *rand.Rand) { n.cut() },
}

func direction(rng *rand.Rand) string { return []string{"upstream", "downstream"}[rng.IntN(2)] }

// String names the network.
func (n *network) String() string { return fmt.Sprintf("%s at %s", n.name, n.proxy.Listen) }
