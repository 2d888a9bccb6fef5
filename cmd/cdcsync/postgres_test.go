package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdcsync/cdcsync/change"
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
					return nil
				}
				p.Cmds["pg"] = func(ts *testscript.TestScript, neg bool, args []string) { pg(t, ts, databases[args[0]], args[1:]) }
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

// pg runs statements on a database and prints the rows: pg left|right STATEMENT...
func pg(t *testing.T, ts *testscript.TestScript, db *servers.Database, statements []string) {
	if out := db.SQL(t, strings.Join(statements, ";\n")); out != "" {
		fmt.Fprintln(ts.Stdout(), out)
	}
}

// Blockers make an error that says how many there are, and that passes by itself only if all
// of them do.
func TestBlocked(t *testing.T) {
	passing := postgres.Problem{Summary: "busy", Blocker: true, Class: change.Transient}
	lasting := postgres.Problem{Summary: "wrong", Blocker: true}
	lost := postgres.Problem{Summary: "gone", Blocker: true, Class: change.PositionLost}
	warning := postgres.Problem{Summary: "hm"}
	for _, test := range []struct {
		problems []postgres.Problem
		want     string
		class    change.Class
	}{
		{[]postgres.Problem{passing}, "busy", change.Transient},
		{[]postgres.Problem{passing, warning, passing}, "busy, and 1 more: plan lists them", change.Transient},
		{[]postgres.Problem{passing, lasting}, "busy, and 1 more: plan lists them", change.Permanent},
		{[]postgres.Problem{lasting, passing, lost, lasting}, "gone, and 3 more: plan lists them", change.PositionLost},
	} {
		err := blocked(test.problems)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+test.want) || change.ClassOf(err) != test.class {
			t.Errorf("got %v of class %s, want %s of %s", err, change.ClassOf(err), test.want, test.class)
		}
	}
	if err := blocked([]postgres.Problem{warning}); err != nil {
		t.Error(err)
	}
}
