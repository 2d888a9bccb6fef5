package postgres

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// quoted is what a message puts in quotes, in whatever language it is.
var quoted = regexp.MustCompile(`(?s)["„“«»].*["“”«»]`)

// discreet is an error that prints without the values of the row that it is about.
type discreet struct {
	error
	text string
}

// Error prints the error without values.
func (d *discreet) Error() string { return d.text }

// Unwrap returns the error itself.
func (d *discreet) Unwrap() error { return d.error }

// Discreet returns err, a server's, so that it prints no value of a row. Only errors about data,
// those of class 22, quote one in their message; details are never printed. What the application's
// own triggers say is left as they say it.
func Discreet(err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !strings.HasPrefix(refused.Code, "22") || !quoted.MatchString(refused.Message) {
		return err
	}
	shown := *refused
	shown.Message = quoted.ReplaceAllString(refused.Message, `"…"`)
	return &discreet{err, shown.Error()}
}
