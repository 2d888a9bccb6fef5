package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a server says of a row that it refuses names the place, and no value.
func TestErrorsShowNoValues(t *testing.T) {
	for _, c := range []struct{ code, message, want string }{
		{"22P02", `invalid input syntax for type integer: "canary"`, `invalid input syntax for type integer: "…"`},
		{"22P02", `ungültige Eingabesyntax für Typ integer: »canary«`, `ungültige Eingabesyntax für Typ integer: "…"`},
		{"22003", `value "can" "ary" is out of range for type integer`, `value "…" is out of range for type integer`},
		{"22001", `value too long for type character varying(3)`, `value too long for type character varying(3)`},
		{"23505", `duplicate key value violates unique constraint "people_email_key"`, `duplicate key value violates unique constraint "people_email_key"`},
		{"P0001", `the application says: "canary"`, `the application says: "canary"`},
	} {
		refused := &pgconn.PgError{Severity: "ERROR", Code: c.code, Message: c.message, Detail: "Key (email)=(canary) already exists."}
		err := Classify("write row", refused)
		if got := err.Error(); !strings.HasSuffix(got, c.want+" (SQLSTATE "+c.code+")") {
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
