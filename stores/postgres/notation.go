package postgres

import "github.com/cdcsync/cdcsync/change"

// Notation says how a session writes the values of t in a [change.Block].
func (t *Type) Notation() change.Notation {
	n := change.Notation{Kind: t.Kind()}
	switch t.OID {
	case oidInt2, oidInt4, oidInt8, oidNumeric, oidText, oidVarchar, oidUUID, oidDate, oidJSON, oidJSONB:
	case oidTime, oidTimestamp:
		n.Digits = t.fraction()
	default:
		n.Type = "postgres " + t.Cast
	}
	return n
}

// Takes tells whether text in a notation is the same value for t.
func (t *Type) Takes(n change.Notation) bool {
	own := t.Notation()
	switch t.OID {
	case oidTime, oidTimestamp:
		return n.Type == "" && n.Kind == own.Kind && n.Digits <= own.Digits
	case oidTimestamptz: // the time zone of a session is UTC
		if n.Type == "" {
			return n.Kind == change.TimestampUTC && n.Digits <= t.fraction()
		}
	case oidText, oidVarchar:
		n.Blanked = false
	}
	return n == own
}

// fraction is how many digits of a second a time keeps.
func (t *Type) fraction() int {
	if t.Mod < 0 {
		return 6
	}
	return int(t.Mod)
}
