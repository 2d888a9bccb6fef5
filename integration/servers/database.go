package servers

import (
	"context"
	"crypto/rand"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Database is an empty database of one test.
type Database struct {
	Name, DSN string

	server *Server
}

// Database makes a database, and drops it at the end of the test, with all that holds on to
// it: connections, replication slots, prepared transactions. (Those of MySQL and MariaDB belong
// to no database: they are ended if they have its name in theirs.) If the server is down by
// then, the database goes with the server, as does a small one of PostgreSQL, which is closed
// until then.
func (s *Server) Database(t testing.TB) *Database {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())[:12]
	if _, err := s.SQL(t.Context(), "", "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v\n%s", err, s.Log())
	}
	t.Cleanup(func() {
		if s.given == "" && !s.Running() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if err := s.drop(ctx, name); err != nil {
			t.Errorf("drop database %s: %v\n%s", name, err, s.Log())
		}
	})
	return &Database{Name: name, DSN: s.DSN(name), server: s}
}

// Running tells whether the server has been started and has not ended, be it by itself.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && s.process.alive()
}

// drop drops a database. What was ended for that may come back, so this is tried until it
// works.
func (s *Server) drop(ctx context.Context, name string) error {
	for {
		err := s.installation.engine.drop(ctx, s, name)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// SQL runs statements as Server.SQL does. The test fails if one of them does.
func (d *Database) SQL(t testing.TB, statements string) string {
	t.Helper()
	out, err := d.server.SQL(t.Context(), d.Name, statements)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Client is the engine's own client, psql or mysql or mariadb, with arguments, connected to the
// database.
func (d *Database) Client(t testing.TB, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd, err := d.server.installation.engine.client(t.Context(), d.server, d.Name, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}
