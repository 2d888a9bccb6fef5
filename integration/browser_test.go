package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// visitor is a person with a browser, without a display, that looks at one page.
type visitor struct {
	t   *testing.T
	ctx context.Context
	// complaints are what the browser says is wrong with the page.
	mu         sync.Mutex
	complaints []string
	// expected are parts of complaints that belong to what is tried.
	expected []string
}

// visit opens a page. Complaints of the browser fail the test, but those that have an expected part.
func visit(t *testing.T, url string, expected ...string) *visitor {
	t.Helper()
	browser, err := servers.Chromium(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := browser.Command(t.Context())
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(cmd.Path), chromedp.Env(cmd.Env...),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1100, 900))
	running, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	// It knows no events that are newer than itself, and says so.
	ctx, closePage := chromedp.NewContext(running, chromedp.WithErrorf(func(string, ...any) {}))
	v := &visitor{t: t, ctx: ctx, expected: expected}
	chromedp.ListenTarget(ctx, v.listen)
	t.Cleanup(func() {
		closePage()
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, c := range v.complaints {
			if !slices.ContainsFunc(v.expected, func(part string) bool { return strings.Contains(c, part) }) {
				t.Errorf("the browser says: %s", c)
			}
		}
	})
	// The first call opens the browser, which lives as long as its context.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("open the browser: %v", err)
	}
	v.do("open "+url, cdplog.Enable(), chromedp.Navigate(url))
	return v
}

// listen notes exceptions, and what was refused, such as by the policy of the page.
func (v *visitor) listen(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.complaints = append(v.complaints, e.ExceptionDetails.Error())
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError {
			v.complaints = append(v.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (v *visitor) do(what string, actions ...chromedp.Action) {
	v.t.Helper()
	limited, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(limited, actions...); err != nil {
		var text string
		_ = chromedp.Run(v.ctx, chromedp.Text("body", &text))
		v.t.Fatalf("%s: %v\nthe page shows:\n%s", what, err, text)
	}
}

// click clicks on a button once it is there, below what an XPath means.
func (v *visitor) click(below, name string) {
	v.t.Helper()
	v.do("click "+name, chromedp.Click(fmt.Sprintf("%s//button[normalize-space()=%q]", below, name), chromedp.NodeVisible))
}

// sees waits until text is shown below what an XPath means.
func (v *visitor) sees(below, text string) {
	v.t.Helper()
	v.do("see "+text, chromedp.WaitVisible(fmt.Sprintf("%s/descendant-or-self::*[contains(normalize-space(), %q)]", below, text)))
}

// press presses a key, with what a person types before it.
func (v *visitor) press(typed, key string) {
	v.t.Helper()
	var actions []chromedp.Action
	if typed != "" {
		actions = append(actions, chromedp.KeyEvent(typed))
	}
	v.do("press a key", append(actions, chromedp.KeyEvent(key))...)
}

// tabTo goes on with the Tab key until a button with that name has the focus.
func (v *visitor) tabTo(name string) {
	v.t.Helper()
	for range 100 {
		v.press("", kb.Tab)
		if v.focused() == name {
			return
		}
	}
	v.t.Fatalf("no Tab leads to %q; it ended at %q", name, v.focused())
}

// focused is the name of what has the focus.
func (v *visitor) focused() string {
	return says[string](v, `document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()`)
}

// says returns what a script comes to.
func says[T any](v *visitor, script string) (value T) {
	v.t.Helper()
	v.do(script, chromedp.Evaluate(script, &value))
	return value
}

// picture keeps a picture of the whole page as it looks in a scheme of colours at a width, and
// checks that nothing is cut off at the side, and that all that is used has a name.
func (v *visitor) picture(name, scheme string, width int64) {
	v.t.Helper()
	var image []byte
	v.do("take a picture", chromedp.EmulateViewport(width, 900),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.FullScreenshot(&image, 100))
	if err := os.WriteFile(filepath.Join(v.t.ArtifactDir(), name+".png"), image, 0o600); err != nil {
		v.t.Fatal(err)
	}
	const nameless = `[...document.querySelectorAll("button, input, select, a, progress")].filter((e) => !e.closest("[hidden]") &&
		!e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length).map((e) => e.outerHTML).join()`
	if without := says[string](v, nameless); without != "" {
		v.t.Errorf("%s: nobody can hear what these are: %s", name, without)
	}
	if wide := says[int64](v, "document.documentElement.scrollWidth"); wide > width {
		v.t.Errorf("%s: the page is %d wide in a window of %d", name, wide, width)
	}
}
