package binlog

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// Value returns the value of a cell that is Present, of a column that has type t in the
// database: the very one that reading the row gives. Texts of character sets other than
// Unicode's usual one and ASCII go through text. Two values of one table are not decoded at
// the same time.
func (c *Column) Value(t *store.Type, data []byte, text func(charset string, b []byte) (string, error)) (change.Value, error) {
	v, err := c.value(t, data, text)
	if err != nil {
		return change.Value{}, fmt.Errorf("decode a value of type %s that the log has as type %d: %w", t.Name, c.Type, err)
	}
	return v, nil
}

func (c *Column) value(t *store.Type, data []byte, text func(string, []byte) (string, error)) (change.Value, error) {
	if c.prefix == 0 && len(data) != int(c.size) || !c.Fits(t) {
		return change.Value{}, ErrMalformed
	}
	switch c.Type {
	case TypeTiny, TypeShort, TypeInt24, TypeLong, TypeLongLong:
		if t.Unsigned {
			return change.Uint(little(data)), nil
		}
		unused := 64 - 8*len(data)
		return change.Int(int64(little(data)<<unused) >> unused), nil
	case TypeYear:
		if data[0] == 0 {
			return change.Int(0), nil
		}
		return change.Int(1900 + int64(data[0])), nil
	case TypeFloat:
		return store.Float32(math.Float32frombits(uint32(little(data)))), nil
	case TypeDouble:
		return change.Float(math.Float64frombits(little(data))), nil
	case TypeNewDecimal:
		var buffer [72]byte
		b, err := appendDecimal(buffer[:0], int(c.Meta>>8), int(c.Meta&0xff), data)
		return change.Str(change.Decimal, string(b)), err
	case TypeBit:
		return change.Uint(big(data)), nil
	case TypeEnum, TypeSet:
		return c.member(t, little(data))
	case TypeDate, TypeNewDate, TypeTime, TypeTime2, TypeDatetime, TypeDatetime2, TypeTimestamp, TypeTimestamp2:
		return c.temporal(data)
	case TypeJSON:
		b, err := appendJSONDocument(nil, data)
		return change.Str(change.JSON, string(b)), err
	case TypeBlobCompressed, TypeVarcharCompressed:
		if c.inflater == nil {
			c.inflater = &inflater{}
		}
		content, err := c.inflater.column(data)
		if err != nil {
			return change.Value{}, err
		}
		return c.content(t, content, text)
	default:
		return c.content(t, data, text)
	}
}

// Fits tells whether the column of the log can be one of type t. If it is not, the table was
// altered since the rows were logged.
func (c *Column) Fits(t *store.Type) bool {
	switch c.Type {
	case TypeTiny:
		return t.Name == "tinyint"
	case TypeShort:
		return t.Name == "smallint"
	case TypeInt24:
		return t.Name == "mediumint"
	case TypeLong:
		return t.Name == "int"
	case TypeLongLong:
		return t.Name == "bigint"
	case TypeYear:
		return t.Name == "year"
	case TypeFloat:
		return t.Name == "float"
	case TypeDouble:
		return t.Name == "double"
	case TypeNewDecimal:
		return t.Name == "decimal" && int(c.Meta>>8) == t.Precision && int(c.Meta&0xff) == t.Scale
	case TypeBit:
		return t.Name == "bit"
	case TypeEnum:
		return t.Name == "enum"
	case TypeSet:
		return t.Name == "set"
	case TypeDate, TypeNewDate:
		return t.Name == "date"
	case TypeTime, TypeTime2:
		return t.Name == "time"
	case TypeDatetime, TypeDatetime2:
		return t.Name == "datetime"
	case TypeTimestamp, TypeTimestamp2:
		return t.Name == "timestamp"
	case TypeJSON:
		return t.Name == "json"
	case TypeVector:
		return t.Name == "vector"
	case TypeGeometry:
		return t.IsGeometry()
	}
	switch t.Kind() {
	case change.Text, change.JSON, change.Bytes, change.UUID:
		return t.Name != "enum" && t.Name != "set" && !t.IsGeometry() && t.Name != "json"
	}
	return false
}

// member returns the name of the member of an ENUM, or the names of those of a SET.
func (c *Column) member(t *store.Type, n uint64) (change.Value, error) {
	if c.Type == TypeEnum {
		if n > uint64(len(t.Members)) {
			return change.Value{}, ErrMalformed
		}
		if n == 0 {
			return change.TextValue(""), nil
		}
		return change.TextValue(c.memberName(t, int(n-1))), nil
	}
	if n>>len(t.Members) != 0 {
		return change.Value{}, ErrMalformed
	}
	if n&(n-1) == 0 && n != 0 {
		return change.TextValue(c.memberName(t, bits.TrailingZeros64(n))), nil
	}
	var b strings.Builder
	for left := n; left != 0; left &= left - 1 {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(c.memberName(t, bits.TrailingZeros64(left)))
	}
	return change.TextValue(b.String()), nil
}

// memberName returns the name of a member. The log knows those that the catalogue cannot show.
func (c *Column) memberName(t *store.Type, i int) string {
	if t.Vague && i < len(c.Members) && t.Charset == "utf8mb4" {
		return string(c.Members[i])
	}
	return t.Members[i]
}

func (c *Column) temporal(data []byte) (change.Value, error) {
	kind := change.Timestamp
	var at clock
	switch c.Type {
	case TypeDate, TypeNewDate:
		kind, at = change.Date, date(data)
	case TypeTime:
		kind, at = change.Time, oldTime(data, c.digits)
	case TypeTime2:
		kind, at = change.Time, time2(data)
	case TypeDatetime:
		at = oldDatetime(data, c.digits)
	case TypeDatetime2:
		at = datetime2(data)
	case TypeTimestamp:
		kind, at = change.TimestampUTC, oldTimestamp(data, c.digits)
	case TypeTimestamp2:
		kind, at = change.TimestampUTC, unixClock(big(data[:4]), fraction(data[4:]))
	}
	return at.value(kind)
}

// content returns the value that bytes are.
func (c *Column) content(t *store.Type, data []byte, text func(string, []byte) (string, error)) (change.Value, error) {
	switch t.Name {
	case "uuid", "inet6", "inet4":
		return address(t.Name, data)
	case "binary":
		if c.Type == TypeString && len(data) < int(c.Meta) { // zeros at the end are not logged
			padded := make([]byte, c.Meta)
			copy(padded, data)
			data = padded
		}
	}
	kind := t.Kind()
	switch t.Charset {
	case "", "utf8mb4", "utf8mb3", "utf8", "ascii", "binary":
		return change.Str(kind, string(data)), nil
	}
	s, err := text(t.Charset, data)
	if err != nil {
		return change.Value{}, fmt.Errorf("in the character set %s: %w", t.Charset, err)
	}
	return change.Str(kind, s), nil
}

// address returns a UUID, INET6 or INET4. Zeros at the end are not logged.
func address(name string, data []byte) (change.Value, error) {
	size := 16
	if name == "inet4" {
		size = 4
	}
	if len(data) > size {
		return change.Value{}, ErrMalformed
	}
	var full [16]byte
	copy(full[:], data)
	var buffer [48]byte
	switch name {
	case "uuid":
		return change.Str(change.UUID, string(appendUUID(buffer[:0], full))), nil
	case "inet4":
		return change.TextValue(string(appendInet4(buffer[:0], full[:4]))), nil
	}
	return change.TextValue(string(appendInet6(buffer[:0], full))), nil
}
