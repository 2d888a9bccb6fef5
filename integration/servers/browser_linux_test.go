package servers

import (
	"os"
	"strings"
	"testing"
)

// TestChromium has it read a page.
func TestChromium(t *testing.T) {
	if os.Getenv("CDCSYNC_CONSOLE_TEST") == "" {
		t.Skip("it fetches a browser: make console-test runs it")
	}
	browser, err := Chromium(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := browser.Command(t.Context(), "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--dump-dom",
		"data:text/html,<p><script>document.write(6*7)</script>")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "42") {
		t.Fatalf("%v\n%s", err, out)
	}
}
