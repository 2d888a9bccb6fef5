package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"pgregory.net/rapid"
	"regexp"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/resolver"
)

// write writes files of a new directory, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoStores = `
store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}
store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}
`

func TestLoadDirectory(t *testing.T) {
	dir := write(t, map[string]string{
		"20-links.hcl":  "link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\n}\n",
		"10-stores.hcl": twoStores,
		"notes.txt":     "not a config {",
		".hidden.hcl":   "not a config {",
	})
	config, diags := Load(dir, filepath.Join(dir, "10-stores.hcl"))
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	if config.Link("l") == nil || config.Store("a") == nil || config.Store("z") != nil || config.Link("z") != nil {
		t.Errorf("config = %+v", config)
	}
	if config.Link("l").Stores[change.Right] != config.Store("b") {
		t.Error("the right store of l is not b")
	}
}

// There is one data directory for all files.
func TestDataDir(t *testing.T) {
	link := "link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\n}\n"
	config, diags := Load(write(t, map[string]string{"a.hcl": "data_dir = \"/var/lib/cdcsync/\"\n" + twoStores, "b.hcl": link}))
	if len(diags) > 0 || config.DataDir != "/var/lib/cdcsync" {
		t.Errorf("%q: %s", config.DataDir, render(t, config, diags))
	}
	config, diags = Load(write(t, map[string]string{"a.hcl": "data_dir = \"/a\"\n" + twoStores, "b.hcl": "data_dir = \"/b\"\n" + link}))
	if len(diags) != 1 || diags[0].Summary != "Duplicate data_dir" {
		t.Errorf("%q: %s", config.DataDir, render(t, config, diags))
	}
}

func TestLoadReportsWhatCannotBeRead(t *testing.T) {
	dir := write(t, map[string]string{"large.hcl": strings.Repeat("# x\n", MaxFileBytes/4+1)})
	for _, path := range []string{filepath.Join(dir, "missing.hcl"), t.TempDir(), filepath.Join(dir, "large.hcl")} {
		config, diags := Load(path)
		if config == nil || len(diags) != 1 || diags[0].Summary != "Cannot read config" {
			t.Errorf("Load(%s) = %v", path, diags)
		}
		if out := render(t, config, diags); !strings.Contains(out, filepath.Base(path)) {
			t.Errorf("%s is not named:\n%s", path, out)
		}
	}
	if _, diags := Parse("x", make([]byte, MaxFileBytes+1)); !diags.HasErrors() {
		t.Error("a file that is too large is parsed")
	}
}

func TestSecretFile(t *testing.T) {
	dir := write(t, map[string]string{
		"a.secret": canary + "\r\n\n",
		"x.hcl": "store \"a\" {\n  engine = \"sqlite\"\n  dsn    = \"${file(\"a.secret\")}?x=${file(\"./a.secret\")}\"\n}\n" +
			"store \"b\" {\n  engine = \"sqlite\"\n  dsn    = file(\"a.secret\")\n}\n" +
			"link \"l\" {\n  left = store.a\n  right = store.b\n  tables { include = [\"t\"] }\n}\n",
	})
	config, diags := Load(filepath.Join(dir, "x.hcl"))
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	if got, want := config.Store("a").DSN.Reveal(), canary+"?x="+canary; got != want {
		t.Errorf("dsn = %q, want %q", got, want)
	}
	if err := os.Chmod(filepath.Join(dir, "a.secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	config, diags = Load(filepath.Join(dir, "x.hcl"))
	if len(diags) != 3 {
		t.Fatalf("%d diagnostics, want one for each call:\n%s", len(diags), render(t, config, diags))
	}
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning || d.Summary != "Secret readable by everyone" {
			t.Errorf("diagnostic %v", d)
		}
	}
	noCanary(t, config, diags, render(t, config, diags))
}

func TestDefaultsAndOverrides(t *testing.T) {
	config, diags := Parse("x.hcl", []byte(twoStores+`
link "l" {
  left  = store.a
  right = store.b
  conflict {
    policy  = "merge"
    deletes = "update_wins"
  }
  table "t" {
    left = "tbl_t"
    conflict { policy = "left" }
    column "n" { merge = "max" }
    column "s" { values = { 1 = true, B = "b" } }
  }
  table "u" {}
}
link "m" {
  left      = store.a
  right     = store.b
  direction = "right_to_left"
  tables { include = ["v*"] }
}
`))
	if len(diags) > 0 {
		t.Fatal(render(t, config, diags))
	}
	l, m := config.Link("l"), config.Link("m")
	if l.Direction != Both || l.Initial != InitialMerge || l.Writes() != [2]bool{true, true} {
		t.Errorf("l = %+v", l)
	}
	if m.Initial != InitialRight || m.Writes() != [2]bool{true, false} || m.Conflict.Policy != resolver.Latest {
		t.Errorf("m = %+v", m)
	}
	table := l.Tables[0]
	if table.Names != [2]string{"tbl_t", "t"} || table.Conflict.Policy != resolver.TakeLeft || table.Conflict.Deletes != resolver.UpdateWins {
		t.Errorf("t = %+v", table)
	}
	if l.Tables[1].Conflict.Policy != resolver.Merge || l.Tables[1].Conflict.Deletes != resolver.UpdateWins {
		t.Errorf("u = %+v", l.Tables[1])
	}
	if table.Columns[0].Merge != resolver.Max || table.Columns[1].Values["1"] != "true" || table.Columns[1].Values["B"] != "b" {
		t.Errorf("columns = %+v %+v", table.Columns[0], table.Columns[1])
	}
	if config.Admin != nil || config.Store("a").Capture != CaptureAuto {
		t.Errorf("config = %+v", config)
	}
}

func TestGlobMatchesLikeRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?é[.")), 0, 8, -1).Draw(t, "pattern")
		name := rapid.StringOfN(rapid.SampledFrom([]rune("abé[./")), 0, 8, -1).Draw(t, "name")
		expr := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`^(?s:` + expr + `)$`).MatchString(name)
		if got := globMatch(pattern, name); got != want {
			t.Fatalf("globMatch(%q, %q) = %t", pattern, name, got)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"left", "right", "dsn", "engine", "values", "to_right"}
	for given, want := range map[string]string{
		"lft": "left", "rihgt": "right", "dns": "dsn", "Engine": "engine", "vals": "values", "to_rigth": "to_right",
		"x": "", "somewhere": "", "": "",
	} {
		if got := nearest(given, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", given, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.hcl", "testdata/online/*.hcl", "examples/*.hcl"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range found {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		config, diags := Parse("fuzz.hcl", src)
		if out := render(t, config, diags); len(diags) > 0 && out == "" {
			t.Error("diagnostics print nothing")
		}
		if diags.HasErrors() {
			return
		}
		table := &change.Table{Name: "t", Columns: []change.Column{{Name: "id", Kind: change.Int64}, {Name: "c", Kind: change.Text}}, Key: []int{0}}
		for _, l := range config.Links {
			Bind(l, []*change.Table{table}, []*change.Table{table})
		}
	})
}
