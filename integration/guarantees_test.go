package integration

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGuaranteesAreTried looks for the tests that docs/guarantees.md and docs/security.md name.
func TestGuaranteesAreTried(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page := content(t, "../docs/guarantees.md")
	promises := regexp.MustCompile(`(?m)^\| (\d) \|.*$`).FindAll(page, -1)
	if len(promises) != 8 {
		t.Errorf("%d promises", len(promises))
	}
	names := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	for _, p := range promises {
		if !names.Match(p) {
			t.Errorf("no test is named in %s", p)
		}
	}
	for _, name := range names.FindAllString(string(page)+string(content(t, "../docs/security.md")), -1) {
		if !there[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestNamedTestsAreThere looks for the tests that the Makefile and the docs have `go test` run: it takes a
// pattern that nothing matches for a success.
func TestNamedTestsAreThere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range append(pages, "../Makefile", "../.ci/run", "../README.md", "../ARCHITECTURE.md") {
		for _, c := range testCommands(string(content(t, page))) {
			named++
			for _, alternative := range strings.Split(c.pattern, "|") {
				if there := testsOf(t, c.packages, alternative); !there {
					t.Errorf("%s: %s: no test in %q is called so", page, alternative, c.packages)
				}
			}
		}
	}
	if named < 20 {
		t.Errorf("%d commands", named)
	}
	if found := testCommands("x go test -run 'TestA|TestB/c' -v ./a ./b # why\ny $(GO) test ./c -run xxx; go test `go test -run TestD .`"); len(found) != 2 ||
		found[0].pattern != "TestA|TestB/c" || !slices.Equal(found[0].packages, []string{"./a", "./b"}) || found[1].pattern != "TestD" {
		t.Errorf("of commands it sees %q", found)
	}
	if testsOf(t, []string{"./integration"}, "TestNobodyWroteThis") || !testsOf(t, []string{"./integration"}, "TestNamedTestsAreThere/x") {
		t.Error("what is there and what is not look the same")
	}
}

// testCommand is what a command has `go test` run.
type testCommand struct {
	pattern  string
	packages []string
}

// testCommands finds those in a text that run tests by a name. Nothing is called xxx or ^$.
func testCommands(text string) (found []testCommand) {
	for _, command := range regexp.MustCompile(`(?:\bgo|\$\(GO\)) test\b([^\n#;&`+"`"+`]*)`).FindAllStringSubmatch(text, -1) {
		var c testCommand
		words := strings.Fields(command[1])
		for i, word := range words {
			switch {
			case word == "-run" && i+1 < len(words):
				c.pattern = strings.Trim(words[i+1], "'\"")
			case strings.HasPrefix(word, "."):
				c.packages = append(c.packages, strings.TrimRight(word, ".,:)"))
			}
		}
		if c.pattern != "" && c.pattern != "xxx" && !strings.HasPrefix(c.pattern, "^$") {
			found = append(found, c)
		}
	}
	return found
}

// testsOf tells whether the packages have a test that a pattern matches; what is behind a slash is not
// looked for.
func testsOf(t *testing.T, packages []string, pattern string) bool {
	t.Helper()
	name, _, _ := strings.Cut(pattern, "/")
	matches, err := regexp.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, pack := range packages {
		files, err := filepath.Glob(filepath.Join("..", pack, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, m := range function.FindAllSubmatch(content(t, file), -1) {
				if matches.Match(m[1]) {
					return true
				}
			}
		}
	}
	return false
}

// TestFuzzTargetsHaveACorpus looks for inputs beside each fuzz target, which every run of the tests
// tries.
func TestFuzzTargetsHaveACorpus(t *testing.T) {
	t.Parallel()
	targets := 0
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range target.FindAllSubmatch(text, -1) {
			targets++
			dir := filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(m[1]))
			if inputs, err := os.ReadDir(dir); err != nil || len(inputs) == 0 {
				t.Errorf("%s of %s has no corpus; go test -fuzz leaves inputs in its cache, of which a few small ones belong there: %v", m[1], path, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if targets < 30 {
		t.Errorf("%d targets", targets)
	}
}

// licences are those that a static binary may carry, by words that they have.
var licences = []struct{ name, words string }{
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"MPL-2.0", "mozilla public license, version 2.0"},
	{"Apache-2.0", "apache license version 2.0"},
	{"MIT", "permission is hereby granted, free of charge"},
	{"BSD", "redistribution and use in source and binary forms"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose"},
}

// licence names the licence of the module in dir; "" if it is none of those.
func licence(t *testing.T, dir string) string {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.ToUpper(f.Name()); !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text := strings.ToLower(strings.Join(strings.Fields(string(content(t, filepath.Join(dir, f.Name())))), " "))
		for _, l := range licences {
			if strings.Contains(text, l.words) {
				return l.name
			}
		}
	}
	return ""
}

// TestLicences lists the licences of all modules in the binary. All of them let a static binary be
// given away under Apache-2.0; MPL-2.0 asks that changes to its own files are.
func TestLicences(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "../cmd/cdcsync").Output()
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if lines.Text() != "" {
			modules = append(modules, lines.Text())
		}
	}
	slices.Sort(modules)
	modules = slices.Compact(modules)
	if len(modules) < 20 {
		t.Fatalf("%d modules", len(modules))
	}
	for _, m := range modules {
		path, dir, _ := strings.Cut(m, " ")
		if l := licence(t, dir); l == "" {
			t.Errorf("%s has no licence that is known to be fit: look at %s", path, dir)
		} else {
			t.Logf("%-10s %s", l, path)
		}
	}
}
