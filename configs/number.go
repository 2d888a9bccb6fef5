package configs

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/cdcsync/cdcsync/change"
)

// Numbers in expressions are decimals of up to 100 digits. HCL computes with binary
// floats of 512 bits, about 154 digits, in which 19.99 * 100 need not be 1999: so after
// every operation the result is rounded to 100 digits, which takes the binary noise away,
// and what is a decimal stays one. A float64 comes in as the shortest decimal that
// denotes it, as people read it, and not with all digits of its binary value.
const (
	precision = 512
	maxDigits = 100
	maxBits   = 4096 // of the exponent, in both directions
)

var (
	errNumberRange  = errors.New("number out of range")
	errNotFinite    = errors.New("not a finite number, as after a division by zero")
	errNumberDigits = errors.New("number of more than 100 digits")
)

// parseNumber returns a decimal text as a number.
func parseNumber(text string) (cty.Value, error) {
	if len(text) > 4*maxDigits {
		return cty.NilVal, errNumberDigits
	}
	f, _, err := big.ParseFloat(text, 10, precision, big.ToNearestEven)
	if err != nil || f.IsInf() {
		return cty.NilVal, errors.New("not a finite decimal number")
	}
	if outOfRange(f) {
		return cty.NilVal, errNumberRange
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	if digits := strings.Trim(strings.Replace(strings.TrimLeft(mantissa, "+-"), ".", "", 1), "0"); len(digits) > maxDigits {
		return cty.NilVal, errNumberDigits
	}
	return cty.NumberVal(f), nil
}

func outOfRange(f *big.Float) bool {
	exp := f.MantExp(nil)
	return f.IsInf() || exp > maxBits || exp < -maxBits
}

// round rounds f to 100 digits.
func round(f *big.Float) (*big.Float, error) {
	if f.IsInf() {
		return nil, errNotFinite
	}
	if outOfRange(f) {
		return nil, errNumberRange
	}
	if f.IsInt() && f.MinPrec() <= 332 { // 10^100 has 333 bits
		return f, nil
	}
	if n, ok := scaled(f); ok {
		whole := new(big.Float).SetPrec(precision).SetInt(n)
		return whole.Quo(whole, new(big.Float).SetInt64(scale)), nil
	}
	short, _, err := big.ParseFloat(f.Text('e', maxDigits-1), 10, precision, big.ToNearestEven)
	return short, err
}

// Almost every number in a table has 18 places at the most; for those scaled is a good
// deal faster than to print and to parse.
const (
	places = 18
	scale  = 1e18
)

// scaled returns f times 10^18 if that, rounded to 100 digits, is a whole number.
func scaled(f *big.Float) (*big.Int, bool) {
	z := new(big.Float).SetPrec(precision+64).Mul(f, new(big.Float).SetInt64(scale))
	if exp := z.MantExp(nil); exp < 1 || exp > 256 {
		return nil, false
	}
	half := new(big.Float).SetPrec(precision + 64).SetFloat64(math.Copysign(0.5, float64(f.Sign())))
	n, _ := half.Add(z, half).Int(nil)
	rest := z.Sub(z, new(big.Float).SetInt(n))
	// Below 2^-334 of the number it is beyond the 100th digit.
	if rest.Sign() != 0 && rest.MantExp(nil) > f.MantExp(nil)+59-334 {
		return nil, false
	}
	return n, n.Sign() != 0
}

// decimalText prints f, which is rounded to 100 digits.
func decimalText(f *big.Float) string {
	n, ok := scaled(f)
	if !ok {
		return f.Text('f', -1)
	}
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= places {
		digits = strings.Repeat("0", places+1-len(digits)) + digits
	}
	text := strings.TrimRight(digits[:len(digits)-places]+"."+digits[len(digits)-places:], "0")
	if n.Sign() < 0 {
		text = "-" + text
	}
	return strings.TrimSuffix(text, ".")
}

// numberOut returns a number as a value: an integer where it is one, a float64 where that
// is exact, and a decimal otherwise.
func numberOut(v cty.Value) (change.Value, error) {
	f, err := round(v.AsBigFloat())
	if err != nil {
		return change.Value{}, err
	}
	if f.IsInt() {
		if i, acc := f.Int64(); acc == big.Exact {
			return change.Int(i), nil
		}
		if u, acc := f.Uint64(); acc == big.Exact {
			return change.Uint(u), nil
		}
		return change.Str(change.Decimal, f.Text('f', 0)), nil
	}
	if n, acc := f.Float64(); acc == big.Exact {
		return change.Float(n), nil
	}
	return change.Str(change.Decimal, decimalText(f)), nil
}

// numberIn returns a value of a number kind as a number.
func numberIn(v change.Value) (cty.Value, error) {
	switch v.Kind() {
	case change.Int64:
		return cty.NumberVal(new(big.Float).SetPrec(precision).SetInt64(v.Int64())), nil
	case change.Uint64:
		return cty.NumberVal(new(big.Float).SetPrec(precision).SetUint64(v.Uint64())), nil
	case change.Float64:
		n := v.Float64()
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return cty.NilVal, errors.New("not a finite number")
		}
		return parseNumber(strconv.FormatFloat(n, 'g', -1, 64))
	default:
		return parseNumber(v.Str())
	}
}

