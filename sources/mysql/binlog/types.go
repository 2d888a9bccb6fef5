package binlog

// Types of a Column. They are numbered as the servers number them.
const (
	TypeTiny              = 1
	TypeShort             = 2
	TypeLong              = 3
	TypeFloat             = 4
	TypeDouble            = 5
	TypeNull              = 6
	TypeTimestamp         = 7 // without the 2: what MariaDB keeps with mysql56_temporal_format off
	TypeLongLong          = 8
	TypeInt24             = 9
	TypeDate              = 10
	TypeTime              = 11
	TypeDatetime          = 12
	TypeYear              = 13
	TypeNewDate           = 14
	TypeVarchar           = 15
	TypeBit               = 16
	TypeTimestamp2        = 17
	TypeDatetime2         = 18
	TypeTime2             = 19
	TypeBlobCompressed    = 140 // MariaDB
	TypeVarcharCompressed = 141 // MariaDB
	TypeVector            = 242
	TypeJSON              = 245
	TypeNewDecimal        = 246
	TypeEnum              = 247
	TypeSet               = 248
	TypeTinyBlob          = 249
	TypeMediumBlob        = 250
	TypeLongBlob          = 251
	TypeBlob              = 252
	TypeVarString         = 253
	TypeString            = 254
	TypeGeometry          = 255
)

// metaSize returns how many bytes of metadata a type has in the log, or -1 for a type that no
// log has.
func metaSize(t byte) int {
	switch t {
	case TypeTiny, TypeShort, TypeLong, TypeLongLong, TypeInt24, TypeNull, TypeTimestamp, TypeDate,
		TypeTime, TypeDatetime, TypeYear, TypeNewDate:
		return 0
	case TypeFloat, TypeDouble, TypeTimestamp2, TypeDatetime2, TypeTime2, TypeBlobCompressed, TypeVector,
		TypeJSON, TypeTinyBlob, TypeMediumBlob, TypeLongBlob, TypeBlob, TypeGeometry:
		return 1
	case TypeVarchar, TypeBit, TypeVarcharCompressed, TypeNewDecimal, TypeEnum, TypeSet, TypeVarString, TypeString:
		return 2
	}
	return -1
}

// resolve reads the metadata of a column whose Type is that of the log, and makes it the real
// one.
func (c *Column) resolve(meta []byte) error {
	switch len(meta) {
	case 1:
		c.Meta = uint16(meta[0])
	case 2:
		c.Meta = uint16(meta[0]) | uint16(meta[1])<<8
	}
	switch c.Type {
	case TypeNewDecimal: // precision, scale
		c.Meta = uint16(meta[0])<<8 | uint16(meta[1])
	case TypeString, TypeEnum, TypeSet:
		kind, length := meta[0], uint16(meta[1])
		if kind == TypeEnum || kind == TypeSet {
			c.Type, c.Meta = kind, length
			break
		}
		// Two bits of a length over 255 are kept upside down in the type.
		c.Type, c.Meta = TypeString, length|uint16(kind&0x30^0x30)<<4
	}
	return c.layout()
}

// layout works out how long the values of the column are.
func (c *Column) layout() error {
	c.size, c.prefix = 0, 0
	switch c.Type {
	case TypeTiny, TypeYear:
		c.size = 1
	case TypeShort:
		c.size = 2
	case TypeInt24, TypeDate, TypeNewDate, TypeTime:
		c.size = 3
	case TypeLong, TypeFloat, TypeTimestamp:
		c.size = 4
	case TypeLongLong, TypeDouble, TypeDatetime:
		c.size = 8
	case TypeTimestamp2:
		c.size = 4 + fractionSize(c.Meta)
	case TypeDatetime2:
		c.size = 5 + fractionSize(c.Meta)
	case TypeTime2:
		c.size = 3 + fractionSize(c.Meta)
	case TypeBit: // whole bytes, and the bits beyond them
		c.size = uint32(c.Meta>>8) + uint32(c.Meta&0xff+7)/8
	case TypeNewDecimal:
		c.size = decimalSize(c.Meta)
	case TypeEnum, TypeSet:
		c.size = uint32(c.Meta)
	case TypeVarchar, TypeVarcharCompressed, TypeVarString, TypeString:
		c.prefix = 1
		if c.Meta > 255 {
			c.prefix = 2
		}
	case TypeBlob, TypeBlobCompressed, TypeTinyBlob, TypeMediumBlob, TypeLongBlob, TypeGeometry, TypeJSON, TypeVector:
		c.prefix = byte(c.Meta)
		if c.Meta < 1 || c.Meta > 4 {
			return ErrMalformed
		}
	}
	if c.prefix == 0 && (c.size == 0 && c.Type != TypeNull || c.size > 64) || !c.plausible() {
		return ErrMalformed
	}
	return nil
}

// plausible tells whether the metadata is any that a server writes.
func (c *Column) plausible() bool {
	switch c.Type {
	case TypeTimestamp2, TypeDatetime2, TypeTime2:
		return c.Meta <= 6
	case TypeBit:
		return c.size <= 8
	case TypeNewDecimal:
		precision, scale := c.Meta>>8, c.Meta&0xff
		return precision >= 1 && precision <= 65 && scale <= 38 && scale <= precision
	case TypeEnum:
		return c.size <= 2
	case TypeSet:
		return c.size <= 8
	}
	return true
}

// fractionSize returns in how many bytes a fraction of a second is kept.
func fractionSize(digits uint16) uint32 { return uint32(digits+1) / 2 }

// SetFraction says how many digits of a second a column has. It has to be called, before the
// first row is read, for the types TIME, DATETIME and TIMESTAMP that have digits, for the log
// does not say it of columns that MariaDB keeps in the old way. It is right for others too.
func (c *Column) SetFraction(digits int) {
	if digits < 0 || digits > 6 {
		return
	}
	switch c.Type {
	case TypeTimestamp:
		c.size = 4 + uint32([]byte{0, 1, 1, 2, 2, 3, 3}[digits])
	case TypeDatetime:
		c.size = uint32([]byte{8, 6, 6, 7, 7, 7, 8}[digits])
	case TypeTime:
		c.size = uint32([]byte{3, 4, 4, 5, 5, 5, 6}[digits])
	default:
		return
	}
	c.digits = digits
}
