package change

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

func TestUintIsIntWhereItFits(t *testing.T) {
	if Uint(5) != Int(5) || Uint(math.MaxInt64) != Int(math.MaxInt64) {
		t.Error("a number is two values")
	}
	if v := Uint(math.MaxInt64 + 1); v.Kind() != Uint64 || v.Uint64() != math.MaxInt64+1 {
		t.Errorf("got %s %v", v.Kind(), v)
	}
}

func TestNaNIsOneValue(t *testing.T) {
	if Float(math.NaN()) != Float(-math.NaN()) || Float(0) == Float(math.Copysign(0, -1)) {
		t.Error("floats are not compared by their bits, with one NaN")
	}
}

func TestZeroValueIsUnset(t *testing.T) {
	if v := (Value{}); !v.IsUnset() || v.IsNull() || v == NullValue() {
		t.Error("an unfilled slot passes for NULL")
	}
}

func TestAbsentRow(t *testing.T) {
	if (Row{}).Equal(nil) || !Row(nil).Equal(nil) {
		t.Error("an absent row is an empty one")
	}
	if (Image{}).Equal(Image{}) || !Is(nil).Equal(Is(nil)) {
		t.Error("what is not known is equal to something, or absence is not equal to itself")
	}
}

func TestClassOf(t *testing.T) {
	base := &Error{Op: "read log", Class: PositionLost, Err: errors.New("gone")}
	if c := ClassOf(fmt.Errorf("next: %w", base)); c != PositionLost {
		t.Errorf("got %s", c)
	}
	if c := ClassOf(errors.New("no class")); c != Permanent {
		t.Errorf("got %s", c)
	}
	base.Table, base.Position, base.Hint = "t", "m1:2", "resync it"
	if got, want := base.Error(), "read log of table t at m1:2: gone (resync it)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
