package servers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const givenVariable = "CDCSYNC_TEST_POSTGRES"

// givenServer returns the server that the environment gives.
func givenServer(ctx context.Context) (*Server, error) {
	dsn := os.Getenv(givenVariable)
	if strings.Contains(dsn, "://") {
		if _, err := url.Parse(dsn); err != nil {
			return nil, fmt.Errorf("read %s: %w", givenVariable, errors.Unwrap(err)) // without its password
		}
	}
	programs, err := clients(ctx)
	if err != nil {
		return nil, fmt.Errorf("find psql to ask %s: %w", givenVariable, err)
	}
	s := &Server{given: dsn, installation: programs}
	answer, err := s.SQL(ctx, "", "SHOW server_version_num")
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", givenVariable, err)
	}
	number, err := strconv.Atoi(answer)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", givenVariable, err)
	}
	programs.version = strconv.Itoa(number / 10_000)
	return s, nil
}

// clients returns the newest installation with programs that talk to a server.
func clients(ctx context.Context) (*Installation, error) {
	if psql, err := exec.LookPath("psql"); err == nil {
		return &Installation{bin: filepath.Dir(psql), given: true}, nil
	}
	newest, err := Postgres(ctx, "18")
	if err != nil {
		return nil, err
	}
	return &Installation{bin: newest.bin, given: true}, nil
}

// withDatabase returns a connection string, in either of the two forms, with another database.
func withDatabase(dsn, database string) string {
	if database == "" {
		return dsn
	}
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		return fmt.Sprintf("%s dbname='%s'", dsn, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database))
	}
	u.Path, u.RawPath = "/"+database, ""
	return u.String()
}
