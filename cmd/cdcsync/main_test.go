package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/certificates"
	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// The commands are tried from outside: "cdcsync" in the scripts is this test binary, which
// runs main.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"cdcsync": main})
}

// canary is in the dsn of every store of the scripts; nothing may print it.
const canary = "canary7f3a"

func TestScripts(t *testing.T) {
	p := params()
	p.Dir = "testdata/script"
	testscript.Run(t, p)
}

// params are what all scripts are run with.
func params() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("ADMIN", address)
			env.Setenv("LEFT_DSN", "file:left.db?app="+canary)
			env.Setenv("RIGHT_DSN", "file:right.db?app="+canary)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand": expand, "sql": sql, "same": same, "barrier": barrier, "listening": listening, "quiet": quiet, "exitcode": exitcode,
			"settled": settled, "shows": shows, "move": move, "certificate": certificate, "answering": answering,
			"encrypt": encrypt, "alone": (&application{}).alone,
		},
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// expand replaces the variables of the script in files: expand FILE...
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// move runs the statement that plan has just printed to move the directory of a link.
func move(ts *testscript.TestScript, neg bool, args []string) {
	statement := regexp.MustCompile(`(?m)^ *(mkdir -p .*)$`).FindString(ts.ReadFile("stdout"))
	if text, err := exec.Command("sh", "-c", statement).CombinedOutput(); err != nil || statement == "" {
		ts.Fatalf("%q: %v: %s", statement, err, text)
	}
}

// sql runs statements on a database, which is made if it is not there, and prints the rows:
// sql FILE STATEMENT...
func sql(ts *testscript.TestScript, neg bool, args []string) {
	out, err := query(ts.MkAbs(args[0]), strings.Join(args[1:], "; "))
	if neg != (err != nil) {
		ts.Fatalf("sql %q: %v", args[1:], err)
	}
	fmt.Fprint(ts.Stdout(), out)
}

func query(path, statements string) (string, error) {
	db, err := sqlite.Open("file:" + path + "?mode=rwc&_pragma=journal_mode(wal)")
	if err != nil {
		return "", err
	}
	if f, err := os.OpenFile(path, os.O_CREATE, 0o600); err == nil { // the store wants the file
		_ = f.Close()
	}
	conn, err := db.Connect(context.Background())
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = conn.Query(context.Background(), statements, func(row []change.Value) error {
		for i, v := range row {
			if i > 0 {
				out.WriteByte('|')
			}
			out.WriteString(v.String())
		}
		out.WriteByte('\n')
		return nil
	})
	return out.String(), errors.Join(err, conn.Close())
}

// same fails unless two queries give the same rows: same FILE QUERY FILE QUERY
func same(ts *testscript.TestScript, neg bool, args []string) {
	left, err := query(ts.MkAbs(args[0]), args[1])
	ts.Check(err)
	right, err := query(ts.MkAbs(args[2]), args[3])
	ts.Check(err)
	if (left == right) == neg {
		ts.Fatalf("left:\n%sright:\n%s", left, right)
	}
}

// settled waits until a query gives these rows, joined by spaces: settled FILE QUERY ROWS
func settled(ts *testscript.TestScript, neg bool, args []string) {
	got := ""
	for range 1000 {
		out, err := query(ts.MkAbs(args[0]), args[1])
		ts.Check(err)
		if got = strings.Join(strings.Fields(out), " "); got == args[2] {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%q gives %q, want %q", args[1], got, args[2])
}

// shows waits until the API answers with a text: shows PATH TEXT
func shows(ts *testscript.TestScript, neg bool, args []string) {
	var body []byte
	for range 1000 {
		response, err := http.Get("http://" + ts.Getenv("ADMIN") + args[0])
		ts.Check(err)
		body, err = io.ReadAll(response.Body)
		ts.Check(errors.Join(err, response.Body.Close()))
		if strings.Contains(string(body), args[1]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s answers %s", args[0], body)
}

// certificate makes a certificate that issues itself, and its key: certificate DIR NAME HOST...
func certificate(ts *testscript.TestScript, neg bool, args []string) {
	_, err := certificates.Issue(nil, ts.MkAbs(args[0]), args[1], args[2:]...)
	ts.Check(err)
}

// answering waits until the instance with a config answers: answering FILE
func answering(ts *testscript.TestScript, neg bool, args []string) {
	for range 1000 {
		if ts.Exec("cdcsync", "status", args[0]) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("nothing answers: %s", ts.ReadFile("stderr"))
}

// exitcode runs a command and wants it to exit with a code: exitcode CODE COMMAND...
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%q exits with %d, want %s", args[1:], code, args[0])
	}
}

// listening waits until an instance answers at $ADMIN.
func listening(ts *testscript.TestScript, neg bool, args []string) {
	client := clientOf(ts)
	for range 1000 {
		if _, err := client.Links(context.Background()); !errors.Is(err, admin.ErrNobody) {
			ts.Check(err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("nothing answers at %s", ts.Getenv("ADMIN"))
}

// barrier waits until an instance answers and what was committed is in both stores:
// barrier LINK
func barrier(ts *testscript.TestScript, neg bool, args []string) {
	listening(ts, false, nil)
	err := clientOf(ts).Barrier(context.Background(), args[0], time.Minute)
	if neg != (err != nil) {
		ts.Fatalf("barrier: %v", err)
	}
}

func clientOf(ts *testscript.TestScript) *admin.Client {
	client, err := admin.NewClient(ts.Getenv("ADMIN"), admin.Access{})
	ts.Check(err)
	return client
}

// quiet fails if what the last commands printed has the canary: quiet TEXT-FILE...
func quiet(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		if text := ts.ReadFile(name); strings.Contains(text, canary) {
			ts.Fatalf("%s has the secret of a dsn:\n%s", name, text)
		}
	}
}
