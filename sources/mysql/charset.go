package mysql

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// charsets turns texts into UTF-8 exactly as the server does. The log has them in the character
// set of the column.
type charsets struct {
	// tables are those of sets with one byte for a character.
	tables map[string]*[256]string
	// wide are the sets that need the server, and what it said, up to a bound.
	wide  map[string]bool
	known map[string]string
	bytes int
}

// asker runs a query on the server.
type asker func(sql string, row func([]driver.Value) error) error

// knownMost bounds what is remembered of the server's answers, in bytes.
const knownMost = 8 << 20

// text returns b, of a character set, in UTF-8. Query asks the server.
func (c *charsets) text(charset string, b []byte, query asker) (string, error) {
	switch charset {
	case "utf8mb4", "utf8mb3", "utf8", "ascii":
		return string(b), nil
	case "utf16", "ucs2":
		if s, ok := fromUTF16(b, false); ok {
			return s, nil
		}
	case "utf16le":
		if s, ok := fromUTF16(b, true); ok {
			return s, nil
		}
	case "utf32":
		if s, ok := fromUTF32(b); ok {
			return s, nil
		}
	}
	if c.tables == nil {
		c.tables, c.wide, c.known = map[string]*[256]string{}, map[string]bool{}, map[string]string{}
	}
	table, err := c.table(charset, query)
	if err != nil {
		return "", fmt.Errorf("read character set %s: %w", charset, err)
	}
	if table == nil {
		return c.ask(charset, b, query)
	}
	var s strings.Builder
	s.Grow(len(b))
	for _, x := range b {
		s.WriteString(table[x])
	}
	return s.String(), nil
}

// table returns what each byte of a character set is, nil if a character may take several.
func (c *charsets) table(charset string, query asker) (*[256]string, error) {
	if table := c.tables[charset]; table != nil || c.wide[charset] {
		return table, nil
	}
	longest := int64(0)
	err := query("SELECT maxlen FROM information_schema.character_sets WHERE character_set_name = "+store.Literal(charset), func(v []driver.Value) error {
		longest = store.Number(v[0])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if longest == 0 {
		return nil, fmt.Errorf("the server has no character set %q", charset)
	}
	if longest > 1 {
		c.wide[charset] = true
		return nil, nil
	}
	var columns []string
	for i := range 256 {
		columns = append(columns, converted(charset, []byte{byte(i)}))
	}
	table := &[256]string{}
	err = query("SELECT "+strings.Join(columns, ", "), func(v []driver.Value) error {
		for i := range table {
			table[i] = store.String(v[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.tables[charset] = table
	return table, nil
}

// converted is SQL for a text of a character set in UTF-8. What comes from binary is not
// converted, but taken as it is.
func converted(charset string, b []byte) string {
	return "CONVERT(CONVERT(x'" + hex.EncodeToString(b) + "' USING " + store.Quote(charset) + ") USING utf8mb4)"
}

// ask has the server convert a text.
func (c *charsets) ask(charset string, b []byte, query asker) (string, error) {
	plain := charset != "ucs2" && charset != "utf16" && charset != "utf16le" && charset != "utf32"
	for _, x := range b {
		plain = plain && x >= ' ' && x < 0x7f && x != '\\' && x != '~'
	}
	if plain { // which is the same in all of them; some have other signs for \ and ~
		return string(b), nil
	}
	key := charset + "\x00" + string(b)
	if s, ok := c.known[key]; ok {
		return s, nil
	}
	text := ""
	err := query("SELECT "+converted(charset, b), func(v []driver.Value) error {
		text = store.String(v[0])
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("convert a text of character set %s: %w", charset, err)
	}
	if c.bytes += len(key) + len(text) + 64; c.bytes > knownMost {
		clear(c.known)
		c.bytes = 0
	}
	c.known[key] = text
	return text, nil
}

// fromUTF16 is false for what the server may have its own view of.
func fromUTF16(b []byte, little bool) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		high, low := b[2*i], b[2*i+1]
		if little {
			high, low = low, high
		}
		units[i] = uint16(high)<<8 | uint16(low)
	}
	runes := utf16.Decode(units)
	for _, r := range runes {
		if r == utf8.RuneError {
			return "", false
		}
	}
	return string(runes), true
}

func fromUTF32(b []byte) (string, bool) {
	if len(b)%4 != 0 {
		return "", false
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		r := rune(b[0])<<24 | rune(b[1])<<16 | rune(b[2])<<8 | rune(b[3])
		if !utf8.ValidRune(r) {
			return "", false
		}
		s.WriteRune(r)
	}
	return s.String(), true
}
