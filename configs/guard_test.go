package configs

import (
	"os"
	"strings"
	"testing"
	"time"
)

const guarded = "store \"a\" {\n  engine = \"sqlite\"\n  dsn = \"a.db\"\n}\nstore \"b\" {\n  engine = \"sqlite\"\n  dsn = \"b.db\"\n}\n" +
	"link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\n"

func TestGuards(t *testing.T) {
	for text, want := range map[string]struct {
		breaker  Breaker
		watchdog time.Duration
	}{
		"":                              {Breaker{}, time.Minute},
		"breaker {}":                    {Breaker{3, 1000}, time.Minute},
		`watchdog = "5m"`:               {Breaker{}, 5 * time.Minute},
		`watchdog = "0s"`:               {Breaker{}, 0},
		`breaker { amplification = 10}`: {Breaker{10, 1000}, time.Minute},
		"breaker {\n amplification = 0\n conflicts_per_minute = 50\n}": {Breaker{0, 50}, time.Minute},
	} {
		cfg, diags := Parse("l.hcl", []byte(guarded+text+"\n}\n"))
		if len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		if l := cfg.Links[0]; l.Breaker != want.breaker || l.Watchdog != want.watchdog {
			t.Errorf("%s: got %+v and %s, want %+v", text, l.Breaker, l.Watchdog, want)
		}
	}
}

func TestKeepConflicts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": DefaultKeepConflicts, `keep_conflicts = "90d"`: DefaultKeepConflicts, `keep_conflicts = "1d"`: 24 * time.Hour,
		`keep_conflicts = "36h"`: 36 * time.Hour, `keep_conflicts = "0s"`: 0, `keep_conflicts = "0d"`: 0,
		`keep_conflicts = "36525d"`: 36525 * 24 * time.Hour,
	} {
		cfg, diags := Parse("l.hcl", []byte(guarded+text+"\n}\n"))
		if len(diags) > 0 || cfg.Links[0].KeepConflicts != want {
			t.Errorf("%s: %v, want %s", text, diags, want)
		}
	}
}

func TestGuardMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`watchdog = "soon"`:                      "five seconds at least",
		`watchdog = "1s"`:                        "five seconds at least",
		`watchdog = "-1m"`:                       "five seconds at least",
		`watchdog = 60`:                          "text in quotes",
		`keep_conflicts = "59m"`:                 "an hour at least",
		`keep_conflicts = "-90d"`:                "an hour at least",
		`keep_conflicts = "1.5d"`:                "an hour at least",
		`keep_conflicts = "300000000d"`:          "an hour at least",
		`keep_conflicts = "d"`:                   "an hour at least",
		`keep_conflicts = 90`:                    "text in quotes",
		`breaker { amplification = 1 }`:          "a number of 2 at least",
		`breaker { amplification = "3" }`:        "amplification = 3",
		`breaker { amplification = -1 }`:         "a number of 2 at least",
		`breaker { conflicts_per_minute = 0.5 }`: "conflicts_per_minute = 1000",
		`breaker { rows = 10 }`:                  `no attribute "rows" in a breaker block`,
		`breaker = 3`:                            `"breaker" is a block`,
		"breaker {}\nbreaker {}":                 "a breaker block already",
	} {
		_, diags := Parse("l.hcl", []byte(guarded+text+"\n}\n"))
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: got %v, want %q", text, diags, want)
		}
	}
}

// TestGuardsInDocs: what the page on running cdcsync calls the defaults is what a link has.
func TestGuardsInDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```hcl\nwatchdog")
	block, _, ok := strings.Cut(rest, "```")
	cfg, diags := Parse("l.hcl", []byte(guarded+"watchdog"+block+"}\n"))
	if !ok || len(diags) > 0 {
		t.Fatalf("%q: %v", block, diags)
	}
	if l := cfg.Links[0]; l.Breaker != DefaultBreaker() || l.Watchdog != DefaultWatchdog {
		t.Errorf("%+v, %s", l.Breaker, l.Watchdog)
	}
}
