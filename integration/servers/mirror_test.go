package servers

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestReadSources reads apt's sources in both forms and finds Debian's main archive among them.
func TestReadSources(t *testing.T) {
	const (
		stanzas = `# a comment
Types: deb deb-src
# another
URIs: http://mirror.invalid/debian
  http://second.invalid/pub/debian/
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: trixie-security
Components: main

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: trixie
Components: main
`
		lines = `# deb http://off.invalid/debian bookworm main
deb-src http://mirror.invalid/debian bookworm main
deb [arch=amd64 signed-by=/x] http://other.invalid/linux/debian bookworm stable
  deb [arch=amd64]   mirror+file:/etc/apt/mirrors/debian.list bookworm main contrib # why
deb http://other.invalid/node nodistro main
`
	)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list.d", "debian.sources"), []byte(stanzas), 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := readSources(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 8 {
		t.Errorf("got %d entries: %v", len(entries), entries)
	}
	var debian []string
	for _, e := range entries {
		if e.isDebian() {
			debian = append(debian, e.uri)
		}
	}
	want := []string{"mirror+file:/etc/apt/mirrors/debian.list", "http://mirror.invalid/debian", "http://second.invalid/pub/debian/"}
	if !slices.Equal(debian, want) {
		t.Errorf("got %q", debian)
	}
}
