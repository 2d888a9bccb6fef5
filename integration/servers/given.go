package servers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// givenServer returns the server of an engine that the environment gives.
func givenServer(ctx context.Context, e engine) (*Server, error) {
	traits := e.traits()
	dsn := os.Getenv(traits.given)
	if strings.Contains(dsn, "://") {
		if _, err := url.Parse(dsn); err != nil {
			return nil, fmt.Errorf("read %s: %w", traits.given, errors.Unwrap(err)) // without its password
		}
	}
	programs, err := clients(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("find %s to ask %s: %w", traits.client, traits.given, err)
	}
	s := &Server{given: dsn, installation: programs}
	programs.version, err = e.version(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", traits.given, err)
	}
	return s, nil
}

// clients returns the newest installation with programs that talk to a server.
func clients(ctx context.Context, e engine) (*Installation, error) {
	traits := e.traits()
	if client, err := exec.LookPath(traits.client); err == nil {
		// MariaDB's client calls itself mysql too, and cannot log in everywhere.
		real, err := filepath.EvalSymlinks(client)
		if err == nil && (filepath.Base(real) != "mariadb" || traits.client == "mariadb") {
			return &Installation{engine: e, bin: filepath.Dir(client), given: true}, nil
		}
	}
	newest, err := install(ctx, e, traits.versions[len(traits.versions)-1])
	if err != nil {
		return nil, err
	}
	return &Installation{engine: e, bin: newest.bin, given: true}, nil
}
