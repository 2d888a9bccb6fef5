package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// pageLink is a link of a page to another one, or to a place in it.
	pageLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// unlinked is what is left out of a heading where it is linked to.
	unlinked = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestPageLinks follows the links of all pages to files and headings of the repository, and so
// where alerts say that they are explained.
func TestPageLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, page := range append(pages, "../README.md", "../ARCHITECTURE.md") {
		for _, m := range pageLink.FindAllStringSubmatch(string(content(t, page)), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if anchor != "" && !anchors(t, target)[anchor] {
				t.Errorf("%s links to %s, and there is no such heading", page, m[1])
			}
		}
	}
	operate := anchors(t, "../docs/operate.md")
	for _, m := range regexp.MustCompile(`runbook_url: \S+/docs/operate\.md#(\S+)`).FindAllStringSubmatch(string(content(t, "../configs/grafana/alerts.yml")), -1) {
		if followed++; !operate[m[1]] {
			t.Errorf("an alert is explained at %s, and there is no such heading", m[1])
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were followed", followed)
	}
}

// anchors are the places of a page that may be linked to.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(content(t, page)), -1) {
		found[strings.ReplaceAll(unlinked.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}
