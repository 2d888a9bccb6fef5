package binlog

// decimalBytes is in how many bytes a group of 0 to 9 digits is kept.
var decimalBytes = [10]byte{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

// decimalSize returns in how many bytes a DECIMAL is kept, meta being precision and scale.
func decimalSize(meta uint16) uint32 {
	precision, scale := uint32(meta>>8), uint32(meta&0xff)
	if scale > precision {
		return 0
	}
	whole := precision - scale
	return whole/9*4 + uint32(decimalBytes[whole%9]) + scale/9*4 + uint32(decimalBytes[scale%9])
}

// appendDecimal appends a DECIMAL as the servers print it: its scale is kept.
//
// It is kept in groups of nine digits, each a number of four bytes; the digits that fill no
// group are the first of the whole part and the last of the fraction. The first bit of all is
// turned over, so that they sort, and all others too if the number is negative.
func appendDecimal(text []byte, precision, scale int, data []byte) ([]byte, error) {
	if precision < 1 || precision > 65 || scale < 0 || scale > precision ||
		len(data) != int(decimalSize(uint16(precision)<<8|uint16(scale))) {
		return text, ErrMalformed
	}
	var copied [40]byte
	data = copied[:copy(copied[:], data)]
	data[0] ^= 0x80
	start := len(text)
	if data[0]&0x80 != 0 {
		text = append(text, '-')
		for i := range data {
			data[i] ^= 0xff
		}
	}
	first := len(text)
	group := func(digits int) bool {
		size := int(decimalBytes[digits])
		n := big(data[:size])
		data = data[size:]
		at := len(text)
		for range digits {
			text = append(text, '0')
		}
		for i := digits - 1; i >= 0; i-- {
			text[at+i] = '0' + byte(n%10)
			n /= 10
		}
		return n == 0
	}
	ok := true
	whole := precision - scale
	ok = group(whole%9) && ok
	for range whole / 9 {
		ok = group(9) && ok
	}
	text = withoutZeros(text, first)
	if scale > 0 {
		text = append(text, '.')
		for range scale / 9 {
			ok = group(9) && ok
		}
		ok = group(scale%9) && ok
	}
	if !ok {
		return text[:start], ErrMalformed
	}
	return text, nil
}

// withoutZeros removes the zeros that a whole part begins with at first, but one digit.
func withoutZeros(text []byte, first int) []byte {
	zeros := first
	for zeros < len(text) && text[zeros] == '0' {
		zeros++
	}
	if zeros == len(text) {
		return append(text[:first], '0')
	}
	return append(text[:first], text[zeros:]...)
}
