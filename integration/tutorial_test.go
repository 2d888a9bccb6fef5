package integration

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// lesson is a part of docs/tutorial.md: a fenced block, or what is done in the console.
var lesson = regexp.MustCompile("(?s)```(sh|hcl|text)\n(.*?)```|<!-- console: (\\w+) (\\w+=\\d+), (Take \\w+) -->")

// TestTutorial does what docs/tutorial.md says, in its order, in one shell, between a MySQL and a
// PostgreSQL, and expects to see what it says one sees. What is done in the console is asked for
// over HTTP; TestConsoleTutorial does it there.
func TestTutorial(t *testing.T) {
	t.Parallel()
	followTutorial(t, func(address, table, key, button string) {
		var body struct{ Parked []admin.Parked }
		if status, err := get(address, "/v1/links/shop/parked", &body); err != nil || status != http.StatusOK {
			t.Fatalf("parked: %d %v", status, err)
		}
		for _, p := range body.Parked {
			if p.Table != table || fmt.Sprintf("%s=%s", p.Key.Columns[0], p.Key.Values[0]) != key {
				continue
			}
			take := fmt.Sprintf(`{"take": %q}`, strings.TrimPrefix(button, "Take "))
			answer, err := http.Post("http://"+address+"/v1/links/shop/parked/"+p.ID+"/resolve", "application/json", strings.NewReader(take))
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("resolve: %s", answer.Status)
			}
			return
		}
		t.Errorf("%s %s is not parked: %+v", table, key, body.Parked)
	})
}

// followTutorial follows the page; click does what is to be done in the console.
func followTutorial(t *testing.T, click func(address, table, key, button string)) {
	mysqls, postgreses := servers.MySQLVersions(), servers.Versions()
	old := pool.MySQL(t, mysqls[len(mysqls)-1]).Database(t)
	modern := pool.Postgres(t, postgreses[len(postgreses)-1]).Database(t)
	dir, address := t.TempDir(), freeAddress(t)
	sh := startScript(t, dir, "OLD_DSN="+old.DSN, "NEW_DSN="+modern.DSN,
		"PATH="+clients(t, old, modern)+":"+filepath.Dir(binary)+":"+os.Getenv("PATH"))

	printed, shown, clicks := "", 0, 0
	for _, m := range lesson.FindAllStringSubmatch(string(content(t, "../docs/tutorial.md")), -1) {
		body := strings.ReplaceAll(m[2], "127.0.0.1:8480", address)
		switch m[1] {
		case "sh":
			printed = sh.run(body)
		case "hcl":
			if err := os.WriteFile(filepath.Join(dir, "shop.hcl"), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		case "text":
			if shown++; !promised(body).MatchString(printed) {
				t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s", body, printed)
			}
		default:
			clicks++
			click(address, m[3], m[4], m[5])
		}
	}
	if shown < 10 || clicks != 1 {
		t.Errorf("%d answers were compared, and %d rows settled in the console", shown, clicks)
	}
	for _, db := range []*servers.Database{old, modern} {
		if left := db.SQL(t, "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'cdcsync%' AND table_schema IN ('cdcsync', '"+old.Name+"')"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	}
}

var anything = regexp.MustCompile("… *") // with what fills a column up

// TestOperatePage does what docs/operate.md says of backups, restores, upgrades and taking it out,
// with the files and the config of the README.
func TestOperatePage(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), freeAddress(t)
	sh := startScript(t, dir, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	for _, m := range blocks.FindAllStringSubmatch(string(content(t, "../README.md")), -1) {
		switch {
		case m[1] == "hcl":
			config := strings.ReplaceAll(m[2], "127.0.0.1:8480", address)
			if err := os.WriteFile(filepath.Join(dir, "shop.hcl"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(m[2], "CREATE TABLE"):
			sh.run(m[2])
		}
	}
	_, page, found := strings.Cut(string(content(t, "../docs/operate.md")), "\n## Backup and restore of a store\n")
	printed, shown := "", 0
	for _, m := range blocks.FindAllStringSubmatch(page, -1) {
		body := strings.ReplaceAll(m[2], "127.0.0.1:8480", address)
		if m[1] == "sh" {
			printed = sh.run(body)
		} else if shown++; !promised(body).MatchString(printed) {
			t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s", body, printed)
		}
	}
	if !found || shown != 4 {
		t.Errorf("%d answers were compared", shown)
	}
}

// promised is what a page shows, in which … stands for anything within a line.
func promised(text string) *regexp.Regexp {
	return regexp.MustCompile("^" + anything.ReplaceAllLiteralString(regexp.QuoteMeta(text), ".*") + "$")
}

// clients makes the commands old and new, which run a statement in the two databases, and
// returns their folder.
func clients(t *testing.T, old, modern *servers.Database) string {
	t.Helper()
	dir := t.TempDir()
	for name, client := range map[string]*exec.Cmd{"old": old.Client(t, "--table", "-e"), "new": modern.Client(t, "-q", "-c")} {
		script := "#!/bin/bash\nexec env -i"
		for _, word := range append(client.Environ(), client.Args...) {
			script += " '" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script+" \"$1\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// script is a shell that runs blocks of a page one after the other, with what those before left:
// variables, and programs in the background.
type script struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	in   io.WriteCloser
	done *bufio.Scanner
}

// startScript starts a shell in a folder. It ends with the test, and so does what it started.
func startScript(t *testing.T, dir string, environment ...string) *script {
	t.Helper()
	s := &script{t: t, dir: dir, cmd: exec.Command("bash", "-eu")}
	s.cmd.Dir, s.cmd.Env = dir, append(os.Environ(), environment...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.done = in, bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		_ = s.cmd.Wait()
	})
	return s
}

// run runs a block and returns what it printed.
func (s *script) run(block string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "printed")
	if _, err := fmt.Fprintf(s.in, "{\n%s\n} </dev/null >printed 2>&1\necho done\n", block); err != nil {
		s.t.Fatal(err)
	}
	limit := time.AfterFunc(3*time.Minute, func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
	ended := s.done.Scan()
	limit.Stop()
	printed := string(content(s.t, path))
	if !ended {
		log, _ := os.ReadFile(filepath.Join(s.dir, "cdcsync.log"))
		s.t.Fatalf("%s\nfailed, or did not end within three minutes:\n%s\ncdcsync says:\n%s", block, printed, log)
	}
	return printed
}
