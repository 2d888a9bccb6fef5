package postgres

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
)

// quoted is what a message puts in quotes, in whatever language it is.
var quoted = regexp.MustCompile(`(?s)["„“«»].*["“”«»]`)

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
	return change.Reworded(err, shown.Error())
}
