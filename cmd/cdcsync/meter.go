package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// meter shows in the last line of a terminal how far something is, below what is written through
// it; elsewhere it shows nothing. It is safe for concurrent use.
type meter struct {
	out     io.Writer
	columns int // 0: it shows nothing

	mu    sync.Mutex
	lines map[string]string // by who shows them
	shown string
}

func newMeter(w io.Writer) *meter {
	columns, _ := terminal(w)
	if os.Getenv("TERM") == "dumb" {
		columns = 0
	}
	return &meter{out: w, columns: columns, lines: map[string]string{}}
}

// show shows a line for somebody; an empty one shows nothing. Those of several follow each other.
func (m *meter) show(who, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.columns == 0 || m.lines[who] == text {
		return
	}
	if m.lines[who] = text; text == "" {
		delete(m.lines, who)
	}
	m.erase()
	m.draw()
}

// clear removes the line of somebody.
func (m *meter) clear(who string) { m.show(who, "") }

// Write writes p above the line.
func (m *meter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
	n, err := m.out.Write(p)
	m.draw()
	return n, err
}

func (m *meter) erase() {
	if m.shown != "" {
		fmt.Fprint(m.out, "\r\x1b[K")
		m.shown = ""
	}
}

func (m *meter) draw() {
	if len(m.lines) == 0 {
		return
	}
	var all []string
	for _, who := range slices.Sorted(maps.Keys(m.lines)) {
		all = append(all, m.lines[who])
	}
	runes := []rune(printable(strings.Join(all, " · ")))
	m.shown = string(runes[:min(len(runes), m.columns-1)])
	fmt.Fprint(m.out, m.shown)
}

// bar draws how much of a whole is done.
func bar(done, whole uint64) string {
	const width = 20
	filled := int(min(done, whole) * width / max(whole, 1))
	return "[" + strings.Repeat("█", filled) + strings.Repeat("░", width-filled) + "]"
}
