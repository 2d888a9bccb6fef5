package mysql

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// place is where a log was read to: everything in set, or a file up to an offset.
type place struct {
	set    *gtids // nil where the log has no GTIDs
	file   string
	offset uint64
}

// position is a place in the log of one link. It is printed as "m1:GENERATION:g:GTIDS" with
// GTIDs of MySQL, "m1:GENERATION:d:GTIDS" with those of MariaDB, and
// "m1:GENERATION:f:FILE:OFFSET" without. Behind that may come
//
//	~PLACE     where reading has to begin: what XA has prepared since is not decided yet
//	#GTID+N    and of that transaction the first N events with rows; +N without GTIDs
type position struct {
	// generation is that of the link: see [store.Store.Setup].
	generation string
	read       place
	resume     *place
	part       gtid
	index      int
}

const malformed = "%q is no position of a mysql log"

func (p *position) public() change.Position {
	b := make([]byte, 0, 96)
	b = append(b, "m1:"...)
	b = append(b, p.generation...)
	switch {
	case p.read.set == nil:
		b = append(b, ":f:"...)
	case p.read.set.mariadb:
		b = append(b, ":d:"...)
	default:
		b = append(b, ":g:"...)
	}
	b = p.read.append(b)
	if p.resume != nil {
		b = append(b, '~')
		b = p.resume.append(b)
	}
	if p.index > 0 {
		if p.read.set != nil {
			b = append(b, '#')
			b = append(b, p.part.String()...)
		}
		b = append(b, '+')
		b = strconv.AppendInt(b, int64(p.index), 10)
	}
	return change.Position(b)
}

func (p *place) append(b []byte) []byte {
	if p.set != nil {
		return p.set.append(b)
	}
	b = append(b, escapeFile.Replace(url.QueryEscape(p.file))...)
	b = append(b, ':')
	return strconv.AppendUint(b, p.offset, 10)
}

// escapeFile takes out of a name what separates the parts of a position.
var escapeFile = strings.NewReplacer("~", "%7E", "+", "%20")

func parsePosition(text change.Position) (position, error) {
	fail := func() (position, error) { return position{}, fmt.Errorf(malformed, string(text)) }
	parts := strings.SplitN(string(text), ":", 4)
	if len(parts) != 4 || parts[0] != "m1" || parts[1] == "" || len(parts[2]) != 1 {
		return fail()
	}
	p := position{generation: parts[1]}
	kind, rest := parts[2][0], parts[3]
	rest, number, partial := strings.Cut(rest, "+")
	if partial {
		var err error
		if p.index, err = strconv.Atoi(number); err != nil || p.index <= 0 {
			return fail()
		}
		if kind != 'f' {
			var name string
			if rest, name, partial = strings.Cut(rest, "#"); !partial {
				return fail()
			}
			if p.part, err = parseGTID(name); err != nil || p.part.mariadb != (kind == 'd') {
				return fail()
			}
		}
	}
	rest, resume, held := strings.Cut(rest, "~")
	var err error
	if p.read, err = parsePlace(kind, rest); err != nil {
		return fail()
	}
	if held {
		from, err := parsePlace(kind, resume)
		if err != nil {
			return fail()
		}
		p.resume = &from
	}
	return p, nil
}

func parsePlace(kind byte, text string) (place, error) {
	switch kind {
	case 'g', 'd':
		set, err := parseGTIDs(text, kind == 'd')
		return place{set: set}, err
	case 'f':
		name, offset, ok := strings.Cut(text, ":")
		if !ok {
			return place{}, fmt.Errorf(malformed, text)
		}
		file, err := url.QueryUnescape(name)
		if err != nil {
			return place{}, err
		}
		n, err := strconv.ParseUint(offset, 10, 64)
		return place{file: file, offset: n}, err
	}
	return place{}, fmt.Errorf(malformed, text)
}

// fileNumber splits the name of a file of the log.
func fileNumber(file string) (base string, number uint64) {
	i := strings.LastIndexByte(file, '.')
	if i < 0 {
		return file, 0
	}
	n, err := strconv.ParseUint(file[i+1:], 10, 64)
	if err != nil {
		return file, 0
	}
	return file[:i], n
}

// compareFiles tells which of two places without GTIDs is first. They may be of different logs.
func (p *place) compareFiles(o *place) (order int, ok bool) {
	base, number := fileNumber(p.file)
	other, n := fileNumber(o.file)
	switch {
	case base != other:
		return 0, false
	case number != n && number < n, number == n && p.offset < o.offset:
		return -1, true
	case number == n && p.offset == o.offset:
		return 0, true
	}
	return 1, true
}

// holds tells whether everything up to o is up to p.
func (p *place) holds(o *place) bool {
	if (p.set == nil) != (o.set == nil) {
		return false
	}
	if p.set != nil {
		return p.set.mariadb == o.set.mariadb && p.set.hasAll(o.set)
	}
	order, ok := p.compareFiles(o)
	return ok && order >= 0
}

// Reached tells whether a log read to read holds everything up to want. See
// [sources.Source].
func (s *Source) Reached(read, want change.Position) bool { return reached(read, want) }

func reached(read, want change.Position) bool {
	if want == "" || read == "" {
		return want == ""
	}
	if read == want {
		return true
	}
	if further, ok := further(string(read), string(want)); ok {
		return further
	}
	return holds(read, want)
}

// further is holds for two places that differ in no more than where their last range ends, as long as a log is read on.
// It is not ok if that cannot be seen: it is asked for each transaction.
func further(read, want string) (is, ok bool) {
	same := 0
	for same < len(read) && same < len(want) && read[same] == want[same] {
		same++
	}
	for same > 0 && isDigit(read[same-1]) {
		same--
	}
	r, w := read[same:], want[same:]
	// Behind a hyphen is the end of a range that both begin alike, or the number that a domain has come to.
	if same == 0 || read[same-1] != '-' || !isNumber(r) || !isNumber(w) || strings.ContainsAny(read[:same], "~#+") {
		return false, false
	}
	return len(r) > len(w) || len(r) == len(w) && r >= w, true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// isNumber tells whether all of text is one, as it is printed.
func isNumber(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return text != "" && text[0] != '0'
}

// holds is reached for any two places.
func holds(read, want change.Position) bool {
	r, err := parsePosition(read)
	if err != nil {
		return false
	}
	w, err := parsePosition(want)
	if err != nil || r.generation != w.generation || !r.read.holds(&w.read) {
		return false
	}
	if w.index == 0 {
		return true
	}
	if w.read.set == nil {
		order, _ := r.read.compareFiles(&w.read)
		return order > 0 || r.index >= w.index
	}
	return r.read.set.has(w.part) || r.index >= w.index && r.part == w.part
}
