package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// report collects diagnostics.
type report struct {
	diags hcl.Diagnostics
}

// errorf reports a mistake. The detail is in whole sentences.
func (r *report) errorf(at hcl.Range, summary, detail string, args ...any) {
	r.add(hcl.DiagError, at, summary, fmt.Sprintf(detail, args...))
}

// warnf reports something that works and is probably not meant.
func (r *report) warnf(at hcl.Range, summary, detail string, args ...any) {
	r.add(hcl.DiagWarning, at, summary, fmt.Sprintf(detail, args...))
}

func (r *report) add(severity hcl.DiagnosticSeverity, at hcl.Range, summary, detail string) {
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &at})
}

// take adds what HCL reports, without the values and expressions that it would print.
func (r *report) take(diags hcl.Diagnostics) {
	for _, d := range diags {
		plain := *d
		plain.Expression, plain.EvalContext, plain.Context = nil, nil, nil
		r.diags = append(r.diags, &plain)
	}
}

// decoder turns the bodies of the files into a Config.
type decoder struct {
	report
	config *Config
	given  params // of the link that is being decoded
	salt   Secret // of its masks
}

// schema is what a block may hold. Later lists what the design has and this version has
// not, so that it is named rather than unknown.
type schema struct {
	attrs, blocks, later []string
}

// check reports what is in body and not in s, and attributes that are written as blocks or
// the other way round.
func (d *decoder) check(body *hclsyntax.Body, where string, s schema) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		at := body.Attributes[name].NameRange
		switch {
		case slices.Contains(s.attrs, name):
		case slices.Contains(s.later, name):
			d.later(at, "attribute", name)
		case slices.Contains(s.blocks, name):
			d.errorf(at, "Block expected", "%q is a block: write it without the equals sign, as %s { … }.", name, name)
		default:
			d.errorf(at, "Unknown attribute", "There is no attribute %q in %s.%s",
				name, where, knownNames(name, "attributes", s.attrs))
		}
	}
	for _, b := range body.Blocks {
		switch {
		case slices.Contains(s.blocks, b.Type):
		case slices.Contains(s.later, b.Type):
			d.later(b.TypeRange, "block", b.Type)
		case slices.Contains(s.attrs, b.Type):
			d.errorf(b.TypeRange, "Attribute expected", "%q is an attribute: write it as %s = …", b.Type, b.Type)
		default:
			d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s.%s",
				b.Type, where, knownNames(b.Type, "blocks", s.blocks))
		}
	}
}

// later reports something that a later version will have.
func (d *decoder) later(at hcl.Range, what, name string) {
	d.errorf(at, "Not supported yet",
		"This version of cdcsync does not support the %s %q yet. Take it out: nothing would be done about it.", what, name)
}

// label returns the one label of b. Blocks without a usable label are reported and left out.
func (d *decoder) label(b *hclsyntax.Block) (string, bool) {
	switch {
	case len(b.Labels) == 0:
		d.errorf(b.DefRange(), "Missing name", "A %s block needs a name: %s \"name\" { … }.", b.Type, b.Type)
		return "", false
	case len(b.Labels) > 1:
		d.errorf(b.LabelRanges[1], "More than one name", "A %s block has one name only.", b.Type)
	case b.Labels[0] == "":
		d.errorf(b.LabelRanges[0], "Missing name", "The name of a %s block must not be empty.", b.Type)
		return "", false
	}
	return b.Labels[0], true
}

// identifier returns the label of b, which is used in references, URLs and logs.
func (d *decoder) identifier(b *hclsyntax.Block) (string, bool) {
	name, ok := d.label(b)
	if ok && !ValidName(name) {
		d.errorf(b.LabelRanges[0], "Bad name",
			"The name of a %s begins with a letter and has letters, digits, - and _ only, 63 at most.", b.Type)
		return "", false
	}
	return name, ok
}

// ValidName tells whether a store or a link can have a name.
func ValidName(name string) bool {
	return hclsyntax.ValidIdentifier(name) && len(name) <= 63 && !strings.ContainsFunc(name, func(r rune) bool { return r > 127 })
}

// noLabel reports labels on a block that has none.
func (d *decoder) noLabel(b *hclsyntax.Block) {
	if len(b.Labels) > 0 {
		d.errorf(b.LabelRanges[0], "Name not expected", "A %s block has no name: %s { … }.", b.Type, b.Type)
	}
}

// required returns the attribute called name of b, and reports it if there is none.
func (d *decoder) required(b *hclsyntax.Block, name, example string) *hclsyntax.Attribute {
	attr := b.Body.Attributes[name]
	if attr == nil {
		d.errorf(b.DefRange(), "Missing attribute", "The %s block needs %s, for example: %s = %s", b.Type, name, name, example)
	}
	return attr
}

