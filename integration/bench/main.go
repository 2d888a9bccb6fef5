// Command bench runs the benchmarks of whole links beside what else one would use, on the same
// servers in one run, and prints how they compare. The servers are those of package servers,
// which fetches and starts them.
//
//	go run ./integration/bench --run 'PostgresDrain/.*/1-row' --rows 100000
//	go run ./integration/bench --svg docs/pictures --json > bench.json
//
// Or it runs the benchmarks of each stage that a change goes through, and prints how they compare
// with what was recorded in a file:
//
//	go run ./integration/bench --stages integration/bench/stages.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// everything is the benchmarks that have a peer or a limit beside them.
const everything = "^Benchmark(PostgresDrain|PostgresConflicts|PostgresInitialCopy|PostgresLatency|" +
	"MariaDBDrain|MariaDBLatency|MySQLLatency|BucardoDrain|BucardoLatency|MarmotDrain|CrossDrain|CrossLatency|MySQLInitialLoad|Drain|Verify|Idle|Far)$"

// run runs the benchmarks and prints the report to out; what they say meanwhile goes to progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	pattern := flags.String("run", everything, "the benchmarks to run, as `go test -bench` takes them")
	rows := flags.Int("rows", 200_000, "rows of a backlog, or of a table that is copied")
	count := flags.Int("count", 1, "how often to run each; the report has the medians")
	asJSON := flags.Bool("json", false, "print JSON instead of tables")
	pictures := flags.String("svg", "", "a directory for pictures; it is made if it is missing")
	recorded := flags.String("stages", "", "compare the stages with the figures of this `file` instead")
	record := flags.Bool("record", false, "with --stages: write the figures to the file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rows < 10_000 || *count < 1 {
		return errors.New("it takes no arguments, at least 10000 rows, and a count of at least 1: see -h")
	}
	if *recorded != "" {
		return compareStages(ctx, *recorded, *record, out, progress)
	}
	report, err := measure(ctx, *pattern, *rows, *count, progress)
	if err != nil {
		return err
	}
	if *pictures != "" {
		if err := report.draw(*pictures); err != nil {
			return err
		}
	}
	if *asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.print(out)
}

// measure runs the benchmarks in a process of their own and reads what they found.
func measure(ctx context.Context, pattern string, rows, count int, progress io.Writer) (*report, error) {
	// Between elements of a name, -bench takes a pattern for each.
	said, err := goTest(ctx, progress, []string{"CDCSYNC_BENCH_ROWS=" + strconv.Itoa(rows)},
		"-bench", pattern, "-benchtime", "1x", "-count", strconv.Itoa(count), "-timeout", "0", module+"/integration")
	if err != nil {
		return nil, err
	}
	r, err := read(strings.NewReader(said))
	if err != nil {
		return nil, err
	}
	if len(r.Results) == 0 {
		return nil, fmt.Errorf("no benchmark is called %s", pattern)
	}
	r.Cores, r.Rows, r.Count = runtime.NumCPU(), rows, count
	return r, nil
}

const module = "github.com/cdcsync/cdcsync"

// goTest runs benchmarks without tests, and returns what it printed.
func goTest(ctx context.Context, progress io.Writer, environment []string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-run", "^$"}, arguments...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has servers to remove
	cmd.Env = append(os.Environ(), environment...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&said, progress), progress
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run the benchmarks: %w", err)
	}
	return said.String(), nil
}
