package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const maxSecretBytes = 64 << 10

// A dsn is evaluated here and not by HCL: so few forms are needed that each can be seen to
// keep the text out of diagnostics, and HCL's own messages cannot be.

// secret evaluates the expression of a dsn, or of what else is a secret.
func (d *decoder) secret(expr hclsyntax.Expression, what string) Secret {
	text, _, ok := d.secretText(expr, what)
	if !ok {
		return Secret{}
	}
	if strings.TrimSpace(text) == "" {
		d.errorf(expr.Range(), "Empty "+what, "The %s must not be empty.", what)
		return Secret{}
	}
	return NewSecret(text)
}

// secretText evaluates expr. Hidden: the text, or a part of it, came from env or file and
// may not be printed.
func (d *decoder) secretText(expr hclsyntax.Expression, what string) (text string, hidden, ok bool) {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		if e.Val.Type() == cty.String && !e.Val.IsNull() {
			return e.Val.AsString(), false, true
		}
	case *hclsyntax.TemplateExpr:
		return d.secretParts(e.Parts, what)
	case *hclsyntax.TemplateWrapExpr:
		return d.secretText(e.Wrapped, what)
	case *hclsyntax.ParenthesesExpr:
		return d.secretText(e.Expression, what)
	case *hclsyntax.FunctionCallExpr:
		text, ok = d.secretCall(e, what)
		return text, true, ok
	}
	d.errorf(expr.Range(), "Bad "+what, "A %s is a text in quotes, env(\"NAME\"), file(\"path\"), or a text with these inside ${ }.", what)
	return "", false, false
}

func (d *decoder) secretParts(parts []hclsyntax.Expression, what string) (text string, hidden, ok bool) {
	var b strings.Builder
	ok = true
	for _, part := range parts {
		t, h, k := d.secretText(part, what)
		b.WriteString(t)
		hidden, ok = hidden || h, ok && k
	}
	return b.String(), hidden, ok
}

// secretCall evaluates a call of env or file.
func (d *decoder) secretCall(call *hclsyntax.FunctionCallExpr, what string) (string, bool) {
	known := []string{"env", "file"}
	if call.Name != "env" && call.Name != "file" {
		d.errorf(call.NameRange, "Unknown function", "In a %s there are the functions env and file only.%s", what, didYouMean(call.Name, known))
		return "", false
	}
	if len(call.Args) != 1 || call.ExpandFinal {
		d.errorf(call.Range(), "One argument expected", "%s takes one text.", call.Name)
		return "", false
	}
	arg, hidden, ok := d.secretText(call.Args[0], what)
	if !ok {
		return "", false
	}
	if call.Name == "env" {
		return d.env(call, arg, hidden)
	}
	return d.file(call, arg, hidden)
}

// env reads an environment variable. Its name is printed if it looks like one and not
// like a dsn that was put there by mistake.
func (d *decoder) env(call *hclsyntax.FunctionCallExpr, name string, hidden bool) (string, bool) {
	if hidden || !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
		d.errorf(call.Range(), "Bad variable name", "env takes the name of an environment variable: letters, digits and _.")
		return "", false
	}
	value, set := os.LookupEnv(name)
	switch {
	case !set:
		d.errorf(call.Range(), "Variable not set", "The environment variable %s is not set. Export it where cdcsync is started.", name)
	case value == "":
		d.errorf(call.Range(), "Variable empty", "The environment variable %s is set and empty.", name)
	}
	return value, value != ""
}

// file reads a file whose path is relative to the config file. Line ends at its end are
// not part of the text.
func (d *decoder) file(call *hclsyntax.FunctionCallExpr, path string, hidden bool) (string, bool) {
	shown := fmt.Sprintf("%q", path)
	if hidden || strings.ContainsAny(path, "@\n") || strings.Contains(path, "://") {
		shown = "that it names" // it may be a dsn that was put there by mistake
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(call.Range().Filename), path)
	}
	text, mode, err := readSecret(path)
	if err != nil {
		d.errorf(call.Range(), "Cannot read file", "The file %s cannot be read: %v. Relative paths start at the config file.", shown, err)
		return "", false
	}
	if mode.Perm()&0o004 != 0 {
		d.warnf(call.Range(), "Secret readable by everyone", "Every user of this machine can read the file %s. Run: chmod 600 on it.", shown)
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		d.errorf(call.Range(), "File empty", "The file %s is empty.", shown)
	}
	return text, text != ""
}

// readSecret reads a small regular file. Its errors do not name it.
func readSecret(path string) (string, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", 0, errors.New("it is not a regular file")
	}
	if info.Size() > maxSecretBytes {
		return "", 0, fmt.Errorf("it is larger than %d KiB", maxSecretBytes>>10)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, bare(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecretBytes))
	if err != nil {
		return "", 0, bare(err)
	}
	return string(text), info.Mode(), nil
}

// bare takes the path out of an error.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
