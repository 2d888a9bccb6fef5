package mysql

import (
	"errors"
	"regexp"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/change"
)

// saysValue are the messages of a server that quote the row which it refuses: what goes before
// the value, the value, and what comes after it.
var saysValue = map[uint16]*regexp.Regexp{
	DuplicateKey: regexp.MustCompile(`(?s)^(Duplicate entry )'.*'( for key )`),
	1586:         regexp.MustCompile(`(?s)^(Duplicate entry )'.*'( for key )`),
	1292:         regexp.MustCompile(`(?s)( value: )'.*'( for column | for function |$)`),
	1366:         regexp.MustCompile(`(?s)( value: )'.*'( for column | for function |$)`),
	1411:         regexp.MustCompile(`(?s)( value: )'.*'( for column | for function |$)`),
	1525:         regexp.MustCompile(`(?s)( value: )'.*'($)`),
	1526:         regexp.MustCompile(`(?s)( for value ).*($)`),
	1690:         regexp.MustCompile(`(?s)( out of range in )'.*'($)`),
	1761:         regexp.MustCompile(`(?s)(, record )'.*'( would )`),
	1762:         regexp.MustCompile(`(?s)(, record )'.*'( would )`),
}

// Discreet returns err, a server's, so that it prints no value of a row. What the application's
// own triggers say is left as they say it.
func Discreet(err error) error {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return err
	}
	form := saysValue[refused.Number]
	if form == nil || !form.MatchString(refused.Message) {
		return err
	}
	shown := *refused
	shown.Message = form.ReplaceAllString(refused.Message, "$1'…'$2")
	return change.Reworded(err, shown.Error())
}
