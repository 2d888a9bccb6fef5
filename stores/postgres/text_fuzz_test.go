package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// textKinds are the kinds of the columns of a PostgreSQL.
var textKinds = []change.Kind{
	change.Bool, change.Int64, change.Float64, change.Decimal, change.Text, change.Bytes, change.Date, change.Time, change.Timestamp,
	change.TimestampUTC, change.Interval, change.JSON, change.UUID, change.Array,
}

// FuzzText feeds arbitrary text to the reader of values: what it accepts is the same after being
// written as input for the server and read once more.
func FuzzText(f *testing.F) {
	for _, kind := range textKinds {
		for _, s := range []string{"t", "f", "-9223372036854775808", "1e400", "NaN", "-Infinity", "-0", `\x00ff`, `\xf`, "2024-01-02 03:04:05.678901+00",
			"0044-03-15 00:00:00+00 BC", "infinity", "", "{1,NULL,\"a\"}", "\xff"} {
			f.Add(byte(kind), s)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, s string) {
		if !slices.Contains(textKinds, change.Kind(kind)) {
			return
		}
		v, err := Decode(change.Kind(kind), s)
		if err != nil {
			return
		}
		if v.Kind() != change.Kind(kind) {
			t.Fatalf("%q as a %v is a %v", s, change.Kind(kind), v.Kind())
		}
		printed := string(AppendText(nil, v))
		if v.Kind() == change.TimestampUTC && printed != s { // the server takes Z and prints +00
			at := strings.LastIndex(printed, "Z")
			printed = printed[:at] + "+00" + printed[at+1:]
		}
		again, err := Decode(v.Kind(), printed)
		if err != nil || string(change.AppendValue(nil, again)) != string(change.AppendValue(nil, v)) {
			t.Fatalf("%q as a %v is %v, then %v, %v", s, v.Kind(), v, again, err)
		}
	})
}
