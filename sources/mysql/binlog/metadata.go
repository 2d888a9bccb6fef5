package binlog

// Fields of the optional metadata of a table.
const (
	metaSignedness     = 1
	metaDefaultCharset = 2
	metaColumnCharset  = 3
	metaColumnName     = 4
	metaSetMembers     = 5
	metaEnumMembers    = 6
	metaSimpleKey      = 8
	metaPrefixedKey    = 9
	metaDefaultEnumSet = 10
	metaColumnEnumSet  = 11
	metaVisibility     = 12
)

// describe reads the optional metadata. Fields that it does not know are passed over.
func (t *Table) describe(c cursor) error {
	for len(c.b) > 0 {
		kind := c.byte()
		field := cursor{b: c.string()}
		if c.bad {
			return ErrMalformed
		}
		switch kind {
		case metaSignedness:
			t.signs(&field)
		case metaDefaultCharset:
			t.defaultCollation(&field, Column.isText)
		case metaColumnCharset:
			t.collations(&field, Column.isText)
		case metaDefaultEnumSet:
			t.defaultCollation(&field, Column.isEnumSet)
		case metaColumnEnumSet:
			t.collations(&field, Column.isEnumSet)
		case metaColumnName:
			for i := range t.Columns {
				t.Columns[i].Name = string(field.string())
			}
		case metaSetMembers:
			t.members(&field, TypeSet)
		case metaEnumMembers:
			t.members(&field, TypeEnum)
		case metaSimpleKey, metaPrefixedKey:
			t.key(&field, kind == metaPrefixedKey)
		case metaVisibility: // the high bit first
			bits := field.take(uint64(len(t.Columns)+7) / 8)
			for i := range t.Columns {
				t.Columns[i].Invisible = !field.bad && bits[i/8]<<(i%8)&0x80 == 0
			}
		}
		if field.bad {
			return ErrMalformed
		}
	}
	return nil
}

// of returns the columns that is holds of.
func (t *Table) of(is func(Column) bool) []*Column {
	var list []*Column
	for i := range t.Columns {
		if is(t.Columns[i]) {
			list = append(list, &t.Columns[i])
		}
	}
	return list
}

// signs reads a bit for each column of a number, the high bit of a byte first.
func (t *Table) signs(c *cursor) {
	numbers := t.of(Column.isNumber)
	bits := c.take(uint64(len(numbers)+7) / 8)
	if c.bad {
		return
	}
	for i, column := range numbers {
		column.SignKnown = true
		column.Unsigned = bits[i/8]<<(i%8)&0x80 != 0
	}
}

// defaultCollation reads a collation, and those of the columns that have another. These are
// numbered among the columns that the server takes for texts: MariaDB takes GEOMETRY for one,
// MySQL takes VECTOR, and the log does not say so.
func (t *Table) defaultCollation(c *cursor, is func(Column) bool) {
	columns := t.of(is)
	usual := c.packed()
	for _, column := range columns {
		column.Collation = usual
	}
	for len(c.b) > 0 {
		i, collation := c.packed(), c.packed()
		if c.bad {
			return
		}
		if i < uint64(len(columns)) {
			columns[i].Collation = collation
		}
	}
}

func (t *Table) collations(c *cursor, is func(Column) bool) {
	for _, column := range t.of(is) {
		column.Collation = c.packed()
	}
}

func (t *Table) members(c *cursor, kind byte) {
	for _, column := range t.of(func(c Column) bool { return c.Type == kind }) {
		n := c.packed()
		if n > uint64(len(c.b)) { // each takes a byte
			c.bad = true
		}
		if c.bad {
			return
		}
		column.Members = make([][]byte, 0, n)
		for range n {
			column.Members = append(column.Members, append([]byte{}, c.string()...))
		}
	}
}

func (t *Table) key(c *cursor, prefixed bool) {
	for len(c.b) > 0 {
		i := c.packed()
		if prefixed {
			c.packed() // how much of it, 0 for all
		}
		if c.bad || i >= uint64(len(t.Columns)) || len(t.Key) == len(t.Columns) {
			c.bad = true
			return
		}
		t.Key = append(t.Key, int(i))
	}
}

// isNumber tells whether the log says of a column whether it is unsigned.
func (c Column) isNumber() bool {
	switch c.Type {
	case TypeTiny, TypeShort, TypeInt24, TypeLong, TypeLongLong, TypeYear, TypeFloat, TypeDouble, TypeNewDecimal:
		return true
	}
	return false
}

// isText tells whether the log gives the collation of a column: binary ones have one too.
func (c Column) isText() bool {
	switch c.Type {
	case TypeString, TypeVarString, TypeVarchar, TypeBlob, TypeTinyBlob, TypeMediumBlob, TypeLongBlob,
		TypeBlobCompressed, TypeVarcharCompressed:
		return true
	}
	return false
}

func (c Column) isEnumSet() bool { return c.Type == TypeEnum || c.Type == TypeSet }
