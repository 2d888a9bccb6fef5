package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is a function that is fuzzed.
type target struct {
	// module is its directory, pack the one of the package below it.
	module, pack, name string
}

func (t target) String() string { return t.pack + " " + t.name }

// targets finds those of a module in its sources: to ask each package, all of them are built.
func targets(module string) (found []target, err error) {
	if _, err := os.Stat(filepath.Join(module, "go.mod")); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(module, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != module && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pack, err := filepath.Rel(module, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") && len(f.Type.Params.List) == 1 && isF(f.Type.Params.List[0].Type) {
				found = append(found, target{module, filepath.ToSlash(pack), f.Name.Name})
			}
		}
		return nil
	})
	return found, err
}

// isF tells whether a type is written *testing.F.
func isF(of ast.Expr) bool {
	pointer, ok := of.(*ast.StarExpr)
	if !ok {
		return false
	}
	f, ok := pointer.X.(*ast.SelectorExpr)
	return ok && f.Sel.Name == "F"
}

// outcome is what came of fuzzing a target.
type outcome struct {
	executions, interesting int
	// failure says what failed and how to see it again, or is empty.
	failure string
}

// stuck is how long a target may take beside its time before it is given up: its corpus is run in
// that, and a machine may be slow.
const stuck = 5 * time.Minute

// build builds the tests of a package to be fuzzed, as `go test -fuzz` would for each target of it.
func build(ctx context.Context, module, pack, binary string) error {
	command := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz", ".", "-o", binary, "./"+pack)
	command.Dir = module
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the tests of %s: %w\n%s", pack, err, text)
	}
	return nil
}

// fuzz fuzzes the target for some time. Inputs that are worth it are kept in cache, each after a second
// at most in which it is made smaller: it would be a minute, which is all the time that there is.
func (t target) fuzz(ctx context.Context, binary, cache string, took time.Duration, parallel int) outcome {
	before, err := t.inputs()
	if err != nil {
		return outcome{failure: err.Error()}
	}
	within, cancel := context.WithTimeout(ctx, took+stuck)
	defer cancel()
	command := exec.CommandContext(within, binary, "-test.paniconexit0", "-test.run=^$", "-test.fuzz=^"+t.name+"$",
		"-test.fuzztime="+took.String(), "-test.fuzzminimizetime=1s",
		"-test.fuzzcachedir="+cache, "-test.parallel="+strconv.Itoa(parallel))
	command.Dir = filepath.Join(t.module, t.pack)
	command.WaitDelay = 10 * time.Second
	text, err := command.CombinedOutput()
	o := read(t.name, text, err)
	if within.Err() != nil && ctx.Err() == nil {
		o.failure = fmt.Sprintf("    it did not end within %s\n%s", took+stuck, tail(text))
	}
	after, err := t.inputs()
	if err != nil {
		o.failure += indent(err.Error())
	}
	for _, input := range after {
		if slices.Contains(before, input) {
			continue
		}
		// Go may not say that it wrote one, when it did so at the end of its time.
		if o.failure == "" {
			o.failure = tail(text)
		}
		o.failure += t.again(input)
	}
	return o
}

// inputs are the files of its corpus in the module; Go writes an input that failed beside them.
func (t target) inputs() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(t.module, t.pack, "testdata", "fuzz", t.name))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// again says what the input is, as the machine may be gone with it, and how it is run.
func (t target) again(input string) string {
	name := path.Join(t.pack, "testdata", "fuzz", t.name, input)
	text, err := os.ReadFile(filepath.Join(t.module, name))
	if err != nil {
		text = []byte(err.Error())
	}
	return fmt.Sprintf("    the input, %s:\n%s    to run it again, write it there, and: go test -run '^%s$/^%s$' ./%s\n",
		name, indent(string(text)), t.name, input, t.pack)
}

// elapsed begins each line in which Go says how far it is.
const elapsed = "fuzz: elapsed: "

var (
	progress = regexp.MustCompile(`(?m)^` + elapsed + `.*, execs: (\d+) .*, new interesting: (\d+) `)
	// The end of the time that is taken for an error of the target: Go before 1.27 does that when the
	// end of it is seen before its workers are told (https://go.dev/issue/75804).
	endOfTime = regexp.MustCompile(`(?m)^--- FAIL: (\w+) \([\d.]+s\)\n    context deadline exceeded\nFAIL\n\z`)
)

// read reads what Go said while it fuzzed a target.
func read(name string, text []byte, err error) (o outcome) {
	said := progress.FindAllSubmatch(text, -1)
	if len(said) > 0 {
		last := said[len(said)-1]
		o.executions, _ = strconv.Atoi(string(last[1]))
		o.interesting, _ = strconv.Atoi(string(last[2]))
	}
	// Where there is little time, it may be over before the inputs of the corpus were executed.
	began := bytes.Contains(text, []byte(elapsed))
	switch end := endOfTime.FindSubmatchIndex(text); {
	case err == nil && began:
	case err == nil:
		o.failure = "    nothing was fuzzed\n" + tail(text)
	case end != nil && string(text[end[2]:end[3]]) == name && began && onlyProgress(text[:end[0]]):
	default:
		o.failure = fmt.Sprintf("    %v\n%s", err, tail(text))
	}
	return o
}

// onlyProgress tells whether Go said nothing but how far it was.
func onlyProgress(text []byte) bool {
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(elapsed)) {
			return false
		}
	}
	return true
}

// tail is the end of what was said, without how far it was.
func tail(text []byte) string {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(elapsed)) {
			kept = append(kept, line...)
		}
	}
	const most = 20_000
	if len(kept) > most {
		kept = append([]byte("...\n"), kept[len(kept)-most:]...)
	}
	return indent(string(kept))
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
