package mapping

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// wellFormed tells whether text is how a value of that kind is written.
func wellFormed(text string, kind change.Kind) bool {
	switch kind {
	case change.Decimal:
		return decimalText(text)
	case change.Date, change.Timestamp, change.TimestampUTC:
		return dateText(text, kind)
	case change.Time:
		return text == "24:00:00" || clockText(text) || spanText(text)
	case change.Interval:
		return intervalText(text)
	case change.JSON:
		return json.Valid([]byte(text))
	case change.UUID:
		return uuidText(text)
	case change.Array:
		return arrayText(text)
	default:
		return false
	}
}

// decimalText tells whether s is digits with an optional sign and point, without leading
// zeros and without a negative zero.
func decimalText(s string) bool {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	switch {
	case strings.Trim(whole, "0123456789") != "", strings.Trim(fraction, "0123456789") != "":
		return false
	case whole == "", len(whole) > 1 && whole[0] == '0', point && fraction == "":
		return false
	default:
		return !negative || strings.Trim(digits, "0.") != ""
	}
}

// noNumber tells whether s is one of the values of a Decimal that are no number.
func noNumber(s string) bool { return s == "NaN" || s == "Infinity" || s == "-Infinity" }

// zeroTimestamp is MySQL's for no instant at all.
const zeroTimestamp = "0000-00-00 00:00:00"

// looseDay is a day as MySQL may hold it: with nothing but zeros, without a month or a day, or
// with a day that the month has not. What has no such days refuses them itself.
var looseDay = regexp.MustCompile(`^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$`)

// span is a time as MySQL may hold it: less than nothing, or longer than a day.
var span = regexp.MustCompile(`^-?(\d\d|[1-8]\d\d):[0-5]\d:[0-5]\d(\.\d{1,6})?$`)

func spanText(s string) bool {
	return span.MatchString(s) && (s[0] != '-' || strings.Trim(s, "-0:.") != "")
}

// dateText tells whether s is a day, with a time where the kind has one, of any year from
// before Christ to beyond 9999, or without an end, or none in the way of MySQL.
func dateText(s string, kind change.Kind) bool {
	switch {
	case s == "infinity", s == "-infinity", kind == change.TimestampUTC && s == zeroTimestamp+"Z":
		return true
	}
	s, before := strings.CutSuffix(s, " BC")
	ok := true
	if kind == change.TimestampUTC {
		s, ok = strings.CutSuffix(s, "Z")
	}
	day, clock, timed := strings.Cut(s, " ")
	if !ok || timed != (kind != change.Date) || timed && !clockText(clock) {
		return false
	}
	if kind != change.TimestampUTC && !before && looseDay.MatchString(day) {
		return true
	}
	digits, rest, _ := strings.Cut(day, "-")
	year, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || len(digits) < 4 || len(digits) > 4 && digits[0] == '0' || year == 0 {
		return false
	}
	if before { // the year before 1 is 1 BC
		year--
	}
	// Leap years come again after 400.
	t, err := time.Parse(time.DateOnly, strconv.FormatUint(2000+year%400, 10)+"-"+rest)
	if before {
		t, err = time.Parse(time.DateOnly, strconv.FormatUint(2400-year%400, 10)+"-"+rest)
	}
	return err == nil && t.Format("01-02") == rest
}

// clockText tells whether s is a time of the day, with up to six digits of a second.
func clockText(s string) bool {
	t, err := time.Parse(time.TimeOnly, s) // takes a fraction of any length, and a comma for its point
	if err != nil || t.Nanosecond()%1000 != 0 || strings.Contains(s, ",") {
		return false
	}
	return len(s) >= len(time.TimeOnly) && len(s) <= len(time.TimeOnly)+7 && s[:len(time.TimeOnly)] == t.Format(time.TimeOnly)
}

// intervalParts is an interval as PostgreSQL prints it in its own style.
var intervalParts = regexp.MustCompile(`^(?:([+-]?[1-9]\d*) (years?))?(?: ?([+-]?[1-9]\d*) (mons?))?(?: ?([+-]?[1-9]\d*) (days?))?(?: ?([+-]?)(\d{2,}:[0-5]\d:[0-5]\d(?:\.\d{0,5}[1-9])?))?$`)

// intervalText tells whether s is such an interval: every part is in the plural unless it is
// 1, and has a plus if it follows one with a minus and has none.
func intervalText(s string) bool {
	m := intervalParts.FindStringSubmatch(s)
	if m == nil || s == "" || s[0] == ' ' {
		return s == "infinity" || s == "-infinity"
	}
	var printed []string
	minus := false
	for i := 1; i < 7; i += 2 {
		if m[i] == "" {
			continue
		}
		number := m[i]
		if strings.HasSuffix(m[i+1], "s") == (number == "1" || number == "+1") || (number[0] == '+') != (minus && number[0] != '-') {
			return false
		}
		minus = number[0] == '-'
		printed = append(printed, number+" "+m[i+1])
	}
	if clock := m[8]; clock != "" {
		zero := strings.Trim(clock, "0:") == ""
		if zero && (printed != nil || m[7] != "") || m[7] != "-" && (m[7] == "+") != minus || len(clock) > 8 && clock[0] == '0' && clock[2] != ':' {
			return false
		}
		printed = append(printed, m[7]+clock)
	}
	return strings.Join(printed, " ") == s
}

func uuidText(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// arrayBounds is what an array begins with whose first index is not 1.
var arrayBounds = regexp.MustCompile(`^(\[-?\d+:-?\d+\])+=`)

// arrayText tells whether s is an array as PostgreSQL prints it, as far as that does not
// depend on the type of its elements.
func arrayText(s string) bool {
	s = s[len(arrayBounds.FindString(s)):]
	rest, ok := arrayRest(s, 0)
	return ok && rest == ""
}

// arrayDepth is how many dimensions an array has at the most.
const arrayDepth = 6

// arrayRest returns what follows the array that s begins with.
func arrayRest(s string, depth int) (rest string, ok bool) {
	s, ok = strings.CutPrefix(s, "{")
	if !ok || depth == arrayDepth {
		return "", false
	}
	if rest, ok := strings.CutPrefix(s, "}"); ok {
		return rest, depth == 0
	}
	for {
		if strings.HasPrefix(s, "{") {
			s, ok = arrayRest(s, depth+1)
		} else {
			s, ok = elementRest(s)
		}
		switch {
		case !ok || s == "":
			return "", false
		case s[0] == '}':
			return s[1:], true
		case s[0] != ',':
			return "", false
		}
		s = s[1:]
	}
}

// quotedOnly is what an element has in quotes alone.
const quotedOnly = "{}\\\", \t\n\r\v\f"

// elementRest returns what follows the element that s begins with. It is in quotes if it has
// to be, and only then.
func elementRest(s string) (rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, quotedOnly)
		return s[max(end, 0):], end > 0 && (s[:end] == "NULL" || !strings.EqualFold(s[:end], "NULL"))
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) || s[i] != '\\' && s[i] != '"' {
				return "", false
			}
			b.WriteByte(s[i])
		case '"':
			text := b.String()
			// Where elements are apart by another character, a comma needs no quotes.
			needed := text == "" || strings.EqualFold(text, "NULL") || strings.ContainsAny(text, quotedOnly) || strings.Contains(text, ";")
			return s[i+1:], needed
		default:
			b.WriteByte(s[i])
		}
	}
	return "", false
}
