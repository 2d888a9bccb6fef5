package configs

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
)

// WriteDiagnostics writes diagnostics of c for people: each with its file, the line and a
// caret under what is wrong. Width is where the text is wrapped, 0 for not at all; color
// is for terminals. The lines come from the masked copies of the files, so no secret is in
// them. [hcl.NewDiagnosticTextWriter] has no caret, only color; this is its layout.
func (c *Config) WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, width int, color bool) error {
	var b bytes.Buffer
	for _, d := range diags {
		c.writeDiagnostic(&b, d, width, color)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write diagnostics: %w", err)
	}
	return nil
}

func (c *Config) writeDiagnostic(b *bytes.Buffer, d *hcl.Diagnostic, width int, color bool) {
	kind, on, off := "Error", "\x1b[1;31m", "\x1b[0m"
	if d.Severity == hcl.DiagWarning {
		kind, on = "Warning", "\x1b[1;33m"
	}
	if !color {
		on, off = "", ""
	}
	fmt.Fprintf(b, "%s%s:%s %s\n\n", on, kind, off, printable(d.Summary))
	if d.Subject != nil {
		c.writeSource(b, *d.Subject, on, off)
	}
	if d.Detail != "" {
		fmt.Fprintf(b, "%s\n\n", wrap(printable(d.Detail), width))
	}
}

// writeSource writes the first line of at, with carets under its part of at.
func (c *Config) writeSource(b *bytes.Buffer, at hcl.Range, on, off string) {
	fmt.Fprintf(b, "  on %s line %d", at.Filename, at.Start.Line)
	file := c.files[at.Filename]
	if file == nil || at.Start.Byte > len(file.Bytes) {
		b.WriteString("\n\n")
		return
	}
	if block := blockAt(file, at.Start.Byte); block != "" {
		fmt.Fprintf(b, ", in %s", printable(block))
	}
	text := lineAt(file.Bytes, at.Start.Byte)
	start := at.Start.Byte - (strings.LastIndexByte(string(file.Bytes[:at.Start.Byte]), '\n') + 1)
	end := min(max(start+at.End.Byte-at.Start.Byte, start+1), len(strings.TrimRight(text, " \t\r")))
	fmt.Fprintf(b, ":\n%4d: %s\n      ", at.Start.Line, printable(strings.TrimRight(text, " \t\r")))
	for _, r := range text[:start] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	carets := 1
	if end > start {
		carets = len([]rune(text[start:end]))
	}
	fmt.Fprintf(b, "%s%s%s\n\n", on, strings.Repeat("^", carets), off)
}

// blockAt returns the header of the block around a byte of a file, or "".
func blockAt(file *hcl.File, at int) string {
	nav, ok := file.Nav.(interface{ ContextString(offset int) string })
	if !ok {
		return ""
	}
	return nav.ContextString(at)
}

// printable replaces what a terminal might obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			return '·'
		}
		return r
	}, text)
}

// wrap breaks text at spaces so that no line is longer than width characters, as far as
// its words allow.
func wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
