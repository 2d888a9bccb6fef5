package servers

import (
	"context"
	"os"
	"strings"
	"time"
)

const versionsVariable = "CDCSYNC_TEST_POSTGRES_VERSIONS"

// Versions returns the major versions of PostgreSQL that tests run against: the oldest and
// the newest that are supported, what the environment says instead, or that of the server
// that was given.
func Versions() []string {
	if list := os.Getenv(versionsVariable); list != "" {
		return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	if os.Getenv(givenVariable) != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if s, err := givenServer(ctx); err == nil {
			return []string{s.installation.version}
		}
		// Pool.Postgres fails with the reason.
	}
	return []string{"15", "18"}
}
