package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// scratch writes a module with one package of targets.
func scratch(t *testing.T, targets string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":              "module scratch\n\ngo 1.26\n",
		"inner/inner.go":      "package inner\n",
		"inner/inner_test.go": "package inner\n\nimport \"testing\"\n" + targets,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Targets of a scratch module, each behind a space, so that nobody takes them for targets of this one.
const whole = `
 func FuzzWhole(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) { _ = len(text) })
}
`

const broken = `
 func FuzzBroken(f *testing.F) {
	f.Add("long enough")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 11 {
			t.Error("it is too long")
		}
	})
}
`

// TestBroken fuzzes a target that fails on an input: it is named, with the input and the command
// that runs it again, and the others are fuzzed all the same.
func TestBroken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds a part of the standard library anew")
	}
	dir := scratch(t, broken+whole)
	var out strings.Builder
	err := run(t.Context(), []string{"-C", dir, "--time", "3s", "--parallel", "1"}, &out)
	if err == nil || err.Error() != "1 of 2 targets failed" {
		t.Errorf("%v", err)
	}
	text := out.String()
	for _, pattern := range []string{
		`(?m)^FAIL inner FuzzBroken +3\.0s +\d+ executions +\d+ new interesting$`,
		`(?m)^ok   inner FuzzWhole +3\.0s +[1-9]\d* executions +\d+ new interesting$`,
		`it is too long`,
		`the input, inner/testdata/fuzz/FuzzBroken/\w+:\n    go test fuzz v1\n    string\(".{12,}"\)\n`,
		`go test -run '\^FuzzBroken\$/\^\w+\$' \./inner\n`,
	} {
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("it does not say %q:\n%s", pattern, text)
		}
	}
}

// TestNothingToRun does not take a target for fuzzed that is not there, or that cannot be built.
func TestNothingToRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"-C", scratch(t, "\nfunc TestNone(t *testing.T) {}\n")}, &out); err == nil || !strings.HasPrefix(err.Error(), "no target of 0") {
		t.Errorf("%v", err)
	}
	if err := run(t.Context(), []string{"-C", scratch(t, whole+"var none int = \"\"\n")}, &out); err == nil || !strings.Contains(err.Error(), "build the tests of inner") {
		t.Errorf("%v", err)
	}
	if o := read("FuzzWhole", []byte("testing: warning: no fuzz tests to fuzz\nPASS\n"), nil); o.failure == "" {
		t.Error("a target that was not run is no failure")
	}
}

// TestEndOfTime tells the end of the time that Go before 1.27 takes for an error from errors.
func TestEndOfTime(t *testing.T) {
	t.Parallel()
	const (
		started = "fuzz: elapsed: 0s, gathering baseline coverage: 0/2 completed\n"
		said    = "fuzz: elapsed: 3s, execs: 40304 (13431/sec), new interesting: 4 (total: 108)\n"
		end     = "--- FAIL: FuzzIt (3.20s)\n    context deadline exceeded\nFAIL\n"
	)
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"the end":             {started + said + end, true},
		"nothing fuzzed":      {end, false},
		"little time":         {started + end, true},
		"another target":      {started + said + strings.ReplaceAll(end, "FuzzIt", "FuzzOther"), false},
		"of the target":       {started + said + "--- FAIL: FuzzIt (3.20s)\n    --- FAIL: FuzzIt (0.01s)\n        it_test.go:9: context deadline exceeded\nFAIL\n", false},
		"with something more": {started + said + strings.Replace(end, "exceeded\n", "exceeded\n    and this\n", 1), false},
		"with something said": {started + said + "panic: no\n" + end, false},
		"and something after": {started + said + end + "more\n", false},
		"a process ended":     {started + said + "--- FAIL: FuzzIt (3.20s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\nFAIL\n", false},
	} {
		o := read("FuzzIt", []byte(c.text), errors.New("exit status 1"))
		if (o.failure == "") != c.ok {
			t.Errorf("%s: %q", name, o.failure)
		}
		if strings.Contains(c.text, said) && (o.executions != 40304 || o.interesting != 4) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestInputAtTheEnd has a target written an input down at the end of its time, when Go says no more
// than that this is over.
func TestInputAtTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "binary")
	script := "#!/bin/sh\nmkdir -p testdata/fuzz/FuzzIt\nprintf 'go test fuzz v1\\nint(7)\\n' >testdata/fuzz/FuzzIt/0123\n" +
		"echo 'fuzz: elapsed: 3s, execs: 40304 (13431/sec), new interesting: 4 (total: 108)'\n" +
		"echo '--- FAIL: FuzzIt (3.20s)'\necho '    context deadline exceeded'\necho FAIL\nexit 1\n"
	if err := os.WriteFile(binary, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	o := target{dir, ".", "FuzzIt"}.fuzz(t.Context(), binary, dir, time.Second, 1)
	if !strings.Contains(o.failure, "int(7)") || !strings.Contains(o.failure, "go test -run '^FuzzIt$/^0123$'") {
		t.Errorf("%q", o.failure)
	}
	// What is there already is none that failed now.
	if o := (target{dir, ".", "FuzzIt"}).fuzz(t.Context(), binary, dir, time.Second, 1); o.failure != "" {
		t.Errorf("%q", o.failure)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	began := time.Now()
	s := share{each: time.Minute, budget: 10 * time.Minute, began: began, beside: 2 * time.Second}
	for _, c := range []struct {
		left       int
		past, took time.Duration
	}{
		{5, 0, time.Minute},
		{20, 0, 28 * time.Second},
		{20, 8 * time.Minute, 4 * time.Second},
		{20, 9 * time.Minute, least},
		{20, 11 * time.Minute, least},
		{1, 9*time.Minute + 30*time.Second, 28 * time.Second},
	} {
		if took := s.of(c.left, began.Add(c.past)); took != c.took {
			t.Errorf("%d left after %s: %s, not %s", c.left, c.past, took, c.took)
		}
	}
	s.budget = 0
	if took := s.of(20, began.Add(time.Hour)); took != time.Minute {
		t.Errorf("without a budget: %s", took)
	}
}

// TestTargets looks for a few of the targets of this module, in their packages.
func TestTargets(t *testing.T) {
	t.Parallel()
	found, err := targets("../..")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, t := range found {
		names = append(names, t.String())
	}
	for _, want := range []string{"sources/mysql/binlog FuzzEach", "sources/postgres FuzzDecode", "configs FuzzParse"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "integration/fuzz") }) {
		t.Errorf("what only the tests write is taken for a target: %q", names)
	}
}
