package mysql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Server is which server it is.
type Server struct {
	// MariaDB tells it from MySQL.
	MariaDB bool
	// Version is major * 10000 + minor * 100 + patch, as in 101118 and 90704.
	Version int
	// Text is the version as the server has it.
	Text string
}

var versionForm = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)`)

// ParseServer reads what VERSION() returns.
func ParseServer(text string) (Server, error) {
	s := Server{MariaDB: strings.Contains(text, "MariaDB"), Text: text}
	// Old clients are told that a MariaDB is a MySQL 5.5.5.
	m := versionForm.FindStringSubmatch(strings.TrimPrefix(text, "5.5.5-"))
	if m == nil {
		return s, fmt.Errorf("%q is no version of a server", text)
	}
	for _, part := range m[1:] {
		n, err := strconv.Atoi(part)
		if err != nil {
			return s, fmt.Errorf("%q is no version of a server: %w", text, err)
		}
		s.Version = s.Version*100 + n
	}
	return s, nil
}

// String names the server for people.
func (s Server) String() string {
	name := "MySQL"
	if s.MariaDB {
		name = "MariaDB"
	}
	return fmt.Sprintf("%s %d.%d.%d", name, s.Version/10000, s.Version/100%100, s.Version%100)
}
