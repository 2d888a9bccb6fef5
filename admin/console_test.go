package admin

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
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

var (
	scheme = regexp.MustCompile(`(?s):root \{(.*?)\}`)
	colour = regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6})`)
)

// Text can be read on its ground, in both schemes: by the level AA of the guidelines for
// accessibility, the contrast is 4.5 at the least.
func TestConsoleContrast(t *testing.T) {
	css, err := consoleFiles.ReadFile("console/style.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := scheme.FindAllSubmatch(css, -1)
	if len(schemes) != 2 {
		t.Fatalf("%d schemes", len(schemes))
	}
	for i, s := range schemes {
		light := map[string]float64{}
		for _, m := range colour.FindAllSubmatch(s[1], -1) {
			light[string(m[1])] = luminance(t, string(m[2]))
		}
		for _, pair := range []string{
			"ink ground", "ink paper", "soft ground", "soft paper", "accent-ink accent", "good good-ground", "warn warn-ground", "bad bad-ground",
			"bad ground", "bad paper", "warn paper", "good ground", "paper ink", "paper bad", "ink warn-ground",
		} {
			text, ground, _ := strings.Cut(pair, " ")
			a, ok := light[text]
			b, there := light[ground]
			if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < 4.5 || !ok || !there {
				t.Errorf("scheme %d: %s on %s has a contrast of %.1f", i, text, ground, contrast)
			}
		}
	}
}

// luminance is that of a colour, as the guidelines define it.
func luminance(t *testing.T, hex string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
