package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/cmd/cdcsync/demo"
)

// A row that is changed behind the back of the link, after it has stopped, must be found.
func TestDemoFindsDamage(t *testing.T) {
	var out, progress bytes.Buffer
	o := demo.Options{
		For: 500 * time.Millisecond, Dir: t.TempDir(), Seed: 1, Rate: 100, JSON: true,
		Out: &out, Progress: &progress, Open: openDemoLink,
		BeforeCompare: func(paths [2]string) error {
			_, err := query(paths[1], "UPDATE orders SET quantity = quantity + 1 WHERE id = 1")
			return err
		},
	}
	equal, err := demo.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var summary struct {
		Equal    bool
		Problems []string
	}
	if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if equal || summary.Equal || len(summary.Problems) != 1 || !strings.HasPrefix(summary.Problems[0], "order 1:") {
		t.Errorf("got %v and %s", equal, &out)
	}
}

// Ctrl-C ends the writing, and what was written is compared all the same.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var out, progress bytes.Buffer
	code := run(ctx, []string{"demo", "--for", "1h", "--rate", "100", "--seed", "2"}, &out, &progress)
	if code != exitDone || !strings.Contains(out.String(), "\nEqual. ") {
		t.Errorf("exit code %d\n%s\n%s", code, &out, &progress)
	}
}
