package configs

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// nearest returns the name that was probably meant by given, or "".
func nearest(given string, names []string) string {
	given = strings.ToLower(given)
	best, least := "", 4
	for _, name := range names {
		d := levenshtein.Distance(given, strings.ToLower(name), nil)
		if d < least && d <= tolerance(given, name) {
			best, least = name, d
		}
	}
	return best
}

// tolerance is how many letters may differ for name to be a likely reading of given: the
// shorter the names, the fewer, but two letters swapped are two.
func tolerance(given, name string) int {
	switch n := min(utf8.RuneCountInString(given), utf8.RuneCountInString(name)); {
	case n < 3:
		return 1
	case n < 8:
		return 2
	default:
		return 3
	}
}

// didYouMean is the sentence about the name that was probably meant, to be put behind
// another one; "" if there is none.
func didYouMean(given string, names []string) string {
	if name := nearest(given, names); name != "" {
		return fmt.Sprintf(" Did you mean %q?", name)
	}
	return ""
}

// oneOf lists names for a sentence: "a", "b" or "c".
func oneOf(names []string) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

// knownNames says which names there are, to be put behind the sentence that there is none
// of that name. It gives the likely one, or all as long as they are few.
func knownNames(given, what string, names []string) string {
	if hint := didYouMean(given, names); hint != "" {
		return hint
	}
	if len(names) == 0 || len(names) > 12 {
		return ""
	}
	return fmt.Sprintf(" The %s: %s.", what, strings.Join(names, ", "))
}
