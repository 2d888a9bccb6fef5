package configs

import (
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// pureFunctions are the functions of expressions. None of them reads anything but its
// arguments, so an expression of the same row always has the same value.
func pureFunctions() map[string]function.Function {
	functions := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "round": roundFunc(),
		"int": stdlib.IntFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc, "signum": stdlib.SignumFunc,
		"parseint": stdlib.ParseIntFunc,

		"upper": stdlib.UpperFunc, "lower": stdlib.LowerFunc, "title": stdlib.TitleFunc,
		"trim": stdlib.TrimFunc, "trimspace": stdlib.TrimSpaceFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "chomp": stdlib.ChompFunc, "indent": stdlib.IndentFunc,
		"strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc, "strrev": stdlib.ReverseFunc,
		"replace": stdlib.ReplaceFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"regexreplace": stdlib.RegexReplaceFunc, "split": stdlib.SplitFunc, "join": stdlib.JoinFunc,
		"format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc,
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,

		"coalesce": stdlib.CoalesceFunc, "tostring": stdlib.MakeToFunc(cty.String),
		"tonumber": stdlib.MakeToFunc(cty.Number), "tobool": stdlib.MakeToFunc(cty.Bool),
		"jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,

		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "index": stdlib.IndexFunc,
		"keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "reverse": stdlib.ReverseListFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc,
	}
	for name, f := range functions {
		functions[name] = guard(name, f)
	}
	functions["try"], functions["can"] = tryfunc.TryFunc, tryfunc.CanFunc
	return functions
}

// guard refuses what a row could use to ask for more memory than there is: numbers out of
// range, which are short as numbers and gigabytes as texts, wide formats, and deep indents
// (of which a negative one panics).
func guard(name string, f function.Function) function.Function {
	formats := name == "format" || name == "formatlist"
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for i, arg := range args {
				if err := bounded(arg); err != nil {
					return cty.NilVal, function.NewArgError(i, err)
				}
			}
			if formats && args[0].IsKnown() && wideFormat(args[0].AsString()) {
				return cty.NilVal, function.NewArgErrorf(0, "a width of more than three digits is refused")
			}
			if name == "indent" && args[0].IsKnown() && !indentable(args[0].AsBigFloat()) {
				return cty.NilVal, function.NewArgErrorf(0, "an indent is a number from 0 to 999")
			}
			v, err := f.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			return v, bounded(v)
		},
	})
}

// bounded reports a number in v, however deep, that is out of range.
func bounded(v cty.Value) error {
	return cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && outOfRange(v.AsBigFloat()) {
			return false, errNumberRange
		}
		return true, nil
	})
}

// indentable tells whether n is a number of spaces that a line may be indented by.
func indentable(n *big.Float) bool {
	return n.Sign() >= 0 && n.Cmp(big.NewFloat(999)) <= 0
}

// wideFormat tells whether a number of four digits or more follows a percent sign.
func wideFormat(format string) bool {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		run := 0
		for i++; i < len(format) && strings.IndexByte("+-# 0123456789.[]", format[i]) >= 0; i++ {
			if format[i] < '0' || format[i] > '9' {
				run = 0
			} else if run++; run > 3 {
				return true
			}
		}
	}
	return false
}
