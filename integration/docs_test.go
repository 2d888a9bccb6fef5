package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks are the fenced parts of a document that a reader types or saves.
var blocks = regexp.MustCompile("(?s)```(sh|hcl|text)\n(.*?)```")

// TestReadme does what the README's example says, in its order, and expects to see what it
// says one sees.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := freeAddress(t)
	script := "set -e\n"
	want := ""
	for _, m := range blocks.FindAllStringSubmatch(string(text), -1) {
		body := strings.ReplaceAll(m[2], "127.0.0.1:8480", address)
		switch m[1] {
		case "sh":
			script += body
		case "hcl":
			if err := os.WriteFile(filepath.Join(dir, "shop.hcl"), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		case "text":
			want += body
		}
	}
	// What the last commands print is what the text block shows. Then the text below it.
	script += "cdcsync status shop.hcl\ncdcsync conflicts shop.hcl\nkill $!\nwait $!\ncdcsync teardown shop.hcl\n" +
		"sqlite3 old.db .schema\nsqlite3 new.db .schema\n"
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), want) || want == "" {
		t.Errorf("the README promises\n%s\nbut this is what is printed:\n%s", want, out)
	}
	if strings.Contains(string(out), "TABLE _cdcsync") {
		t.Errorf("teardown left traces:\n%s", out)
	}
}
