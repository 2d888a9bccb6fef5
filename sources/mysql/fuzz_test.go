package mysql

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// FuzzPosition feeds arbitrary text to the reader of positions: what it accepts is the same after
// being written and read once more, and has all that it has itself.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{"m1:a:g:", "m1:a:g:" + uuidA + ":1-5:7", "m1:a:g:" + uuidA + ":tag:1-5#" + uuidA + ":tag:6+2",
		"m1:a:d:0-1-5,7-2-1", "m1:a:d:0-1-5#0-1-6+3", "m1:a:d:0-1-5~0-1-3", "m1:a:f:binlog.000001:4", "m1:a:f:bin%7Elog.000001:4+7~binlog.000001:4",
		"m1:a:f:x:99999999999999999999", "m1::g:", "m2:a:g:", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePosition(change.Position(s))
		if err != nil {
			return
		}
		again, err := parsePosition(p.public())
		if err != nil || again.public() != p.public() {
			t.Fatalf("%q is %q, then %q, %v", s, p.public(), again.public(), err)
		}
		if !p.read.holds(&again.read) || !again.read.holds(&p.read) {
			t.Fatalf("%q does not hold itself", s)
		}
	})
}
