package configs

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
)

var _ mapping.Expression = (*Expression)(nil)

// Expression is the to_left or to_right of a column, or the where of a table. It is immutable
// and safe for concurrent use.
//
// Texts go through HCL, which brings them into Unicode's normal form C. An expression that
// fails while one of its inputs is NULL is NULL, as in SQL; one that handles NULL (with
// coalesce, or a comparison with null) is what it says.
type Expression struct {
	expr   hclsyntax.Expression
	column string // the label of the column block; "" for a filter
	attr   string // "to_left", "to_right" or "where"
	root   string // the variable of the row it reads: "left", "right" or "row"
	text   string // as it is written, with secrets masked
	params params // of the link, those that it reads
	inputs []string
	at     hcl.Range
	places []hcl.Range // where each input is first read
	funcs  map[string]function.Function
	sound  bool // no mistake was reported
}

// Inputs returns the names of the columns that the expression reads, in the order in which
// they first stand in it.
func (e *Expression) Inputs() []string { return slices.Clone(e.inputs) }

// Eval computes the value. Whole numbers are integers, other numbers are floats where that
// is exact and decimals elsewhere; texts are texts. Errors name the column and the
// attribute, and never show a value.
func (e *Expression) Eval(inputs []change.Value) (v change.Value, err error) {
	defer func() {
		if p := recover(); p != nil { // a bug in a function must not stop the link
			v, err = change.Value{}, fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = e.located(err)
		}
	}()
	if len(inputs) != len(e.inputs) {
		return change.Value{}, fmt.Errorf("%d inputs instead of %d", len(inputs), len(e.inputs))
	}
	row := make(map[string]cty.Value, len(inputs))
	null := false
	for i, input := range inputs {
		if row[e.inputs[i]], err = valueIn(input); err != nil {
			return change.Value{}, fmt.Errorf("read %s.%s: %w", e.root, e.inputs[i], err)
		}
		null = null || input.IsNull()
	}
	result, diags := e.expr.Value(e.context(row))
	if diags.HasErrors() {
		if null {
			return change.NullValue(), nil
		}
		return change.Value{}, brief(diags)
	}
	return valueOut(result)
}

// located says which expression an error is about.
func (e *Expression) located(err error) error {
	if e.column == "" {
		return fmt.Errorf("evaluate %s: %w", e.attr, err)
	}
	return fmt.Errorf("evaluate %s of column %q: %w", e.attr, e.column, err)
}

// context is what the expression is evaluated in.
func (e *Expression) context(row map[string]cty.Value) *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{e.root: cty.ObjectVal(row), "link": cty.ObjectVal(e.params)},
		Functions: e.funcs,
	}
}

// brief makes an error of the first mistake. What HCL quotes may be a value of the row,
// and is left out: the error ends up in logs.
func brief(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return errors.New(strings.ToLower(d.Summary) + ": " + strings.TrimSuffix(quoted.ReplaceAllLiteralString(d.Detail, "…"), "."))
		}
	}
	return errors.New("unknown mistake")
}

// quoted matches what a message has in double quotes.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)

// valueIn returns a value of a row as HCL has it.
func valueIn(v change.Value) (cty.Value, error) {
	switch v.Kind() {
	case change.Unset:
		return cty.NilVal, errors.New("the value is not known")
	case change.Null:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case change.Bool:
		return cty.BoolVal(v.Bool()), nil
	case change.Int64, change.Uint64, change.Float64, change.Decimal:
		return numberIn(v)
	case change.Bytes:
		return cty.NilVal, errors.New("expressions cannot use bytes")
	}
	if !utf8.ValidString(v.Str()) {
		return cty.NilVal, errors.New("the text is not valid UTF-8")
	}
	return cty.StringVal(v.Str()), nil
}

// valueOut returns what HCL computed as a value of a row.
func valueOut(v cty.Value) (change.Value, error) {
	v, _ = v.UnmarkDeep()
	switch {
	case v.IsNull():
		return change.NullValue(), nil
	case !v.IsKnown():
		return change.Value{}, errors.New("the result is not known")
	case v.Type() == cty.Bool:
		return change.BoolValue(v.True()), nil
	case v.Type() == cty.Number:
		return numberOut(v)
	case v.Type() == cty.String:
		return change.TextValue(v.AsString()), nil
	}
	return change.Value{}, fmt.Errorf("the result is of type %s, and a column takes a text, a number or a bool", v.Type().FriendlyName())
}

// expression decodes the expression that makes the value of side.
func (d *decoder) expression(attr *hclsyntax.Attribute, column string, side change.Side) *Expression {
	e := d.newExpression(attr)
	e.column, e.root = column, side.Other().String()
	d.compile(e)
	return e
}

