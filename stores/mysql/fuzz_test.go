package mysql

import "testing"

// FuzzServerText feeds arbitrary text to what reads answers of servers and our own notes of places:
// nothing panics, and a place is the same after being written and read once more.
func FuzzServerText(f *testing.F) {
	for _, s := range []string{"gtid:0-1-5", "file:binlog.000001:4", "file:a:b:4", "8.0.40", "10.11.6-MariaDB-log", "5.5.5-10.6.1-MariaDB",
		"GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", "GRANT SELECT, INSERT (`a`) ON `my\\_db%`.`t``x` TO `u`@`h`", "GRANT `r`@`%` TO `u`@`%`", "GRANT SELECT ON `\\é\xff`.* TO `u`@`%`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePlace(s); err == nil {
			if again, err := ParsePlace(p.String()); err != nil || again != p {
				t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
			}
		}
		_, _ = ParseServer(s)
		_, _ = parseGrant(s)
	})
}