// exactOps replaces the arithmetic of an expression by one that rounds to decimals.
func exactOps(expr hclsyntax.Expression) {
	ops := map[*hclsyntax.Operation]*hclsyntax.Operation{}
	for _, op := range []*hclsyntax.Operation{
		hclsyntax.OpAdd, hclsyntax.OpSubtract, hclsyntax.OpMultiply, hclsyntax.OpDivide, hclsyntax.OpModulo,
	} {
		ops[op] = &hclsyntax.Operation{Impl: rounding(op.Impl), Type: cty.Number}
	}
	negate := &hclsyntax.Operation{Impl: rounding(hclsyntax.OpNegate.Impl), Type: cty.Number}
	visit(expr, func(node hclsyntax.Node) {
		switch n := node.(type) {
		case *hclsyntax.BinaryOpExpr:
			if ops[n.Op] != nil {
				n.Op = ops[n.Op]
			}
		case *hclsyntax.UnaryOpExpr:
			if n.Op == hclsyntax.OpNegate {
				n.Op = negate
			}
		}
	})
}

// rounding returns a function of numbers with its result rounded to decimals.
func rounding(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(),
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			short, err := round(v.AsBigFloat())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.NumberVal(short), nil
		},
	})
}

// roundFunc is round(number, places): half away from zero.
func roundFunc() function.Function {
	number := function.Parameter{Name: "number", Type: cty.Number}
	return function.New(&function.Spec{
		Params:   []function.Parameter{number},
		VarParam: &function.Parameter{Name: "places", Type: cty.Number},
		Type:     function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			places := int64(0)
			switch {
			case len(args) > 2:
				return cty.NilVal, function.NewArgErrorf(2, "round takes a number and, if wanted, how many places to keep")
			case len(args) == 2:
				n, acc := args[1].AsBigFloat().Int64()
				if acc != big.Exact || n < 0 || n > maxDigits {
					return cty.NilVal, function.NewArgErrorf(1, "a whole number from 0 to %d is required", maxDigits)
				}
				places = n
			}
			return roundTo(args[0].AsBigFloat(), places)
		},
	})
}

func roundTo(f *big.Float, places int64) (cty.Value, error) {
	f, err := round(f)
	if err != nil {
		return cty.NilVal, err
	}
	// The text has 100 digits at the most, so that what big.Rat computes with is the decimal
	// and not its binary neighbour.
	exact, ok := new(big.Rat).SetString(f.Text('g', maxDigits))
	if !ok {
		return cty.NilVal, errNumberRange
	}
	return parseNumber(exact.FloatString(int(places))) // half away from zero
}
