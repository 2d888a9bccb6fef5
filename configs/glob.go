package configs

import "strings"

// isGlob tells whether a pattern can match more than its own text.
func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// globMatch tells whether name matches pattern, in which * is any text, also none, and ?
// is any one character; everything else is itself. Its time is bounded by the product of
// the lengths.
func globMatch(pattern, name string) bool {
	p, s := []rune(pattern), []rune(name)
	star, mark := -1, 0 // the last * met, and where its text ends for now
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
