// Package cdcsync_test checks what holds for the repository as a whole.
package cdcsync_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cdcsync/cdcsync"

// room is one rule of who may know whom. The first room that matches a package is its own;
// a package without a room breaks the rules.
type room struct {
	// pattern is a path below the module, "*" for one element of it.
	pattern string
	// may are the patterns of packages of the project that it may import; "=" is the same
	// engine as its own. "**" is every package.
	may []string
	// modules are the other modules that it may import, by the beginning of their paths;
	// "**" is every one. The standard library is free.
	modules []string
}

var rooms = []room{
	{".", nil, nil},
	{"change", nil, nil},
	{"mapping", []string{"change"}, nil},
	{"resolver", []string{"change"}, nil},
	{"checkpoint", []string{"change"}, nil},
	{"sources", []string{"change"}, nil},
	{"sinks", []string{"change", "checkpoint"}, nil},
	{"sources/sourcetest", []string{"change", "checkpoint", "sources", "sinks"}, []string{"go.uber.org/goleak"}},
	{"sinks/sinktest", []string{"change", "checkpoint", "sources", "sinks", "sources/sourcetest"}, nil},
	{"stores/liveness", nil, nil},
	{"stores/*", []string{"change", "stores/liveness"}, []string{"**"}},
	// What the tests of an engine's source and sink share.
	{"stores/*/*", []string{"**"}, everything},
	{"sources/*", []string{"change", "sources", "stores/=", "stores/liveness", "sources/=/*"}, []string{"**"}},
	// What a source decodes, apart from how it gets it.
	{"sources/*/*", []string{"change", "stores/="}, []string{"**"}},
	{"sinks/*", []string{"change", "checkpoint", "sinks", "stores/="}, []string{"**"}},
	{
		"router", []string{"change", "mapping", "resolver", "checkpoint", "sources", "sinks"},
		[]string{"github.com/hashicorp/go-hclog", "github.com/cenkalti/backoff", "golang.org/x/"},
	},
	{"keymap", []string{"change", "mapping", "sources", "sinks"}, []string{"github.com/hashicorp/golang-lru/v2"}},
	{
		"configs", []string{"change", "mapping", "resolver"},
		[]string{"github.com/hashicorp/hcl/v2", "github.com/zclconf/go-cty", "github.com/agext/levenshtein", "golang.org/x/"},
	},
	{
		"configs/draft", []string{"change", "mapping", "configs"},
		[]string{"github.com/hashicorp/hcl/v2/hclwrite", "github.com/zclconf/go-cty"},
	},
	{"configs/*", []string{"change", "mapping", "resolver", "configs"}, nil},
	{"verify", []string{"change", "mapping", "sources"}, []string{"golang.org/x/"}},
	{"admin", []string{"change", "checkpoint"}, []string{"**"}},
	{"cmd/cdcsync", []string{"**"}, []string{"**"}},
	// The demo plays the applications that write to the databases.
	{"cmd/cdcsync/demo", []string{"change", "checkpoint", "router"}, []string{"modernc.org/sqlite", "**"}},
	{"integration", []string{"**"}, everything},
	{"integration/*", []string{"**"}, everything},
}

// drivers are modules that only the rooms of one engine may import, and those that name them.
var drivers = map[string]string{
	"modernc.org/sqlite":               "sqlite",
	"github.com/jackc/":                "postgres",
	"github.com/go-sql-driver/mysql":   "mysql",
	"github.com/go-mysql-org/go-mysql": "mysql",
}

var everything = append(slices.Collect(maps.Keys(drivers)), "**")

// pkg is what "go list" says of a package.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
}

// TestArrows checks that every package imports only what its room may know. Tests may
// import what they like.
func TestArrows(t *testing.T) {
	watch(t)
	packages, err := list(t)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range packages {
		if p.Module != nil && p.Module.Path == module {
			seen++
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages of the project were listed", seen)
	}
	for _, broken := range check(packages) {
		t.Error(broken)
	}
}

// watch looks at every Go file, so that a cached result of this test is not used once one of
// them has changed: what "go list" reads is not seen by the cache.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".go") {
			_, err = os.Stat(file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T) ([]pkg, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Module", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, stderr.String())
	}
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode list of packages: %w", err)
		}
		packages = append(packages, p)
	}
}

// check returns a sentence for each import that is against the rules.
func check(packages []pkg) []string {
	standard := map[string]bool{"C": true, "unsafe": true}
	for _, p := range packages {
		standard[p.ImportPath] = standard[p.ImportPath] || p.Standard
	}
	var broken []string
	for _, p := range packages {
		name, ours := below(p.ImportPath)
		if !ours {
			continue
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return match(r.pattern, name, "") })
		if i < 0 {
			broken = append(broken, name+" has no room: say in arrows_test.go who it may know")
			continue
		}
		for _, imported := range p.Imports {
			if !standard[imported] && !allowed(rooms[i], name, imported) {
				broken = append(broken, fmt.Sprintf("%s imports %s", name, imported))
			}
		}
	}
	return broken
}

