package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/stores/postgres"
)

var pool servers.Pool

// tests are those of this binary, with the servers that they start.
type tests struct{ *testing.M }

// Run runs them and removes the servers.
func (t tests) Run() int { return pool.Main(t.M) }

// TestPostgresScripts runs each script on every version, with two databases, left and right.
func TestPostgresScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/postgres/*.txt")
	if err != nil || scripts == nil {
		t.Fatalf("there are no scripts: %v", err)
	}
	for _, version := range servers.Versions() {
		for _, script := range scripts {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(script), ".txt"), func(t *testing.T) {
				t.Parallel()
				server := pool.Postgres(t, version)
				databases := map[string]*servers.Database{"left": server.Database(t), "right": server.Database(t)}
				p := params()
				p.Files = []string{script}
				bare := p.Setup
				p.Setup = func(env *testscript.Env) error {
					if err := bare(env); err != nil {
						return err
					}
					for side, db := range databases {
						dsn, err := withCanary(db.DSN)
						if err != nil {
							return err
						}
						env.Setenv(strings.ToUpper(side)+"_DSN", dsn)
						env.Setenv(strings.ToUpper(side)+"_DB", db.Name)
					}
					role := roleOf(databases["left"])
					dsn, err := url.Parse(databases["left"].DSN)
					if err != nil {
						return err
					}
					dsn.User = url.UserPassword(role, "none")
					env.Setenv("ROLE", role)
					env.Setenv("ROLE_DSN", dsn.String())
					return nil
				}
				p.Cmds["pgmend"] = func(ts *testscript.TestScript, neg bool, args []string) {
					pgmend(ts, server, databases[args[0]], args[1])
				}
				t.Cleanup(func() { dropRole(t, databases["left"]) })
				p.Cmds["pg"] = func(ts *testscript.TestScript, neg bool, args []string) {
					pg(ts, server, databases[args[0]], args[1:])
				}
				testscript.Run(t, p)
			})
		}
	}
}

// withCanary puts the canary where the password is, if there is none.
func withCanary(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	if _, ok := u.User.Password(); !ok {
		u.User = url.UserPassword(u.User.Username(), canary)
	}
	return u.String(), nil
}

// pg runs statements on a database and prints the rows, with the variables of the script in
// them: pg left|right STATEMENT...
func pg(ts *testscript.TestScript, server *servers.Server, db *servers.Database, statements []string) {
	text := os.Expand(strings.Join(statements, ";\n"), ts.Getenv)
	out, err := server.SQL(context.Background(), db.Name, text)
	if err != nil {
		ts.Fatalf("%s: %v", text, err)
	}
	if out != "" {
		fmt.Fprintln(ts.Stdout(), out)
	}
}

// pgmend runs the statements that plan printed for the store called left: pgmend left FILE
func pgmend(ts *testscript.TestScript, server *servers.Server, db *servers.Database, plan string) {
	problem := ""
	for line := range strings.Lines(ts.ReadFile(plan)) {
		if strings.Contains(problem, `: store "left": `) && strings.HasPrefix(line, "  ") && !strings.Contains(line, "max_slot_wal_keep_size") {
			pg(ts, server, db, []string{line})
		}
		problem = line
	}
}

// roleOf is the name of a role that a script may make beside a database.
func roleOf(db *servers.Database) string { return db.Name + "_role" }

func dropRole(t *testing.T, db *servers.Database) {
	s, err := postgres.Open(db.DSN, true)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		t.Error(err)
		return
	}
	there, err := conn.Bool(ctx, "SELECT true FROM pg_roles WHERE rolname = $1", roleOf(db))
	if err == nil && there {
		err = conn.Do(ctx, fmt.Sprintf("DROP OWNED BY %s CASCADE; DROP ROLE %[1]s", roleOf(db)))
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Error(err)
	}
}
