package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// params are the parameters of a link: constants that its expressions read as link.name.
type params map[string]cty.Value

// params decodes the params of a link.
func (d *decoder) params(attr *hclsyntax.Attribute) params {
	found := params{}
	if attr == nil {
		return found
	}
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		d.errorf(attr.Expr.Range(), "Parameters expected", "Write names and values: %s = { region = \"EU\" }.", attr.Name)
		return found
	}
	for _, item := range object.Items {
		name, ok := d.text(item.KeyExpr)
		if !ok {
			continue
		}
		v, diags := item.ValueExpr.Value(nil)
		switch t := v.Type(); {
		case diags.HasErrors():
			d.take(diags)
		case !hclsyntax.ValidIdentifier(name):
			d.errorf(item.KeyExpr.Range(), "Bad name", "%q cannot be read as link.name: a name begins with a letter and has letters, digits, - and _ only.", name)
		case v.IsNull() || t != cty.String && t != cty.Number && t != cty.Bool:
			d.errorf(item.ValueExpr.Range(), "Bad parameter", "A parameter is a text, a number, true or false.")
		case found[name] != cty.NilVal:
			d.errorf(item.KeyExpr.Range(), "Duplicate parameter", "There is a parameter %q already.", name)
		default:
			found[name] = v
		}
	}
	return found
}

// parameter notes that an expression reads a parameter of the link, and reports one that there
// is not.
func (d *decoder) parameter(e *Expression, traversal hcl.Traversal) {
	at := traversal.SourceRange()
	if len(traversal) != 2 {
		d.errorf(at, "Parameter expected", "Write link.name, with a name that the params of the link have.")
		return
	}
	name, _ := stepName(traversal[1])
	v, ok := d.given[name]
	if !ok {
		names := slices.Sorted(maps.Keys(d.given))
		d.errorf(at, "Unknown parameter", "The link has no parameter %q: write it as params = { %s = … } in the link.%s", name, name, knownNames(name, "parameters", names))
		return
	}
	e.params[name] = v
}

// filter decodes the where of a table.
func (d *decoder) filter(attr *hclsyntax.Attribute) *Expression {
	if attr == nil {
		return nil
	}
	e := d.newExpression(attr)
	e.root = "row"
	d.compile(e)
	if e.sound && len(e.inputs) == 0 {
		d.errorf(e.at, "Filter of no column", "This is the same for every row. Read a column as row.name, or take where out.")
	}
	return e
}

// String returns the expression as it is written, and the parameters that it reads.
func (e *Expression) String() string {
	if len(e.params) == 0 {
		return e.text
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(e.params)) {
		v := e.params[name]
		text, _ := valueOut(v) // it is a text, a number or a bool
		if v.Type() == cty.String {
			list = append(list, fmt.Sprintf("%s = %q", name, text.Str()))
		} else {
			list = append(list, name+" = "+text.String())
		}
	}
	return e.text + " with " + strings.Join(list, ", ")
}
