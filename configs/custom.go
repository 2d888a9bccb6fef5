package configs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// Custom is the expression of a conflict block with policy = "custom". It reads the rows base, left
// and right, which are objects of the columns of the pair, or null where there is no such row, and
// makes an object of columns, or null to delete the row.
type Custom struct {
	expr  hclsyntax.Expression
	at    hcl.Range
	funcs map[string]function.Function
	link  map[string]cty.Value
	// reads are the columns that it names, each with its place; base: it reads base.
	reads []customRead
	base  bool
}

type customRead struct {
	name string
	at   hcl.Range
}

// customRoots are the rows that a custom policy reads.
var customRoots = []string{"base", "left", "right"}

// custom decodes the expression of a conflict block.
func (d *decoder) custom(attr *hclsyntax.Attribute) *Custom {
	c := &Custom{expr: attr.Expr, at: attr.Expr.Range(), funcs: pureFunctions(), link: map[string]cty.Value{}}
	exactOps(c.expr)
	e := d.newExpression(attr)
	for _, traversal := range hclsyntax.Variables(c.expr) {
		root := traversal.RootName()
		switch {
		case root == "link":
			d.parameter(e, traversal)
			continue
		case !slices.Contains(customRoots, root):
			d.errorf(traversal.SourceRange(), "Unknown variable", "A custom policy reads base, left and right, and parameters of the link as link.name.%s",
				didYouMean(root, append([]string{"link"}, customRoots...)))
			continue
		}
		c.base = c.base || root == "base"
		if len(traversal) < 2 {
			continue
		}
		if name, ok := stepName(traversal[1]); ok {
			c.reads = append(c.reads, customRead{name, traversal.SourceRange()})
		}
	}
	for name, v := range e.params {
		c.link[name] = v
	}
	d.calls(e)
	return c
}

// customPolicy is a Custom bound to the columns of a pair.
type customPolicy struct {
	*Custom
	pair *mapping.Pair
}

var _ resolver.Function = customPolicy{}

// Decide implements [resolver.Function]. Errors never show a value.
func (c customPolicy) Decide(base change.Image, left, right change.Row) (row change.Row, err error) {
	defer func() {
		if p := recover(); p != nil { // a bug in a function must not stop the link
			row, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	variables := map[string]cty.Value{"link": cty.ObjectVal(c.link)}
	for i, r := range []change.Row{base.Row, left, right} {
		if variables[customRoots[i]], err = c.object(r); err != nil {
			return nil, fmt.Errorf("read %s: %w", customRoots[i], err)
		}
	}
	result, diags := c.expr.Value(&hcl.EvalContext{Variables: variables, Functions: c.funcs})
	if diags.HasErrors() {
		return nil, brief(diags)
	}
	return c.row(result, left, right)
}

// object returns a row of the pair as HCL has it. A column that HCL cannot have is left out.
func (c customPolicy) object(row change.Row) (cty.Value, error) {
	if row == nil {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	values := map[string]cty.Value{}
	for i, v := range row {
		name := c.pair.Columns[i].Name
		value, err := valueIn(v)
		if err != nil {
			if c.names(name) {
				return cty.NilVal, fmt.Errorf("column %s: %w", name, err)
			}
			continue
		}
		values[name] = value
	}
	return cty.ObjectVal(values), nil
}

// names tells whether the expression names a column.
func (c customPolicy) names(column string) bool {
	return slices.ContainsFunc(c.reads, func(r customRead) bool { return r.name == column })
}

// row returns what HCL computed as a row of the pair. Columns that it leaves out are Unset; the key
// is that of the rows.
func (c customPolicy) row(v cty.Value, left, right change.Row) (change.Row, error) {
	v, _ = v.UnmarkDeep()
	switch {
	case v.IsNull():
		return nil, nil
	case !v.IsKnown() || !v.Type().IsObjectType() && !v.Type().IsMapType():
		return nil, fmt.Errorf("the result is of type %s, and has to be an object of columns, or null", v.Type().FriendlyName())
	}
	row := make(change.Row, len(c.pair.Columns))
	for name, value := range v.AsValueMap() {
		i := slices.IndexFunc(c.pair.Columns, func(column change.Column) bool { return column.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the result has a column %q, which the pair has not", name)
		}
		out, err := valueOut(value)
		if err == nil {
			out, err = mapping.Convert(out, c.pair.Columns[i])
		}
		if err != nil {
			return nil, fmt.Errorf("column %s of the result: %w", name, err)
		}
		row[i] = out
	}
	has := left
	if has == nil {
		has = right
	}
	for _, i := range c.pair.Key {
		if row[i].IsUnset() {
			row[i] = has[i]
		} else if row[i] != has[i] {
			return nil, errors.New("the result has another key")
		}
	}
	return row, nil
}

// bindCustom makes the function of a custom policy for a pair, and reports columns that the pair
// has not. It is nil for another policy.
func (b *binder) bindCustom(c Conflict, pair *mapping.Pair) resolver.Function {
	if c.Policy != resolver.Custom || c.Custom == nil {
		return nil
	}
	var names []string
	for i := range pair.Columns {
		names = append(names, pair.Columns[i].Name)
	}
	for _, r := range c.Custom.reads {
		if !slices.Contains(names, r.name) {
			b.errorf(r.at, "Unknown column", "The pair %q has no column %q. A custom policy reads columns by the names of their blocks, or those that both tables have.%s",
				pair.Name, r.name, didYouMean(r.name, names))
		}
	}
	return customPolicy{c.Custom, pair}
}
