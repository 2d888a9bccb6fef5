package sqlite

import "strings"

// indexParts returns the text of each column or expression of a CREATE INDEX statement,
// without ASC and DESC. The catalogue does not have the expressions otherwise.
func indexParts(create string) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(create); {
		n := skip(create[i:])
		if n == 1 {
			switch create[i] {
			case '(':
				if depth++; depth == 1 {
					start = i + 1
				}
			case ')':
				if depth--; depth == 0 {
					return append(parts, unordered(create[start:i]))
				}
			case ',':
				if depth == 1 {
					parts, start = append(parts, unordered(create[start:i])), i+1
				}
			}
		}
		i += n
	}
	return nil
}

// hasWord tells whether a statement has a word, outside of quotes and comments.
func hasWord(statement, word string) bool {
	for i := 0; i < len(statement); {
		n := skip(statement[i:])
		end := i + len(word)
		if n == 1 && end <= len(statement) && strings.EqualFold(statement[i:end], word) &&
			(i == 0 || !isWord(statement[i-1])) && (end == len(statement) || !isWord(statement[end])) {
			return true
		}
		i += n
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// skip returns the length of the quoted text or comment that s begins with, else 1.
func skip(s string) int {
	end := ""
	switch {
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		end = s[:1] // a doubled quote reads as two literals in a row, which is the same here
	case s[0] == '[':
		end = "]"
	case strings.HasPrefix(s, "--"):
		end = "\n"
	case strings.HasPrefix(s, "/*"):
		if i := strings.Index(s[2:], "*/"); i >= 0 {
			return i + 4
		}
		return len(s)
	default:
		return 1
	}
	if i := strings.Index(s[1:], end); i >= 0 {
		return i + 1 + len(end)
	}
	return len(s)
}

func unordered(part string) string {
	part = strings.TrimSpace(part)
	for _, word := range []string{"ASC", "DESC"} {
		if n := len(part) - len(word); n > 0 && strings.EqualFold(part[n:], word) && strings.ContainsRune(" \t\r\n)\"]`", rune(part[n-1])) {
			return strings.TrimSpace(part[:n])
		}
	}
	return part
}
