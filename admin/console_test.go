package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func (f *fake) LogTail(limit int) []json.RawMessage {
	f.limit = limit
	return []json.RawMessage{json.RawMessage(`{"@message":"starting","link":"shop"}`)}
}

func TestLogTail(t *testing.T) {
	f := newFake()
	w := ask(t, f, "GET", "/v1/log?limit=7")
	if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != `{"lines":[{"@message":"starting","link":"shop"}]}` || f.limit != 7 {
		t.Errorf("%d %s, asked for %d", w.Code, got, f.limit)
	}
	wantError(t, ask(t, f, "GET", "/v1/log?limit=0"), 400, "limit is a number")
}

// loads finds what a file of the console loads.
var loads = regexp.MustCompile(`(?:href|src)="([^"#]+)"|from "\./([^"]+)"`)

// The page and all that it loads is there, comes from here, and is of the type that browsers ask
// for; nothing in it is script or style in line, which its policy forbids.
func TestConsole(t *testing.T) {
	seen := []string{}
	for next := []string{"/"}; len(next) > 0; next = next[1:] {
		if slices.Contains(seen, next[0]) {
			continue
		}
		seen = append(seen, next[0])
		w := ask(t, newFake(), "GET", next[0])
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Security-Policy") != consolePolicy || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s: %d %v", next[0], w.Code, h)
		}
		kind := map[string]string{"": "text/html", "css": "text/css", ".js": "text/javascript", "svg": "image/svg+xml"}[next[0][max(1, len(next[0])-3):]]
		if kind == "" || !strings.HasPrefix(h.Get("Content-Type"), kind) {
			t.Errorf("%s is of type %q", next[0], h.Get("Content-Type"))
		}
		text := w.Body.String()
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "outerHTML", "document.write", "eval(", " style=", "<style", "onclick="} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %s", next[0], bad)
			}
		}
		for _, m := range loads.FindAllStringSubmatch(text, -1) {
			at := m[1]
			if m[2] != "" {
				at = "/console/" + m[2]
			}
			next = append(next, at)
		}
	}
	files, err := consoleFiles.ReadDir("console")
	if err != nil || len(seen) != len(files) { // index.html is at /
		t.Errorf("the page loads %q, and there are %s (%v)", seen, fmt.Sprint(files), err)
	}
	wantError(t, ask(t, newFake(), "GET", "/console/none.js"), 404, "there is nothing at")
	wantError(t, ask(t, newFake(), "POST", "/"), 405, "GET")
}

// Whoever has no token gets the page, which asks for one, and nothing else.
func TestConsoleNeedsNoToken(t *testing.T) {
	for target, want := range map[string]int{
		"/": 200, "/console/script.js": 200, "/console/../v1/links": 307, "/console/none": 404, "/v1/links": 401, "/v1/log": 401,
	} {
		if w := serveWith(newFake(), tokens(readToken, operateToken), shown("GET", target, "")); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
}
