package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// TestTakeover starts a second instance on the same config while both sides are written to:
// it takes over, the first one ends and says why, and nothing is written twice.
func TestTakeover(t *testing.T) {
	s := newShop(t)
	first := start(t, "run", s.config)
	first.await(s.address, "/readyz")
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.writeGo(ctx, l)
	}()
	time.Sleep(500 * time.Millisecond)
	// The same link from a config of its own: the admin address is taken.
	other := *s
	other.address = freeAddress(t)
	other.config = filepath.Join(t.TempDir(), "other.hcl")
	other.write()
	second := start(t, "run", other.config)
	err := first.wait(30 * time.Second)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the first instance ended with %v\n%s", err, first.output)
	}
	if text := first.output.String(); !strings.Contains(text, "taken over") || !strings.Contains(text, "shop") {
		t.Errorf("the first instance does not say why it ended:\n%s", text)
	}
	time.Sleep(500 * time.Millisecond)
	l.awaits(50)
	cancel()
	<-written
	second.await(other.address, "/readyz")
	second.await(other.address, "/v1/links/shop/barrier?wait=60s")
	if writes, _ := other.account(l, second); writes < 50 {
		t.Errorf("the test did too little: %d writes", writes)
	}
	if err := second.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, second.output)
	}
}

// TestFirstContactKilled fills both sides before the link exists, kills the program again and
// again while it compares them and both stay in use, and expects them equal in the end.
func TestFirstContactKilled(t *testing.T) {
	s := newShop(t)
	rng := rand.New(rand.NewPCG(5, 5))
	for side := range s.sites {
		s.fill(side, 20_000, func() bool { return rng.IntN(3) > 0 })
	}
	s.killContact(rng, 50*time.Millisecond)
	if left, _ := s.rows(0); len(left) < 15_000 {
		t.Errorf("%d rows", len(left))
	}
}

// TestBlocksKilled fills one side only, so that rows go in blocks, and kills the program while they
// do and that side stays in use.
func TestBlocksKilled(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	left, right := mariadbSite(t, false), postgresSite(t, servers.Versions()[0])
	for round := range 6 {
		sites := [2]site{left.another(t), right.another(t)}
		s := newShopOn(t, sites[round%2], sites[1-round%2])
		s.fill(0, 120_000, func() bool { return true })
		ctx, cancel := context.WithCancel(t.Context())
		written := make(chan struct{})
		go func() {
			defer close(written)
			s.writeTo(ctx, "go", newLedger(), 0)
		}()
		p := start(t, "run", s.config)
		contacted := func() (rows int) {
			var link struct {
				Tables []struct{ Compared int }
			}
			if status, err := get(s.address, "/v1/links/shop", &link); err == nil && status == 200 {
				for _, table := range link.Tables {
					rows += table.Compared
				}
			}
			return rows
		}
		for contacted() == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(80 * time.Millisecond))))
		t.Logf("killed behind %d rows", contacted())
		p.kill()
		cancel()
		<-written
		s.contact()
	}
}

// fill gives a side those rows that are chosen.
func (s *shop) fill(side, rows int, chosen func() bool) {
	s.t.Helper()
	rng := rand.New(rand.NewPCG(5, 7))
	db, d := s.open(side), dialects[side]
	for i := 0; i < rows; i += 1000 {
		var values []string
		for id := i; id < i+1000; id++ {
			if chosen() {
				values = append(values, fmt.Sprintf("(%d, 'old-%d')", id, rng.IntN(2)))
			}
		}
		if _, err := db.Exec(fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES %s", d.item, d.id, d.val, strings.Join(values, ","))); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// killContact kills the program ten times during first contact, while both sides are written to, each
// time when it has run for at least so long, and up to four times as long, and expects both equal in the end.
func (s *shop) killContact(rng *rand.Rand, least time.Duration) {
	t := s.t
	t.Helper()
	l := newLedger()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.writeGo(ctx, l)
	}()
	for range 10 {
		p := start(t, "run", s.config)
		time.Sleep(least + time.Duration(rng.Int64N(int64(3*least))))
		p.kill()
	}
	cancel()
	<-written
	s.contact()
}

// contact runs the program until first contact is over, and expects both sides equal.
func (s *shop) contact() {
	t := s.t
	t.Helper()
	p := start(t, "run", s.config)
	for range 600 {
		var link struct{ State string }
		if status, err := get(s.address, "/v1/links/shop", &link); err == nil && status == 200 && link.State == "running" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	s.equalItems()
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
