package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestLogTailKeepsTheLastLines(t *testing.T) {
	tail := &logTail{}
	for i := range keptLines + 7 {
		fmt.Fprintf(tail, "{\"n\":%d}\n", i)
	}
	lines := tail.last(2)
	if len(lines) != 2 || string(lines[0]) != fmt.Sprintf(`{"n":%d}`, keptLines+5) || string(lines[1]) != fmt.Sprintf(`{"n":%d}`, keptLines+6) {
		t.Errorf("the last two are %s", lines)
	}
	if got := tail.last(10 * keptLines); len(got) != keptLines || string(got[0]) != `{"n":7}` {
		t.Errorf("%d are kept, from %s on", len(got), got[0])
	}
	if got := (*logTail)(nil).last(1); got != nil {
		t.Errorf("nothing keeps %s", got)
	}
}

// What is kept is bounded by its length, too.
func TestLogTailIsBounded(t *testing.T) {
	tail := &logTail{}
	line := `"` + strings.Repeat("x", keptBytes/10) + `"`
	for range 50 {
		fmt.Fprintln(tail, line)
	}
	if got := tail.last(100); len(got) != 9 {
		t.Errorf("%d long lines are kept", len(got))
	}
	fmt.Fprintln(tail, `"`+strings.Repeat("x", keptBytes)+`"`)
	fmt.Fprintln(tail, `"short"`)
	if got := tail.last(100); len(got) != 1 || string(got[0]) != `"short"` {
		t.Errorf("after a line that is too long: %d", len(got))
	}
}

// A logger writes the same to both, of the level that was asked for.
func TestLoggerKeepsItsTail(t *testing.T) {
	var out bytes.Buffer
	tail := &logTail{}
	log := newTailedLogger(&out, hclog.Info, tail)
	log.Debug("not this")
	log.With("link", "shop").Named("sub").Info("this", "rows", 3)
	lines := tail.last(10)
	if len(lines) != 1 {
		t.Fatalf("kept %s", lines)
	}
	for _, part := range []string{`"@message":"this"`, `"link":"shop"`, `"rows":3`, `"@level":"info"`} {
		if !strings.Contains(string(lines[0]), part) || !strings.Contains(out.String(), part) {
			t.Errorf("%s is not in %s and %s", part, lines[0], out.String())
		}
	}
}
