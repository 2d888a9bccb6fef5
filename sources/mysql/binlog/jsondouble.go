package binlog

import (
	"bytes"
	"math"
	"strconv"
)

// mostDigits is how many digits before the point, and how many zeros after it, the server
// prints before it turns to an exponent.
const mostDigits = 15

// appendJSONDouble appends a number as the server prints one in JSON: the fewest digits that
// name it, and always a point or an exponent. It is false for what is no number.
func appendJSONDouble(text []byte, bits uint64) ([]byte, bool) {
	f := math.Float64frombits(bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return text, false
	}
	if f == 0 {
		if math.Signbit(f) {
			text = append(text, '-')
		}
		return append(text, "0.0"...), true
	}
	var buffer [32]byte
	scientific := strconv.AppendFloat(buffer[:0], f, 'e', -1, 64)
	mantissa, exponent, _ := bytes.Cut(scientific, []byte{'e'})
	power, _ := strconv.Atoi(string(exponent))
	digits := len(mantissa)
	if bytes.IndexByte(mantissa, '.') >= 0 {
		digits--
	}
	if f < 0 {
		digits--
	}
	// Digits behind the point are a reason to do without an exponent.
	if point := power + 1; point >= -mostDigits+1 && (point <= mostDigits || point < digits) {
		start := len(text)
		text = strconv.AppendFloat(text, f, 'f', -1, 64)
		if bytes.IndexByte(text[start:], '.') < 0 {
			text = append(text, ".0"...)
		}
		return text, true
	}
	text = append(append(text, mantissa...), 'e')
	return strconv.AppendInt(text, int64(power), 10), true
}
