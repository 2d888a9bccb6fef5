package configs

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MaxFileBytes is how large a config file may be. What is parsed is bounded because the parser
// recurses, and a stack that overflows takes the process with it.
const (
	MaxFileBytes = 256 << 10
	maxNesting   = 100
)

// Load reads the config in paths: each is a file, or a directory of which all files that
// end in .hcl are read, in the order of their names. It reads the environment and the
// files that the config refers to, and connects to nothing.
//
// The Config is never nil, and complete only if the diagnostics have no errors (they may
// have warnings). They are sorted by place.
func Load(paths ...string) (*Config, hcl.Diagnostics) {
	d := newDecoder()
	var bodies []*hclsyntax.Body
	for _, path := range d.expand(paths) {
		src, err := readConfig(path)
		if err != nil {
			d.fail("Cannot read config", err.Error())
			continue
		}
		bodies = append(bodies, d.parse(path, src))
	}
	return d.finish(bodies)
}

// Parse is Load for one file that is already read. Filename is for diagnostics, and its
// directory is where relative paths in file() start.
func Parse(filename string, src []byte) (*Config, hcl.Diagnostics) {
	d := newDecoder()
	if len(src) > MaxFileBytes {
		d.fail("Cannot read config", errTooLarge(filename).Error())
		return d.finish(nil)
	}
	return d.finish([]*hclsyntax.Body{d.parse(filename, src)})
}

func newDecoder() *decoder {
	return &decoder{config: &Config{files: map[string]*hcl.File{}}}
}

// fail reports a mistake that has no place in a file.
func (d *decoder) fail(summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail})
}

// expand lists the files of paths, each once.
func (d *decoder) expand(paths []string) []string {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			d.fail("Cannot read config", err.Error())
			continue
		}
		found := []string{path}
		if info.IsDir() {
			if found, err = configsIn(path); err != nil {
				d.fail("Cannot read config", err.Error())
				continue
			}
		}
		for _, file := range found {
			if file = filepath.Clean(file); !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// configsIn lists the config files of a directory by name.
func configsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() && strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file in %s ends in .hcl", dir)
	}
	return files, nil
}

// readConfig reads a config file up to the limit.
func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	src, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(src) > MaxFileBytes {
		return nil, errTooLarge(path)
	}
	return src, nil
}

func errTooLarge(path string) error {
	return fmt.Errorf("%s is larger than %d KiB: split it and give the directory", path, MaxFileBytes>>10)
}

// parse parses one file. What is kept of its text is masked.
func (d *decoder) parse(filename string, src []byte) *hclsyntax.Body {
	masked := &hcl.File{Bytes: mask(src)}
	d.config.files[filename] = masked
	if at, deep := tooDeep(filename, src); deep {
		d.errorf(at, "Nested too deeply", "Brackets are nested more than %d deep here.", maxNesting)
		return nil
	}
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	d.take(withhold(diags, src, masked.Bytes))
	if file == nil {
		return nil
	}
	masked.Nav = file.Nav
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok || diags.HasErrors() || !d.checkNumbers(body) {
		return nil
	}
	return body
}

// checkNumbers reports numbers out of range, which are short as numbers and gigabytes as
// texts. It is false after one.
func (d *decoder) checkNumbers(body *hclsyntax.Body) bool {
	ok := true
	_ = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics { // it reports by itself
		if literal, is := node.(*hclsyntax.LiteralValueExpr); is && bounded(literal.Val) != nil {
			d.errorf(literal.SrcRange, "Number out of range", "Numbers have up to 100 digits and exponents up to about 1200.")
			ok = false
		}
		return nil
	})
	return ok
}

// tooDeep tells where brackets are nested deeper than the limit.
func tooDeep(filename string, src []byte) (hcl.Range, bool) {
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos) // its mistakes come again from the parser
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if depth++; depth > maxNesting {
				return t.Range, true
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		}
	}
	return hcl.Range{}, false
}

// withhold takes out of syntax errors what the parser quotes of masked text, and the
// errors that an unterminated quote brings about on every line that follows.
func withhold(diags hcl.Diagnostics, src, masked []byte) hcl.Diagnostics {
	var kept hcl.Diagnostics
	quotes := 0
	for _, diag := range diags {
		if diag.Summary == "Invalid multi-line string" {
			if quotes++; quotes > 1 {
				continue
			}
		}
		diag.Detail = quoted.ReplaceAllStringFunc(diag.Detail, func(word string) string {
			content, err := strconv.Unquote(word)
			if err != nil {
				return redacted
			}
			if bytes.Contains(src, []byte(content)) && !bytes.Contains(masked, []byte(content)) {
				return redacted
			}
			return word
		})
		kept = append(kept, diag)
	}
	return kept
}

// lineAt returns the line of src that byte number at is on.
func lineAt(src []byte, at int) string {
	at = min(max(at, 0), len(src))
	start := strings.LastIndexByte(string(src[:at]), '\n') + 1
	end := len(src)
	if i := strings.IndexByte(string(src[at:]), '\n'); i >= 0 {
		end = at + i
	}
	return string(src[start:end])
}

// finish decodes and validates the parsed bodies. With a syntax error anywhere it does
// not: what was not understood would be reported as missing everywhere else.
func (d *decoder) finish(bodies []*hclsyntax.Body) (*Config, hcl.Diagnostics) {
	if !d.diags.HasErrors() {
		d.decode(bodies)
		d.validate()
	}
	sortDiags(d.diags)
	return d.config, d.diags
}

// decode decodes all files: stores first, because links refer to them.
func (d *decoder) decode(bodies []*hclsyntax.Body) {
	for _, body := range bodies {
		d.check(body, "a config file", schema{
			attrs:  []string{"data_dir"},
			blocks: []string{"store", "link", "admin"},
			later:  []string{"memory", "log"},
		})
		d.dataDir(body.Attributes["data_dir"])
		for _, b := range body.Blocks {
			if b.Type == "store" {
				d.store(b)
			}
		}
	}
	for _, body := range bodies {
		for _, b := range body.Blocks {
			switch b.Type {
			case "link":
				d.link(b)
			case "admin":
				d.admin(b)
			}
		}
	}
}

// dataDir decodes the directory of the links. Whether it can be used, the preflight tells.
func (d *decoder) dataDir(attr *hclsyntax.Attribute) {
	if attr == nil {
		return
	}
	path, ok := d.text(attr.Expr)
	switch {
	case !ok:
	case d.config.DataDir != "":
		d.errorf(attr.NameRange, "Duplicate data_dir", "There is a data_dir already; one is for all files.")
	case !filepath.IsAbs(path):
		d.errorf(attr.Expr.Range(), "Absolute path expected", "Write the whole path: data_dir = \"/var/lib/cdcsync\". A link has to find its directory again from wherever it is started.")
	default:
		d.config.DataDir = filepath.Clean(path)
	}
}

// sortDiags sorts by file and place; what has no place comes first.
func sortDiags(diags hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(rank(a), rank(b))
		}
		return cmp.Or(
			cmp.Compare(a.Subject.Filename, b.Subject.Filename),
			cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte),
		)
	})
}

func rank(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return 1
}
