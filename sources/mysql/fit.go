package mysql

import (
	"bytes"
	"slices"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// stored are the types that the log has for each type of the catalogue.
var stored = map[string][]byte{
	"tinyint":   {binlog.TypeTiny},
	"smallint":  {binlog.TypeShort},
	"mediumint": {binlog.TypeInt24},
	"int":       {binlog.TypeLong},
	"bigint":    {binlog.TypeLongLong},
	"float":     {binlog.TypeFloat},
	"double":    {binlog.TypeDouble},
	"decimal":   {binlog.TypeNewDecimal},
	"year":      {binlog.TypeYear},
	"bit":       {binlog.TypeBit},
	"date":      {binlog.TypeDate, binlog.TypeNewDate},
	"time":      {binlog.TypeTime, binlog.TypeTime2},
	"datetime":  {binlog.TypeDatetime, binlog.TypeDatetime2},
	"timestamp": {binlog.TypeTimestamp, binlog.TypeTimestamp2},
	"json":      {binlog.TypeJSON},
	"enum":      {binlog.TypeEnum},
	"set":       {binlog.TypeSet},
	"char":      {binlog.TypeString},
	"binary":    {binlog.TypeString},
	"uuid":      {binlog.TypeString},
	"inet4":     {binlog.TypeString},
	"inet6":     {binlog.TypeString},
	"varchar":   {binlog.TypeVarchar, binlog.TypeVarString, binlog.TypeVarcharCompressed},
	"varbinary": {binlog.TypeVarchar, binlog.TypeVarString, binlog.TypeVarcharCompressed},
}

// fits tells whether a column of the log can be one of type t.
func fits(c *binlog.Column, t *store.Type) bool {
	types, known := stored[t.Name]
	switch {
	case known:
	case t.IsGeometry():
		types = []byte{binlog.TypeGeometry}
	case t.Name == "vector":
		types = []byte{binlog.TypeVector, binlog.TypeVarchar, binlog.TypeVarString, binlog.TypeBlob}
	default: // texts and blobs of every size
		types = []byte{binlog.TypeBlob, binlog.TypeBlobCompressed, binlog.TypeTinyBlob, binlog.TypeMediumBlob, binlog.TypeLongBlob}
	}
	if !slices.Contains(types, c.Type) {
		return false
	}
	switch c.Type {
	case binlog.TypeTiny, binlog.TypeShort, binlog.TypeInt24, binlog.TypeLong, binlog.TypeLongLong:
		return !c.SignKnown || c.Unsigned == t.Unsigned
	case binlog.TypeNewDecimal:
		return int(c.Meta>>8) == t.Precision && int(c.Meta&0xff) == t.Scale
	case binlog.TypeBit:
		return int(c.Meta>>8)*8+int(c.Meta&0xff) == t.Precision
	case binlog.TypeTime2, binlog.TypeDatetime2, binlog.TypeTimestamp2:
		return int(c.Meta) == t.Fraction
	case binlog.TypeEnum, binlog.TypeSet:
		return fitsMembers(c, t)
	}
	return true
}

// fitsMembers tells whether the members in the log may be those of t. They are compared where
// their character set does not matter.
func fitsMembers(c *binlog.Column, t *store.Type) bool {
	if c.Members == nil {
		return true
	}
	if len(c.Members) > len(t.Members) {
		return false
	}
	for i, m := range c.Members {
		plain := !slices.ContainsFunc(m, func(b byte) bool { return b == 0 || b >= 0x80 })
		if plain && !bytes.Equal(m, []byte(t.Members[i])) {
			return false
		}
	}
	return true
}

// fractions tells the log's columns how many digits of a second they have, where the log does
// not say it itself.
func fractions(log *binlog.Table, have *store.Table) {
	for i, place := range have.Ordinals {
		if t := have.Type(have.Table.Columns[i].Name); t != nil && place < len(log.Columns) {
			log.Columns[place].SetFraction(t.Fraction)
		}
	}
}