// newExpression returns an expression that is not compiled.
func (d *decoder) newExpression(attr *hclsyntax.Attribute) *Expression {
	at := attr.Expr.Range()
	e := &Expression{expr: attr.Expr, attr: attr.Name, at: at, params: params{}, funcs: pureFunctions()}
	if file := d.config.files[at.Filename]; file != nil && at.CanSliceBytes(file.Bytes) {
		e.text = string(at.SliceBytes(file.Bytes))
	}
	return e
}

// compile checks an expression whose root is set.
func (d *decoder) compile(e *Expression) {
	exactOps(e.expr)
	before := len(d.diags)
	d.variables(e)
	d.calls(e)
	e.sound = len(d.diags) == before
	if e.sound {
		d.rehearse(e)
		e.sound = len(d.diags) == before
	}
}

// variables collects the inputs, and reports everything but columns of the row.
func (d *decoder) variables(e *Expression) {
	for _, traversal := range hclsyntax.Variables(e.expr) {
		at := traversal.SourceRange()
		root := traversal.RootName()
		if root == "link" {
			d.parameter(e, traversal)
			continue
		}
		if e.root == "" {
			d.errorf(at, "Unknown variable", "%s is the same for every row: a text, a number, true, false or null, or made of parameters of the link, as link.name.", e.attr)
			continue
		}
		if root != e.root {
			d.errorf(at, "Unknown variable", "An expression in %s reads columns as %s.name, parameters of the link as link.name, and nothing else.%s",
				e.attr, e.root, e.hint(root))
			continue
		}
		if len(traversal) < 2 {
			d.errorf(at, "Column expected", "Write %s.name: the whole row is no value.", e.root)
			continue
		}
		name, ok := stepName(traversal[1])
		if !ok {
			d.errorf(at, "Column expected", "Write %s.name, or %s[\"name\"] for a name with other characters.", e.root, e.root)
			continue
		}
		if len(traversal) > 2 {
			d.errorf(at, "Column expected", "%s.%s is one value and has nothing below it. To look into JSON, use jsondecode(%s.%s).", e.root, name, e.root, name)
			continue
		}
		if !slices.Contains(e.inputs, name) {
			e.inputs, e.places = append(e.inputs, name), append(e.places, at)
		}
	}
}

// hint says what was probably meant by a variable that there is not.
func (e *Expression) hint(root string) string {
	switch {
	case root != "left" && root != "right" && root != "row":
		return didYouMean(root, []string{e.root, "link"})
	case e.root == "row":
		return " A filter judges the rows of both sides: row has the columns that they share, by the names of their blocks."
	default:
		return fmt.Sprintf(" %s makes the value from the %s row.", e.attr, e.root)
	}
}

// stepName returns the name in .name or ["name"].
func stepName(step hcl.Traverser) (string, bool) {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

// calls reports functions that an expression must not call.
func (d *decoder) calls(e *Expression) {
	visit(e.expr, func(node hclsyntax.Node) {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return
		}
		switch call.Name {
		case "timestamp", "now", "uuid", "uuidv4", "uuidv5", "random", "bcrypt", "plantimestamp":
			d.errorf(call.NameRange, "Not a pure function",
				"%s gives another value at every call, so the two sides could never agree. An expression may use the row alone.", call.Name)
		case "env", "file":
			d.errorf(call.NameRange, "Not a pure function", "%s is for the dsn of a store. An expression may use the row alone.", call.Name)
		}
	})
}

// visit calls f for every node of an expression.
func visit(expr hclsyntax.Expression, f func(hclsyntax.Node)) {
	_ = hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics { // f reports nothing
		f(node)
		return nil
	})
}

// rehearse evaluates the expression with a row that is not known yet, which brings to
// light what would fail for every row.
func (d *decoder) rehearse(e *Expression) {
	defer func() {
		if p := recover(); p != nil {
			d.errorf(e.at, "Bad expression", "The expression cannot be evaluated: %v.", p)
		}
	}()
	row := make(map[string]cty.Value, len(e.inputs))
	for _, name := range e.inputs {
		row[name] = cty.DynamicVal
	}
	result, diags := e.expr.Value(e.context(row))
	d.take(diags)
	if diags.HasErrors() {
		return
	}
	result, _ = result.UnmarkDeep()
	switch t := result.Type(); {
	case t == cty.DynamicPseudoType:
	case e.root == "row" && t != cty.Bool:
		d.errorf(e.at, "Not a condition", "A filter is true or false for each row, and this is of type %s. Compare it with something.", t.FriendlyName())
	default:
		if _, err := convert.Convert(cty.UnknownVal(t), cty.String); err != nil {
			d.errorf(e.at, "Not a single value", "The result is of type %s, and a column takes a text, a number or a bool.", t.FriendlyName())
		}
	}
}
