package binlog

import (
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// clock is a moment, or a span of hours, as its fields. Days and months may be 0.
type clock struct {
	negative                          bool
	year, month, day                  uint64
	hour, minute, second, microsecond uint64
}

// appendTwo appends n with a zero before it if it has one digit.
func appendTwo(b []byte, n uint64) []byte { return append(b, '0'+byte(n/10%10), '0'+byte(n%10)) }

func (c *clock) appendDate(b []byte) []byte {
	b = appendTwo(appendTwo(b, c.year/100), c.year)
	b = appendTwo(append(b, '-'), c.month)
	return appendTwo(append(b, '-'), c.day)
}

func (c *clock) appendTime(b []byte) []byte {
	if c.hour >= 100 {
		b = append(b, '0'+byte(c.hour/100%10))
	}
	b = appendTwo(b, c.hour)
	b = appendTwo(append(b, ':'), c.minute)
	return appendTwo(append(b, ':'), c.second)
}

// appendFraction appends the digits of the fraction of the second, up to n of them, without
// zeros at the end unless all are wanted.
func (c *clock) appendFraction(b []byte, n int, all bool) []byte {
	if n == 0 || !all && c.microsecond == 0 {
		return b
	}
	b = append(b, '.')
	left := c.microsecond
	for unit := uint64(100000); n > 0 && unit > 0 && (all || left > 0); unit /= 10 {
		b = append(b, '0'+byte(left/unit))
		left %= unit
		n--
	}
	return b
}

// valid tells whether no field is larger than a server keeps it.
func (c *clock) valid() bool {
	return c.year <= 9999 && c.month <= 12 && c.day <= 31 && c.hour <= 838 && c.minute <= 59 && c.second <= 59 &&
		c.microsecond <= 999999 && (c.year|c.month|c.day == 0 || c.hour <= 23)
}

// value returns the text of a clock, in the form that change has for the kind.
func (c *clock) value(kind change.Kind) (change.Value, error) {
	if !c.valid() {
		return change.Value{}, ErrMalformed
	}
	var buffer [40]byte
	b := buffer[:0]
	if c.negative {
		b = append(b, '-')
	}
	switch kind {
	case change.Date:
		b = c.appendDate(b)
	case change.Time:
		b = c.appendFraction(c.appendTime(b), 6, false)
	default:
		b = append(c.appendDate(b), ' ')
		b = c.appendFraction(c.appendTime(b), 6, false)
		if kind == change.TimestampUTC {
			b = append(b, 'Z')
		}
	}
	return change.Str(kind, string(b)), nil
}

// fraction returns the microseconds of a fraction of a second, which is kept as so many
// hundredths, ten-thousandths or millionths.
func fraction(data []byte) uint64 {
	n := big(data)
	for range 3 - len(data) {
		n *= 100
	}
	if len(data) == 0 {
		return 0
	}
	return n
}

// unixClock is the clock of an instant. The instant 0 is that without a date.
func unixClock(seconds, microsecond uint64) clock {
	if seconds == 0 && microsecond == 0 {
		return clock{}
	}
	c := clock{microsecond: microsecond}
	t := time.Unix(int64(seconds), 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	c.year, c.month, c.day = uint64(year), uint64(month), uint64(day)
	c.hour, c.minute, c.second = uint64(hour), uint64(minute), uint64(second)
	return c
}

// packedDatetime is the clock of a date and time in 40 bits: 17 of months, 13 in a year,
// 5 of days, then as packedTime. Dates have one bit more, which is set.
func packedDatetime(n, microsecond uint64) clock {
	c := packedTime(n&0x1ffff, microsecond)
	months := n >> 22
	c.year, c.month, c.day = months/13, months%13, n>>17&0x1f
	return c
}

// packedTime is the clock of a time: 10 bits of hours, 6 of minutes, 6 of seconds.
func packedTime(n, microsecond uint64) clock {
	return clock{hour: n >> 12 & 0x3ff, minute: n >> 6 & 0x3f, second: n & 0x3f, microsecond: microsecond}
}

// datetime2 decodes a DATETIME.
func datetime2(data []byte) clock {
	return packedDatetime(big(data[:5])&(1<<39-1), fraction(data[5:]))
}

// time2 decodes a TIME: three bytes and the fraction, as one number, of which the middle is 0.
func time2(data []byte) clock {
	bits := 8 * len(data)
	n := int64(big(data)) - 1<<(bits-1)
	negative := n < 0
	if negative {
		n = -n
	}
	fractionBits := bits - 24
	var kept [3]byte
	for i := range len(data) - 3 {
		kept[i] = byte(n >> (fractionBits - 8*(i+1)))
	}
	c := packedTime(uint64(n)>>fractionBits, fraction(kept[:len(data)-3]))
	c.negative = negative
	return c
}

// date decodes a DATE: 5 bits of days, 4 of months, the rest years.
func date(data []byte) clock {
	n := little(data)
	return clock{year: n >> 9, month: n >> 5 & 15, day: n & 31}
}

// oldDatetime decodes a DATETIME as MariaDB kept it before it took over MySQL's form: without
// a fraction as the decimal number YYYYMMDDhhmmss, else as a number of units.
func oldDatetime(data []byte, digits int) clock {
	if digits == 0 {
		n := little(data)
		c := decimalTime(n % 1000000)
		n /= 1000000
		c.year, c.month, c.day = n/10000, n/100%100, n%100
		return c
	}
	return unitsClock(big(data)*unit(digits), true)
}

// oldTime is oldDatetime for a TIME, which may be negative: hhmmss, or counted from a zero in
// the middle.
func oldTime(data []byte, digits int) clock {
	if digits == 0 {
		n := int64(little(data)<<40) >> 40
		negative := n < 0
		if negative {
			n = -n
		}
		c := decimalTime(uint64(n))
		c.negative = negative
		return c
	}
	// The zero is one second more than the largest time.
	n := int64(big(data)) - 3020400*1000000/int64(unit(digits))
	negative := n < 0
	if negative {
		n = -n
	}
	c := unitsClock(uint64(n)*unit(digits), false)
	c.negative = negative
	return c
}

// oldTimestamp is oldDatetime for a TIMESTAMP: seconds, and a fraction with its high byte
// first.
func oldTimestamp(data []byte, digits int) clock {
	if digits == 0 {
		return unixClock(little(data), 0)
	}
	return unixClock(big(data[:4]), big(data[4:])*unit(digits))
}

func decimalTime(n uint64) clock {
	return clock{hour: n / 10000, minute: n / 100 % 100, second: n % 100}
}

// unit is how many microseconds the last of so many digits of a second counts.
func unit(digits int) uint64 {
	n := uint64(1)
	for range 6 - digits {
		n *= 10
	}
	return n
}

// unitsClock takes microseconds apart, and what they count.
func unitsClock(n uint64, dated bool) clock {
	c := clock{microsecond: n % 1000000}
	n /= 1000000
	c.second, n = n%60, n/60
	c.minute, n = n%60, n/60
	if !dated {
		c.hour = n
		return c
	}
	c.hour, n = n%24, n/24
	c.day, n = n%32, n/32
	c.month, c.year = n%13, n/13
	return c
}
