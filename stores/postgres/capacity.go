package postgres

import (
	"context"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// Engine is the name of the engine in a [change.Capacity].
const Engine = "postgres"

// firstOwn is the first OID of what is not in every database.
const firstOwn = 16384

// Capacities returns what the columns of t can hold, in their order.
func (t *Table) Capacities() []change.Capacity {
	list := make([]change.Capacity, len(t.Columns))
	for i := range t.Columns {
		list[i] = t.Columns[i].Capacity()
		if t.Columns[i].OID < firstOwn {
			list[i].Engine, list[i].Declared = Engine, t.Table.Columns[i].Type
		}
	}
	return list
}

// Capacity returns what a column of type t can hold.
func (t *Type) Capacity() change.Capacity {
	c := change.Capacity{Kind: t.Kind(), Members: t.Members}
	if t.Array {
		return c
	}
	switch t.Base {
	case oidInt2:
		c.Bits = 16
	case oidInt4:
		c.Bits = 32
	case oidInt8:
		c.Bits = 64
	case oidOID:
		c.Bits, c.Unsigned = 32, true
	case oidFloat4:
		c.Bits = 32
	case oidFloat8:
		c.Bits = 64
	case oidNumeric:
		c.Precision, c.Scale = t.digits()
	case oidVarchar, oidBpchar:
		c.Length, c.Padded = max(int(t.BaseMod)-modHeader, 0), t.Base == oidBpchar && t.BaseMod >= 0
	case oidChar:
		c.Size = 1
	case oidName:
		c.Size = 63
	case oidTime, oidTimestamp, oidTimestamptz:
		if c.Fraction = 6; t.BaseMod >= 0 {
			c.Fraction = int(t.BaseMod)
		}
	}
	return c
}

// modHeader is what the modifiers of texts and numbers have in addition.
const modHeader = 4

// digits returns how many digits a numeric has, and how many of them behind the point; none if
// it has as many as it likes. A scale below zero leaves digits before the point out, and one
// above the precision has zeros behind it.
func (t *Type) digits() (precision, scale int) {
	if t.BaseMod < modHeader {
		return 0, 0
	}
	mod := int(t.BaseMod) - modHeader
	precision, scale = mod>>16, (mod&0x7ff^0x400)-0x400
	if scale < 0 {
		return precision - scale, 0
	}
	return max(precision, scale), scale
}

// readMembers reads the members of the enums in tables, if there are any.
func (c *Conn) readMembers(ctx context.Context, tables map[string]*Table) error {
	enums := map[string][]*Type{}
	for _, t := range tables {
		for i := range t.Columns {
			if typ := &t.Columns[i].Type; typ.Enum {
				oid := fmt.Sprint(typ.Base)
				enums[oid] = append(enums[oid], typ)
			}
		}
	}
	if len(enums) == 0 {
		return nil
	}
	err := c.Query(ctx, "SELECT enumtypid, enumlabel FROM pg_enum ORDER BY enumtypid, enumsortorder", func(v [][]byte) error {
		for _, typ := range enums[string(v[0])] {
			typ.Members = append(typ.Members, string(v[1]))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read members of enums: %w", err)
	}
	return nil
}

// Counted returns the columns whose default is a number of a sequence.
func (t *Table) Counted() []string {
	var names []string
	for i := range t.Columns {
		if t.Columns[i].Counted {
			names = append(names, t.Table.Columns[i].Name)
		}
	}
	return names
}

// readTriggers reads the names of the application's triggers on tables, of those that are in
// force for a session like the link's.
func (c *Conn) readTriggers(ctx context.Context, byOID map[string]*Table) error {
	err := c.Query(ctx, "SELECT tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY 1, 2", func(v [][]byte) error {
		if t := byOID[string(v[0])]; t != nil {
			t.Triggers = append(t.Triggers, string(v[1]))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read triggers: %w", err)
	}
	return nil
}
