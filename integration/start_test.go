package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStartPage does what docs/start.md says, in its order, and expects to see what it says one
// sees: a text block is what the commands before it print, and the config is what init writes.
func TestStartPage(t *testing.T) {
	t.Parallel()
	const file = "../docs/start.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page, dir, printed, shown := string(text), t.TempDir(), "", 0
	for _, m := range blocks.FindAllStringSubmatch(page, -1) {
		switch m[1] {
		case "sh":
			cmd := exec.Command("bash", "-c", "set -e\n"+m[2])
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", m[2], err, out)
			}
			printed = string(out)
		case "text":
			if shown++; printed != m[2] {
				t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s", m[2], printed)
			}
		case "hcl":
			shown++
			config, err := os.ReadFile(filepath.Join(dir, "shop.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				page = strings.Replace(page, m[0], "```hcl\n"+string(config)+"```", 1)
			} else if string(config) != m[2] {
				t.Errorf("the page has\n%s\nand init writes\n%s", m[2], config)
			}
		}
	}
	if shown < 4 {
		t.Errorf("only %d blocks were looked at", shown)
	}
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
