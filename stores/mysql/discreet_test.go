package mysql

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// What a server says of a row that it refuses names the place, and no value.
func TestErrorsShowNoValues(t *testing.T) {
	for _, c := range []struct {
		code          uint16
		message, want string
	}{
		{1062, "Duplicate entry 'canary' for key 'people.email'", "Duplicate entry '…' for key 'people.email'"},
		{1062, "Duplicate entry 'canary' for key 'x' for key 'email'", "Duplicate entry '…' for key 'email'"},
		{1366, "Incorrect integer value: 'canary' for column 'n' at row 1", "Incorrect integer value: '…' for column 'n' at row 1"},
		{1366, "Incorrect integer value: 'can\nary' for column `s`.`t`.`n` at row 1", "Incorrect integer value: '…' for column `s`.`t`.`n` at row 1"},
		{1292, "Truncated incorrect DOUBLE value: 'canary'", "Truncated incorrect DOUBLE value: '…'"},
		{1525, "Incorrect DATE value: 'canary'", "Incorrect DATE value: '…'"},
		{1526, "Table has no partition for value canary", "Table has no partition for value '…'"},
		{1690, "BIGINT UNSIGNED value is out of range in '(0 - canary)'", "BIGINT UNSIGNED value is out of range in '…'"},
		{1406, "Data too long for column 'name' at row 1", "Data too long for column 'name' at row 1"},
		{1644, "the application says: canary", "the application says: canary"},
	} {
		err := Classify("write row", &mysql.MySQLError{Number: c.code, Message: c.message})
		if got := err.Error(); !strings.HasSuffix(got, ": "+c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
		if Code(err) != c.code {
			t.Errorf("%s: the code is gone", c.want)
		}
	}
	if other := errors.New("other"); Discreet(other) != other {
		t.Error("another error is not as it was")
	}
}
