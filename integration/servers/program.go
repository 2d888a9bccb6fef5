package servers

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// run runs a program to its end and returns what it printed.
func run(cmd *exec.Cmd, who *account) (string, error) {
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = 5 * time.Second // for children that it left behind when it was killed
	p, err := spawn(cmd, who, kill)
	if err == nil {
		<-p.ended
		err = p.err
	}
	if err != nil {
		said := tail(strings.TrimSpace(out.String()+complaints.String()), 2000)
		return out.String(), fmt.Errorf("run %s: %w\n%s", filepath.Base(cmd.Path), err, said)
	}
	return out.String(), nil
}

// tail returns the end of a text, from the beginning of a line.
func tail(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	if _, rest, ok := strings.Cut(text, "\n"); ok {
		return rest
	}
	return text
}
