package change

// Capacity is what a column can hold, in the words of no engine, so that one engine can
// declare a column for what another one has, and what may not fit can be told from the
// schema. The zero value of a field is no limit, or nothing known of one.
type Capacity struct {
	// Kind is what the column holds. It may say more than [Column.Kind] where the declared type
	// tells what an application keeps in a column that takes anything.
	Kind Kind
	// Bits is the width of an integer, or of a binary floating-point number.
	Bits int
	// Unsigned numbers are not below zero.
	Unsigned bool
	// Precision is how many digits a Decimal has, Scale how many of them are behind the point.
	// Without a Precision it has as many as it likes.
	Precision, Scale int
	// Length is how many characters a text has at the most, Size how many bytes a text or
	// Bytes.
	Length int
	Size   int64
	// Fraction is how many digits of a second a time keeps, where 0 is none. A Span is a Time that
	// may be below zero, or longer than a day. Until is the last instant that there is.
	Fraction int
	Span     bool
	Until    string
	// Members are the only texts that the column takes. A Set holds several of them at once,
	// with commas between.
	Members []string
	Set     bool
	// Charset is a character set that has not every character of Unicode.
	Charset string
	// Padded: blanks at the end of a text, or zeros at the end of Bytes, are not kept as they
	// were written.
	Padded bool
	// Loose: the store does not hold the column to all this. It is what its declaration says.
	Loose bool
	// Engine and Declared are the type as every database of that engine understands it. Both are
	// empty for a type that is not everywhere.
	Engine, Declared string
}

// Width returns how many bits a signed integer needs to hold every integer of c; more than 64
// if none has as many. It is for the kinds Bool, Int64 and Uint64.
func (c Capacity) Width() int {
	switch {
	case c.Kind == Bool:
		return 2
	case c.Bits == 0 && c.Kind == Uint64:
		return 65
	case c.Bits == 0:
		return 64
	case c.Unsigned || c.Kind == Uint64:
		return c.Bits + 1
	}
	return c.Bits
}