func allowed(r room, name, imported string) bool {
	if other, ours := below(imported); ours {
		return slices.ContainsFunc(r.may, func(pattern string) bool { return match(pattern, other, engineOf(name)) })
	}
	for driver, engine := range drivers {
		if strings.HasPrefix(imported, driver) && engineOf(name) != engine && !slices.Contains(r.modules, driver) {
			return false
		}
	}
	return slices.ContainsFunc(r.modules, func(prefix string) bool {
		return prefix == "**" || strings.HasPrefix(imported, prefix)
	})
}

// engineOf returns the engine that a package is of, if it is of one.
func engineOf(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	engine, _, _ := strings.Cut(rest, "/")
	return engine
}

// below returns the path of a package below the module, "." for its root.
func below(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// match tells whether a package is meant by a pattern, in which "=" is the engine.
func match(pattern, name, engine string) bool {
	if pattern == "**" {
		return true
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "=", engine), name)
	return ok && err == nil
}

// TestArrowsAreChecked gives the check imports that it has to find, and some that it may not.
func TestArrowsAreChecked(t *testing.T) {
	tests := []struct {
		from, to string
		ok       bool
	}{
		{"change", "strings", true},
		{"change", module + "/mapping", false},
		{"change", "github.com/hashicorp/go-hclog", false},
		{"mapping", module + "/change", true},
		{"mapping", module + "/resolver", false},
		{"mapping", "github.com/zclconf/go-cty/cty", false},
		{"resolver", module + "/checkpoint", false},
		{"checkpoint", module + "/sinks", false},
		{"sources", module + "/checkpoint", false},
		{"sinks", module + "/checkpoint", true},
		{"stores/sqlite", module + "/change", true},
		{"stores/sqlite", "modernc.org/sqlite", true},
		{"stores/sqlite", "modernc.org/sqlite/lib", true},
		{"stores/sqlite", module + "/sources", false},
		{"stores/sqlite", module + "/stores/mem", false},
		{"stores/mysql", "modernc.org/sqlite", false},
		{"sources/sqlite", module + "/stores/sqlite", true},
		{"sources/sqlite", module + "/stores/mysql", false},
		{"sources/sqlite", module + "/sources/mem", false},
		{"sources/sqlite", module + "/sources/mysql/binlog", false},
		{"sources/mysql", module + "/sources/mysql/binlog", true},
		{"sources/mysql/binlog", module + "/stores/mysql", true},
		{"sources/mysql/binlog", module + "/stores/sqlite", false},
		{"sources/mysql/binlog", module + "/sources", false},
		{"sources/mysql/binlog", "github.com/go-sql-driver/mysql", true},
		{"sources/mysql/binlog", "github.com/jackc/pgx/v5", false},
		{"sources/sqlite", module + "/sinks", false},
		{"sources/sqlite", module + "/router", false},
		{"sources/sqlite", module + "/configs", false},
		{"sinks/postgres", module + "/stores/postgres", true},
		{"sinks/postgres", module + "/sources/postgres", false},
		{"sinks/postgres", "github.com/jackc/pgx/v5", true},
		{"sinks/mysql", "github.com/jackc/pgx/v5", false},
		{"router", module + "/sinks", true},
		{"router", module + "/sinks/mem", false},
		{"router", module + "/stores/mem", false},
		{"router", module + "/configs", false},
		{"router", "modernc.org/sqlite", false},
		{"configs", module + "/router", false},
		{"configs", module + "/stores/sqlite", false},
		{"verify", module + "/sources", true},
		{"verify", module + "/router", false},
		{"verify", module + "/sources/postgres", false},
		{"admin", module + "/router", false},
		{"admin", module + "/sinks/sqlite", false},
		{"cmd/cdcsync", module + "/sources/mysql", true},
		{"cmd/cdcsync", "modernc.org/sqlite", false},
		{"cmd/cdcsync/demo", "modernc.org/sqlite", true},
		{"cmd/cdcsync/demo", module + "/sinks/sqlite", false},
		{"integration", module + "/sinks/sqlite", true},
		{"integration", "modernc.org/sqlite", true},
		{"utils", module + "/change", false},
	}
	for _, test := range tests {
		packages := []pkg{
			{ImportPath: "strings", Standard: true},
			{ImportPath: module + "/" + test.from, Imports: []string{test.to}},
		}
		if broken := check(packages); (len(broken) == 0) != test.ok {
			t.Errorf("%s imports %s: got %q", test.from, test.to, broken)
		}
	}
}
