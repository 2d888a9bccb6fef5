package configs

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestVerifyBlock(t *testing.T) {
	const stores = "store \"a\" {\n  engine = \"sqlite\"\n  dsn = \"a.db\"\n}\nstore \"b\" {\n  engine = \"sqlite\"\n  dsn = \"b.db\"\n}\n" +
		"link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\n"
	for block, want := range map[string]*Verify{
		"":                          nil,
		`verify { every = "90m" }`:  {Every: 90 * time.Minute, At: -1},
		`verify { at = "02:30" }`:   {At: 150 * time.Minute},
		`verify { at = "00:00" }`:   {At: 0},
		`verify { state = "/a/b" }`: {At: -1, State: "/a/b"},
		"verify {\n every = \"1m\"\n state = \"s\"\n}": {Every: time.Minute, At: -1, State: "s"},
	} {
		cfg, diags := Parse("l.hcl", []byte(stores+block+"\n}\n"))
		if len(diags) > 0 {
			t.Errorf("%s: %v", block, diags)
			continue
		}
		if got := cfg.Links[0].Verify; (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: got %+v, want %+v", block, got, want)
		}
	}
}

func TestNextVerification(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	at := func(text string) time.Time {
		parsed, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, c := range []struct {
		verify    Verify
		now, want string
	}{
		{Verify{At: 150 * time.Minute}, "2026-05-01 02:29", "2026-05-01 02:30"},
		{Verify{At: 150 * time.Minute}, "2026-05-01 02:30", "2026-05-02 02:30"},
		{Verify{At: 150 * time.Minute}, "2026-12-31 23:00", "2027-01-01 02:30"},
		{Verify{At: 150 * time.Minute}, "2026-03-29 01:00", "2026-03-29 03:30"}, // there is no 02:30
		{Verify{At: 0}, "2026-05-01 00:00", "2026-05-02 00:00"},
		{Verify{Every: 24 * time.Hour, At: -1}, "2026-05-01 02:29", "2026-05-02 02:29"},
	} {
		if got, ok := c.verify.Next(at(c.now)); !ok || !got.Equal(at(c.want)) {
			t.Errorf("%+v at %s: %s, want %s", c.verify, c.now, got, c.want)
		}
	}
	if _, ok := (&Verify{At: -1}).Next(at("2026-05-01 00:00")); ok {
		t.Error("a block with nothing but a directory is a schedule")
	}
}

// TestVerifyInDocs checks the block that the page on running cdcsync shows.
func TestVerifyInDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```hcl\nverify {")
	block, _, ok := strings.Cut(rest, "```")
	cfg, diags := Parse("l.hcl", []byte("store \"a\" {\n  engine = \"sqlite\"\n  dsn = \"a.db\"\n}\nstore \"b\" {\n  engine = \"sqlite\"\n  dsn = \"b.db\"\n}\n"+
		"link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\nverify {"+block+"}\n"))
	if !ok || len(diags) > 0 {
		t.Fatalf("%q: %v", block, diags)
	}
	if v := cfg.Links[0].Verify; *v != (Verify{At: 150 * time.Minute, State: "/var/lib/cdcsync"}) {
		t.Errorf("%+v", v)
	}
}
