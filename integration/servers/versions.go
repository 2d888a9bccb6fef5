package servers

import (
	"context"
	"os"
	"strings"
	"time"
)

// Versions returns the major versions of PostgreSQL that tests run against: the oldest and
// the newest that are supported, what the environment says instead, or that of the server
// that was given.
func Versions() []string { return versions(postgres{}) }

// MariaDBVersions returns the versions of MariaDB that tests run against, as Versions does.
func MariaDBVersions() []string { return versions(mysql{mariadb: true}) }

// MySQLVersions returns the versions of MySQL that tests run against, as Versions does.
func MySQLVersions() []string { return versions(mysql{}) }

func versions(e engine) []string {
	traits := e.traits()
	if list := os.Getenv(traits.given + "_VERSIONS"); list != "" {
		return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	if os.Getenv(traits.given) != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if s, err := givenServer(ctx, e); err == nil {
			return []string{s.installation.version}
		}
		// The pool fails with the reason.
	}
	return traits.versions
}
