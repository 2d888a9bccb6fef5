package configs

import (
	"bytes"
	"regexp"
	"strings"
)

// What is kept of a file for showing the line of a mistake is a copy in which everything
// that may be a secret is overwritten with asterisks, byte by byte, so that all ranges
// stay right. It works on lines and not on what the parser understood, because a file
// that does not parse is shown too: an unterminated quote in front of a password must not
// bring it to light. It masks rather too much than too little:
//
//   - from a line that opens a store block to the one that ends it (or opens another
//     block), all text but the values of engine, capture and insecure, and calls of env and
//     file;
//   - anywhere, the values of attributes whose name tells of a secret;
//   - anywhere, what looks like a URL, up to the quote that ends it where it has spaces.

// masker holds the patterns of one run of mask.
type masker struct {
	opensStore, header, attribute, plain, secretName, url, call *regexp.Regexp
}

func newMasker() *masker {
	return &masker{
		opensStore: regexp.MustCompile(`(^|[^.\w-])store\s*["{]|^\s*store\b`),
		header:     regexp.MustCompile(`^\s*[A-Za-z_][\w-]*(\s+"[\w.*?-]*")*\s*\{\s*\}?\s*$`),
		attribute:  regexp.MustCompile(`^\s*"?[\w-]+"?\s*=`),
		plain:      regexp.MustCompile(`^\s*(engine|capture|insecure)\s*=\s*("[\w-]*"|[\w-]*)`),
		secretName: regexp.MustCompile(`(?i)\b\w*(dsn|dns|passw|pwd|secret|salt|token|credential|api_?key)\w*"?\s*=($|[^=>])`),
		url:        regexp.MustCompile(`\S*://(\S*"\S*|[^"]*)`),
		// What env and file are called with is no secret if it looks like a name or a path.
		call: regexp.MustCompile(`\$\{\s*(env|file)\(\s*"[\w./ -]*"\s*\)\s*\}|(env|file)\(\s*"[\w./ -]*"\s*\)`),
	}
}

// mask returns a copy of src, of the same length, with what may be secret masked.
func mask(src []byte) []byte {
	m := newMasker()
	out := bytes.Clone(src)
	inStore := false
	for start := 0; start < len(out); {
		end := len(out)
		if i := bytes.IndexByte(out[start:], '\n'); i >= 0 {
			end = start + i
		}
		inStore = m.line(out[start:end], inStore)
		start = end + 1
	}
	return out
}

// line masks one line in place and tells whether the next one is in a store block.
func (m *masker) line(line []byte, inStore bool) bool {
	text := string(line)
	if inStore && endsStore(text) || !inStore && !m.opensStore.MatchString(text) {
		m.outside(line)
		return m.opensStore.MatchString(text) && !strings.Contains(text, "}")
	}
	if inStore {
		m.inside(line)
		return true
	}
	// The line that opens the block: what stands behind the brace is inside.
	brace := bytes.IndexByte(line, '{')
	if brace < 0 {
		m.outside(line)
		return true
	}
	m.outside(line[:brace])
	body := line[brace+1:]
	if i := bytes.LastIndexByte(body, '}'); i >= 0 && len(bytes.TrimSpace(body[i+1:])) == 0 {
		m.inside(body[:i])
		return false
	}
	m.inside(body)
	return true
}

// endsStore tells whether a line in the first column ends the store block that is open or
// opens another block.
func endsStore(line string) bool {
	for _, word := range []string{"}", "link ", "link\t", "admin ", "admin\t", "admin{"} {
		if strings.HasPrefix(line, word) {
			return true
		}
	}
	return false
}

// inside masks a line of a store block.
func (m *masker) inside(line []byte) {
	if m.header.Match(line) || len(bytes.Trim(line, " \t\r{}")) == 0 {
		return
	}
	start := 0
	if loc := m.plain.FindIndex(line); loc != nil {
		start = loc[1]
	} else if loc := m.attribute.FindIndex(line); loc != nil {
		start = loc[1]
	}
	m.cover(line[start:])
}

// outside masks a line that belongs to no store block.
func (m *masker) outside(line []byte) {
	for _, loc := range m.url.FindAllIndex(line, -1) {
		m.cover(line[loc[0]:loc[1]])
	}
	if loc := m.secretName.FindIndex(line); loc != nil {
		m.cover(line[loc[0]+bytes.IndexByte(line[loc[0]:], '=')+1:])
	}
}

// cover masks text, all but space, quotes around it, and calls of env and file.
func (m *masker) cover(text []byte) {
	keep := m.call.FindAllIndex(text, -1)
	for i := range text {
		if len(keep) > 0 && i >= keep[0][1] {
			keep = keep[1:]
		}
		if len(keep) > 0 && i >= keep[0][0] {
			continue
		}
		switch text[i] {
		case ' ', '\t', '\r', '"', '#':
		default:
			text[i] = '*'
		}
	}
}
