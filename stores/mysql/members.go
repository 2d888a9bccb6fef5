package mysql

import (
	"fmt"
	"strings"
)

// members reads those of an enum or a set from its declaration. In it quotes are doubled, and a
// backslash stands before a backslash and for what ends lines and texts.
func members(declared string) ([]string, error) {
	_, rest, ok := strings.Cut(declared, "(")
	var all []string
	for ok && strings.HasPrefix(rest, "'") {
		var name strings.Builder
		i := 1
		for ; i < len(rest); i++ {
			c := rest[i]
			if (c == '\'' || c == '\\') && i+1 < len(rest) && (c == '\\' || rest[i+1] == c) {
				i++
				if c = rest[i]; rest[i-1] == '\\' {
					c = unescaped(c)
				}
			} else if c == '\'' {
				break
			}
			name.WriteByte(c)
		}
		if i == len(rest) {
			break
		}
		all = append(all, name.String())
		rest = rest[i+1:]
		if strings.HasPrefix(rest, ")") {
			return all, nil
		}
		rest, ok = strings.CutPrefix(rest, ",")
	}
	return nil, fmt.Errorf("%w: members of %s", ErrValue, declared)
}

func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case '0':
		return 0
	}
	return c
}

// mayBeLost tells whether a character set has characters beyond those of three bytes in UTF-8.
// The catalogue of a server shows them as question marks.
func mayBeLost(charset string) bool {
	switch charset {
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return true
	}
	return false
}
