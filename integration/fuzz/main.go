// Command fuzz runs every fuzz target of the module, one after the other, each for a while, and
// prints a line for each. It fails if one failed, and then says which, on which input, and how to
// run that again.
//
//	go run ./integration/fuzz --time 10m
//	go run ./integration/fuzz --time 1m --budget 40m     # all of them together
//	go run ./integration/fuzz --run 'binlog FuzzEach$' --parallel 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// least is how long a target is fuzzed however little of the budget is left.
const least = 3 * time.Second

// run fuzzes what the arguments say, and says to out how that went.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(out)
	each := flags.Duration("time", time.Minute, "how long to fuzz each target")
	budget := flags.Duration("budget", 0, "how long all of them may take, with what builds them; each gets less then (0: any time)")
	parallel := flags.Int("parallel", 0, "how many processes fuzz a target (0: one for each core)")
	module := flags.String("C", ".", "the directory of the module")
	pattern := flags.String("run", "", "the targets to fuzz, by `package name`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	if flags.NArg() > 0 || *each < least || *budget < 0 || *parallel < 0 {
		return fmt.Errorf("it takes no arguments, and a time of at least %s: see -h", least)
	}
	found, err := targets(*module)
	if err != nil {
		return err
	}
	var chosen []target
	for _, t := range found {
		if wanted.MatchString(t.String()) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no target of %d in %s", len(found), *module)
	}
	if *parallel == 0 {
		*parallel = runtime.GOMAXPROCS(0)
	}
	return fuzz(ctx, chosen, share{each: *each, budget: *budget, began: time.Now()}, *parallel, out)
}

// fuzz builds the tests of each package, and fuzzes one target after the other, all of them even if one fails.
func fuzz(ctx context.Context, chosen []target, s share, parallel int, out io.Writer) error {
	dir, err := os.MkdirTemp("", "cdcsync-fuzz-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cache, err := corpus(ctx, chosen[0].module)
	if err != nil {
		return err
	}
	binaries := map[string]string{}
	for _, t := range chosen {
		if binaries[t.pack] == "" {
			binaries[t.pack] = filepath.Join(dir, strconv.Itoa(len(binaries)))
			if err := build(ctx, t.module, t.pack, binaries[t.pack]); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(out, "%d targets in %d packages, built in %s\n", len(chosen), len(binaries), time.Since(s.began).Round(time.Second))

	var executions, interesting, failed int
	for i, t := range chosen {
		began := time.Now()
		took := s.of(len(chosen)-i, began)
		o := t.fuzz(ctx, binaries[t.pack], filepath.Join(cache, t.pack), took, parallel)
		if err := ctx.Err(); err != nil {
			return err
		}
		s.beside = max(time.Since(began)-took, 0)
		executions += o.executions
		interesting += o.interesting
		word := "ok  "
		if o.failure != "" {
			word = "FAIL"
			failed++
		}
		fmt.Fprintf(out, "%s %-44s %5.1fs %10d executions %6d new interesting\n%s", word, t, took.Seconds(), o.executions, o.interesting, o.failure)
	}
	fmt.Fprintf(out, "%d targets, %d executions, %d new interesting, in %s\n", len(chosen), executions, interesting,
		time.Since(s.began).Round(time.Second))
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed", failed, len(chosen))
	}
	return nil
}

// corpus is where `go test -fuzz` keeps the inputs of a module that are worth it.
func corpus(ctx context.Context, module string) (dir string, err error) {
	var said [2]string
	for i, args := range [][]string{{"env", "GOCACHE"}, {"list", "-m"}} {
		command := exec.CommandContext(ctx, "go", args...)
		command.Dir = module
		text, err := command.Output()
		if err != nil {
			return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		said[i] = strings.TrimSpace(string(text))
	}
	return filepath.Join(said[0], "fuzz", said[1]), nil
}

// share is how the time is shared out.
type share struct {
	each, budget time.Duration
	began        time.Time
	// beside is what the last target took beside its own time, to run its corpus and to end.
	beside time.Duration
}

// of is how long the next target is fuzzed, of so many that are left.
func (s share) of(left int, now time.Time) time.Duration {
	if s.budget == 0 {
		return s.each
	}
	fair := (s.budget-now.Sub(s.began))/time.Duration(left) - s.beside
	return min(max(fair, least), s.each).Truncate(time.Second / 10)
}