// text evaluates an expression that must be a constant text.
func (d *decoder) text(expr hclsyntax.Expression) (string, bool) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		d.take(diags)
		return "", false
	}
	if v.IsNull() || v.Type() != cty.String {
		d.errorf(expr.Range(), "Text expected", "The value must be a text in quotes.")
		return "", false
	}
	return v.AsString(), true
}

// truth evaluates an attribute that is true or false. Ok is false after a mistake.
func (d *decoder) truth(attr *hclsyntax.Attribute) (value, ok bool) {
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.Bool {
		d.errorf(attr.Expr.Range(), "True or false expected", "Write %s = true or %s = false, without quotes.", attr.Name, attr.Name)
		return false, false
	}
	return v.True(), true
}

// name evaluates an attribute that is the name of a table or column; "" if it is missing
// or wrong.
func (d *decoder) name(attr *hclsyntax.Attribute) string {
	if attr == nil {
		return ""
	}
	name, ok := d.text(attr.Expr)
	if ok && name == "" {
		d.errorf(attr.Expr.Range(), "Empty name", "%s must not be empty.", attr.Name)
	}
	return name
}

// texts evaluates a list of constant texts and reports the ones that are there twice.
func (d *decoder) texts(attr *hclsyntax.Attribute) []Pattern {
	if attr == nil {
		return nil
	}
	list, ok := attr.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		d.errorf(attr.Expr.Range(), "List expected", "Write a list: %s = [\"a\", \"b\"].", attr.Name)
		return nil
	}
	var texts []Pattern
	for _, expr := range list.Exprs {
		text, ok := d.text(expr)
		switch {
		case !ok:
		case text == "":
			d.errorf(expr.Range(), "Empty name", "A name in %s must not be empty.", attr.Name)
		case slices.ContainsFunc(texts, func(p Pattern) bool { return p.Text == text }):
			d.errorf(expr.Range(), "Listed twice", "%q is in %s more than once.", text, attr.Name)
		default:
			texts = append(texts, Pattern{Text: text, at: expr.Range()})
		}
	}
	return texts
}

// choice evaluates an attribute that is one of a few words; "" if it is missing or wrong.
// Later are the words that a later version will have.
func (d *decoder) choice(attr *hclsyntax.Attribute, words, later []string) string {
	if attr == nil {
		return ""
	}
	word, ok := d.text(attr.Expr)
	if !ok || slices.Contains(words, word) {
		return word
	}
	if slices.Contains(later, word) {
		d.errorf(attr.Expr.Range(), "Not supported yet", "This version of cdcsync does not support %s = %q yet; it has %s.",
			attr.Name, word, oneOf(words))
		return ""
	}
	d.errorf(attr.Expr.Range(), "Unknown "+attr.Name, "%s is %s, not %q.%s",
		attr.Name, oneOf(words), word, didYouMean(word, slices.Concat(words, later)))
	return ""
}

// pairs evaluates an object of constant texts, one to one.
func (d *decoder) pairs(attr *hclsyntax.Attribute) map[string]string {
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		d.errorf(attr.Expr.Range(), "Values expected", "Write the values of the left and of the right column: %s = { A = \"active\" }.", attr.Name)
		return nil
	}
	if len(object.Items) == 0 {
		d.errorf(attr.Expr.Range(), "No values", "%s is empty: every row would be parked.", attr.Name)
		return nil
	}
	there, back := map[string]string{}, map[string]string{}
	for _, item := range object.Items {
		left, ok := d.scalar(item.KeyExpr)
		right, ok2 := d.scalar(item.ValueExpr)
		if !ok || !ok2 {
			continue
		}
		if _, found := there[left]; found {
			d.errorf(item.KeyExpr.Range(), "Values not one to one", "The left value %q is in %s more than once.", left, attr.Name)
			continue
		}
		if other, found := back[right]; found {
			d.errorf(item.ValueExpr.Range(), "Values not one to one",
				"Both %q and %q on the left become %q on the right, so there is no way back.", other, left, right)
			continue
		}
		there[left], back[right] = right, left
	}
	return there
}

// scalar evaluates a constant text, number or bool, as text.
func (d *decoder) scalar(expr hclsyntax.Expression) (string, bool) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		d.take(diags)
		return "", false
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil || text.IsNull() {
		d.errorf(expr.Range(), "Text expected", "The value must be a text, a number or a bool.")
		return "", false
	}
	return text.AsString(), true
}

// ranges returns the places of the values of all attributes of body.
func ranges(body *hclsyntax.Body) map[string]hcl.Range {
	at := make(map[string]hcl.Range, len(body.Attributes))
	for name, attr := range body.Attributes {
		at[name] = attr.Expr.Range()
	}
	return at
}

// place returns the range of the attribute called name, or def if there is none.
func place(attrs map[string]hcl.Range, name string, def hcl.Range) hcl.Range {
	if at, ok := attrs[name]; ok {
		return at
	}
	return def
}

// line prints where at is, for a sentence that refers to it.
func line(at hcl.Range) string { return fmt.Sprintf("%s line %d", at.Filename, at.Start.Line) }
