package mysql

import (
	"bytes"
	"slices"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// fits tells whether a column of the log can be one of type t, as far as the log says.
func fits(c *binlog.Column, t *store.Type) bool {
	if !c.Fits(t) {
		return false
	}
	switch c.Type {
	case binlog.TypeTiny, binlog.TypeShort, binlog.TypeInt24, binlog.TypeLong, binlog.TypeLongLong:
		return !c.SignKnown || c.Unsigned == t.Unsigned
	case binlog.TypeBit:
		return int(c.Meta>>8)*8+int(c.Meta&0xff) == t.Precision
	case binlog.TypeTime2, binlog.TypeDatetime2, binlog.TypeTimestamp2:
		return int(c.Meta) == t.Fraction
	case binlog.TypeEnum, binlog.TypeSet:
		return fitsMembers(c, t)
	case binlog.TypeString:
		return slices.Contains([]string{"char", "binary", "uuid", "inet4", "inet6"}, t.Name)
	case binlog.TypeVarchar, binlog.TypeVarString, binlog.TypeVarcharCompressed:
		return slices.Contains([]string{"varchar", "varbinary", "vector"}, t.Name)
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
