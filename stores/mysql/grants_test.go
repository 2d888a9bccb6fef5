package mysql

import "testing"

func TestParseGrant(t *testing.T) {
	var g grants
	for _, line := range []string{
		"GRANT USAGE ON *.* TO `u`@`%`",
		"GRANT REPLICATION SLAVE, BINLOG_ADMIN ON *.* TO `u`@`%` WITH GRANT OPTION",
		"GRANT SELECT, INSERT (`a`, `b, c`), UPDATE ON `d`.`t` TO `u`@`%`",
		"GRANT TRIGGER ON `a\\_b%`.* TO `u`@`%`",
		"GRANT CREATE ON `x_y`.* TO `u`@`%` IDENTIFIED BY PASSWORD '*1'",
		"GRANT ALL PRIVILEGES ON `q``r`.`o``n .` TO `u`@`%`",
		"GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u`@`%`",
		"GRANT `role`@`%` TO `u`@`%`",
		"GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION",
		"REVOKE SELECT ON `d`.* FROM `u`@`%`",
	} {
		if one, ok := parseGrant(line); ok {
			g = append(g, one)
		}
	}
	if len(g) != 6 {
		t.Errorf("there are %d grants", len(g))
	}
	for _, test := range []struct {
		privilege, database, table string
		want                       bool
	}{
		{"REPLICATION SLAVE", "", "", true}, {"REPLICATION SLAVE", "d", "t", true}, {"REPLICATION", "", "", false}, {"EXECUTE", "d", "p", false},
		{"SELECT", "d", "t", true}, {"SELECT", "d", "u", false}, {"SELECT", "", "", false}, {"INSERT", "d", "t", false}, {"UPDATE", "d", "t", true},
		{"TRIGGER", "a_b1", "x", true}, {"TRIGGER", "aXb1", "x", false}, {"TRIGGER", "a_b☃", "", true}, {"TRIGGER", "", "", false},
		{"CREATE", "xZy", "x", true}, {"CREATE", "xy", "x", false}, {"DROP", "q`r", "o`n .", true}, {"DROP", "q`r", "o", false},
	} {
		if got := g.has(test.privilege, test.database, test.table); got != test.want {
			t.Errorf("%s on %s.%s: %v", test.privilege, test.database, test.table, got)
		}
	}
}
