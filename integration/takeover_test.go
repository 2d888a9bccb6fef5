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
		db := s.open(side)
		for i := 0; i < 20_000; i += 1000 {
			var rows []string
			for id := i; id < i+1000; id++ {
				if rng.IntN(3) > 0 {
					rows = append(rows, fmt.Sprintf("(%d, 'old-%d')", id, rng.IntN(2)))
				}
			}
			d := dialects[side]
			if _, err := db.Exec(fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES %s", d.item, d.id, d.val, strings.Join(rows, ","))); err != nil {
				t.Fatal(err)
			}
		}
		_ = db.Close()
	}
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
		time.Sleep(time.Duration(50+rng.IntN(150)) * time.Millisecond)
		p.kill()
	}
	cancel()
	<-written
	p := start(t, "run", s.config)
	for range 600 {
		var link struct{ State string }
		if status, err := get(s.address, "/v1/links/shop", &link); err == nil && status == 200 && link.State == "running" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.await(s.address, "/v1/links/shop/barrier?wait=60s")
	left, _ := s.rows(0)
	right, _ := s.rows(1)
	if len(left) < 15_000 || len(left) != len(right) {
		t.Errorf("%d and %d rows", len(left), len(right))
	}
	for id, v := range left {
		if right[id] != v {
			t.Errorf("row %d is %q and %q", id, v, right[id])
		}
	}
	if err := p.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output)
	}
}
