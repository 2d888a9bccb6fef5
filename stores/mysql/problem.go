package mysql

import "github.com/cdcsync/cdcsync/change"

// Problem is something that stands in the way of a link, or may.
type Problem struct {
	Table   string
	Summary string
	Remedy  string
	// Statement is SQL that mends it.
	Statement string
	// Blocker: the link cannot run. Otherwise it is a warning.
	Blocker bool
	// Class says whether a blocker passes by itself.
	Class change.Class
}

// Error prints p in one line.
func (p *Problem) Error() string {
	s := p.Summary
	if p.Table != "" {
		s = "table " + p.Table + ": " + s
	}
	for _, more := range []string{p.Remedy, p.Statement} {
		if more != "" {
			s += " (" + more + ")"
		}
	}
	return s
}
