package draft

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// words splits a name at what is no letter or digit, where a capital letter begins a word, and
// between letters and digits, into lower case: "tblOrderLine2", "tbl_order_line_2" and
// "TblOrderLine2" are the same.
func words(name string) []string {
	var list []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			list = append(list, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case i > 0 && unicode.IsDigit(r) != unicode.IsDigit(runes[i-1]):
			flush()
		case i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return list
}

// singular returns a word of a name without the ending of its plural, as far as English has
// rules for that.
func singular(word string) string {
	for _, ending := range []struct{ from, to string }{
		{"ies", "y"}, {"sses", "ss"}, {"shes", "sh"}, {"ches", "ch"}, {"xes", "x"}, {"people", "person"}, {"children", "child"},
	} {
		if rest, ok := strings.CutSuffix(word, ending.from); ok && len(rest)+len(ending.to) > 2 {
			return rest + ending.to
		}
	}
	for _, ending := range []string{"ss", "us", "is"} {
		if strings.HasSuffix(word, ending) {
			return word
		}
	}
	if rest, ok := strings.CutSuffix(word, "s"); ok && len(rest) > 2 {
		return rest
	}
	return word
}

// marks are words that say that a table is one.
var marks = []string{"tbl", "t", "tab", "tb", "table"}

// meaning returns the words of the name of a table, in the singular, without its schema, what
// says that it is a table, and the prefix that the tables of its store share.
func meaning(name, prefix string) []string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && i+1 < len(name) {
		name = name[i+1:]
	}
	list := words(name)
	if len(list) > 1 && prefix != "" && list[0] == prefix {
		list = list[1:]
	}
	for len(list) > 1 && slices.Contains(marks, list[0]) {
		list = list[1:]
	}
	for len(list) > 1 && slices.Contains(marks, list[len(list)-1]) {
		list = list[:len(list)-1]
	}
	for i := range list {
		list[i] = singular(list[i])
	}
	return list
}

// sharedPrefix returns the word that nearly all tables of a store begin with, "" if there is
// none.
func sharedPrefix(tables []Table) string {
	const few = 3
	counts := map[string]int{}
	for i := range tables {
		if list := words(tables[i].Name); len(list) > 1 {
			counts[list[0]]++
		}
	}
	for word, n := range counts {
		if n >= few && n*10 >= len(tables)*8 {
			return word
		}
	}
	return ""
}

// sameWord is how much two words mean the same, from 0 to 1: the same word, one that is short
// for another, or one with another around it.
func sameWord(a, b string) float64 {
	if a == b {
		return 1
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	switch {
	case other(a) == b || other(b) == a || other(a) != "" && other(a) == other(b):
		return 0.95
	case len(a) >= 3 && strings.HasPrefix(b, a):
		return 0.85
	case len(a) >= 4 && strings.Contains(b, a):
		return 0.8
	case len(a) >= 3 && a[0] == b[0] && isWithin(a, b) && !strings.ContainsAny(a[1:], "aeiou"):
		return 0.8
	}
	return 0
}

// short are words that names have for others, where the letters alone do not tell.
var short = map[string]string{
	"no": "number", "nr": "number", "num": "number", "qty": "quantity", "amt": "amount", "desc": "description", "descr": "description",
	"addr": "address", "tel": "phone", "telephone": "phone", "zip": "postcode", "dob": "birthday", "pk": "id", "key": "id", "mail": "email",
	"client": "customer", "item": "line", "position": "line", "modified": "updated", "changed": "updated", "ts": "at", "on": "at", "date": "at", "time": "at",
	"number": "id", "code": "id", "lastname": "surname", "forename": "firstname", "first": "given", "last": "family",
}

func other(word string) string { return short[word] }

// isWithin tells whether all letters of a are in b, in their order.
func isWithin(a, b string) bool {
	for _, r := range a {
		i := strings.IndexRune(b, r)
		if i < 0 {
			return false
		}
		b = b[i+1:]
	}
	return true
}

// sameWords is how much two names mean the same, from 0 to 1: the part of their words that
// have a word of the other name each.
func sameWords(a, b []string) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	if strings.Join(a, "") == strings.Join(b, "") {
		return 1
	}
	used := make([]bool, len(b))
	sum, size := 0.0, 0.0
	for _, x := range a {
		best, at := 0.0, -1
		for j, y := range b {
			if s := sameWord(x, y); !used[j] && s > best {
				best, at = s, j
			}
		}
		if at >= 0 {
			used[at] = true
			sum += best * (weight(x) + weight(b[at]))
		}
	}
	for _, x := range slices.Concat(a, b) {
		size += weight(x)
	}
	return sum / size
}

// weight is how much a word says: those that are in many names say less.
func weight(word string) float64 {
	switch word {
	case "id", "at", "on", "no", "nr", "key", "is", "has", "date", "time", "ts", "code", "number", "of", "the":
		return 0.5
	}
	return 1
}

func compareNames(a, b *Table) int { return cmp.Compare(a.Name, b.Name) }
