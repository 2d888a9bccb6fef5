package configs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/cdcsync/cdcsync/change"
)

var update = flag.Bool("update", false, "write the .want files of testdata")

// canary is in every dsn of testdata that is a secret; no output may have it.
const canary = "CANARY"

// environment sets what the files of testdata refer to.
func environment(t *testing.T) {
	t.Helper()
	t.Setenv("CDCSYNC_TEST_SECRET", canary+"-env")
	t.Setenv("CDCSYNC_TEST_EMPTY", "")
	exampleEnvironment(t)
	t.Setenv("CDCSYNC_TEST_UNSET", "")
	if err := os.Unsetenv("CDCSYNC_TEST_UNSET"); err != nil {
		t.Fatal(err)
	}
	t.Chdir("testdata")
	if err := os.Chmod("empty.secret", 0o600); err != nil {
		t.Fatal(err)
	}
}

// exampleEnvironment sets what the examples refer to.
func exampleEnvironment(t *testing.T) {
	t.Helper()
	t.Setenv("EAST_DSN", "postgres://cdcsync:"+canary+"@east.example.org/shop")
	t.Setenv("WEST_DSN", "host=west.example.org dbname=shop password="+canary)
	for _, name := range []string{"HUB_PASSWORD", "LEGACY_PASSWORD", "MODERN_PASSWORD", "MASK_SALT"} {
		t.Setenv(name, canary)
	}
}

// files lists what matches patterns below testdata.
func files(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		t.Fatalf("no file matches %s", patterns)
	}
	return all
}

// check loads a file, and binds its links if there are tables beside it.
func check(t *testing.T, path string) (*Config, []*BoundPair, hcl.Diagnostics) {
	t.Helper()
	config, diags := Load(path)
	companion := path[:strings.Index(path, ".")] + ".tables"
	if _, err := os.Stat(companion); err != nil || diags.HasErrors() {
		return config, nil, diags
	}
	catalogues := catalogues(t, companion)
	var all []*BoundPair
	for _, l := range config.Links {
		pairs, more := Bind(l, catalogues[0], catalogues[1])
		all, diags = append(all, pairs...), append(diags, more...)
	}
	return config, all, append(diags, CheckOverlaps(all)...)
}

// catalogues reads a companion file.
func catalogues(t *testing.T, path string) [2][]*change.Table {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return tablesOf(t, path, string(text))
}

// tablesOf reads tables: a line is "left orders: id int64 key, note text, sum int64 generated".
// What is not null is a key, generated, or says so.
func tablesOf(t *testing.T, path, text string) [2][]*change.Table {
	t.Helper()
	var both [2][]*change.Table
	for line := range strings.Lines(text) {
		head, list, ok := strings.Cut(strings.TrimSpace(line), ": ")
		side, name, ok2 := strings.Cut(head, " ")
		if !ok || !ok2 {
			t.Fatalf("%s: bad line %q", path, line)
		}
		table := &change.Table{Name: name}
		for i, column := range strings.Split(list, ", ") {
			words := strings.Fields(column)
			kind := change.Unset
			for kind.String() != words[1] {
				if kind++; kind > change.Array {
					t.Fatalf("%s: bad kind %q", path, words[1])
				}
			}
			table.Columns = append(table.Columns, change.Column{Name: words[0], Kind: kind, Nullable: len(words) == 2,
				Generated: slices.Contains(words, "generated")})
			if len(words) == 3 && words[2] == "key" {
				table.Key = append(table.Key, i)
			}
		}
		s := change.Left
		if side == "right" {
			s = change.Right
		}
		both[s] = append(both[s], table)
	}
	return both
}

// render prints diagnostics as a user gets them.
func render(t *testing.T, config *Config, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := config.WriteDiagnostics(&b, diags, 78, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBadConfigs(t *testing.T) {
	environment(t)
	for _, path := range files(t, "*.bad.hcl", "online/*.bad.hcl") {
		t.Run(path, func(t *testing.T) {
			config, _, diags := check(t, path)
			got := render(t, config, diags)
			if len(diags) == 0 {
				t.Fatal("no diagnostics")
			}
			noCanary(t, config, diags, got)
			golden := strings.TrimSuffix(path, ".hcl") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("diagnostics differ (run with -update to accept)\ngot:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestGoodConfigs(t *testing.T) {
	environment(t)
	for _, path := range files(t, "*.good.hcl", "online/*.good.hcl", "../examples/*.hcl") {
		t.Run(path, func(t *testing.T) {
			config, _, diags := check(t, path)
			if len(diags) > 0 {
				t.Errorf("diagnostics:\n%s", render(t, config, diags))
			}
			noCanary(t, config, diags, "")
		})
	}
}

// noCanary looks for the canary in everything that prints.
func noCanary(t *testing.T, config *Config, diags hcl.Diagnostics, rendered string) {
	t.Helper()
	var hclText bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&hclText, config.files, 78, true).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{rendered, hclText.String(), string(asJSON)}
	for _, d := range diags {
		outputs = append(outputs, d.Error())
	}
	for _, s := range config.Stores {
		outputs = append(outputs, fmt.Sprintf("%v %+v %#v %s", s, *s, *s, s.DSN))
	}
	for _, out := range outputs {
		if strings.Contains(out, canary) {
			t.Errorf("a secret is printed:\n%s", out)
		}
	}
}
