package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cdcsync/cdcsync/integration/openapi"
)

// apiBlocks are the fenced parts of docs/api.md.
var apiBlocks = regexp.MustCompile("(?s)```(sh|hcl|json|text)\n(.*?)```")

// apiCurl is a request in it.
var apiCurl = regexp.MustCompile(`curl [^\n|;]*?(?:-X (\w+) )?'?http://127\.0\.0\.1:8480(/[^\s'|;]*)'?(?:[^\n]*? -d '([^']*)')?`)

// varying are numbers in answers that nobody can know beforehand.
var varying = []string{"waited_seconds", "lag_seconds", "bytes"}

// TestAPIPage types what docs/api.md says into a shell, in its order, and expects to see what it says
// one sees. Every operation of the document that the instance serves is in it.
func TestAPIPage(t *testing.T) {
	for _, name := range []string{"curl", "sqlite3", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("the page needs %s: install it (on Debian: apt-get install %[1]s)", name)
		}
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	s := startSession(t)
	printed, document := "", []byte(nil)
	for _, m := range apiBlocks.FindAllStringSubmatch(string(text), -1) {
		body := strings.ReplaceAll(m[2], "127.0.0.1:8480", address)
		switch m[1] {
		case "hcl":
			if err := os.WriteFile(filepath.Join(s.dir, "shop.hcl"), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		case "sh":
			if strings.TrimSpace(printed) != "" {
				t.Errorf("nothing is said of what is printed before\n%s:\n%s", body, printed)
			}
			if printed = s.run(body); document == nil && strings.Contains(body, "/readyz") {
				document = fetch(t, "http://"+address+"/openapi.json")
			}
		case "json":
			var want, got any
			if err := json.Unmarshal([]byte(body), &want); err != nil {
				t.Errorf("%v in\n%s", err, body)
			}
			if err := json.Unmarshal([]byte(printed), &got); err != nil {
				t.Errorf("%v in\n%s", err, printed)
			}
			if where := unlike("", want, got); where != "" {
				t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s\nsee %s", body, printed, where)
			}
			printed = ""
		case "text":
			if !like(body, printed) {
				t.Errorf("the page promises\n%s\nbut this is what is printed:\n%s", body, printed)
			}
			printed = ""
		}
		if t.Failed() {
			return // what follows would fail, too
		}
	}
	described(t, string(text), document)
}

// described checks that every operation is in the page, and every request of the page in the document.
func described(t *testing.T, page string, document []byte) {
	t.Helper()
	d, err := openapi.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	met := []string{"GET /console/{file}"} // is for the page of the console alone
	for _, m := range apiCurl.FindAllStringSubmatch(page, -1) {
		method := m[1]
		if method == "" {
			method = http.MethodGet
		}
		name, err := d.Operation(method, m[2])
		if err != nil {
			t.Error(err)
		}
		met = append(met, name)
		if !strings.Contains(m[3], "because") { // which is refused
			if err := d.Request(method, m[2], []byte(m[3])); err != nil {
				t.Error(err)
			}
		}
	}
	for _, name := range d.Operations() {
		if !slices.Contains(met, name) {
			t.Errorf("docs/api.md has no example of %s", name)
		}
	}
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unlike returns where got is not as want says; "" if it is. In want, … stands for any text, or part
// of one, and a name … for names that are not given.
func unlike(at string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		has, ok := got.(map[string]any)
		if !ok {
			return at
		}
		for name, v := range want {
			if name == "…" {
				continue
			}
			if x, ok := has[name]; !ok {
				return at + "/" + name + ", which is missing"
			} else if number, is := x.(float64); is && number >= 0 && slices.Contains(varying, name) {
				continue
			} else if where := unlike(at+"/"+name, v, x); where != "" {
				return where
			}
		}
		for name := range has {
			if want[name] == nil && want["…"] == nil {
				if _, null := want[name]; !null {
					return at + "/" + name + ", which is not in the page"
				}
			}
		}
		return ""
	case []any:
		has, ok := got.([]any)
		if !ok || len(has) != len(want) {
			return at
		}
		for i := range want {
			if where := unlike(fmt.Sprint(at, "/", i), want[i], has[i]); where != "" {
				return where
			}
		}
		return ""
	case string:
		if has, ok := got.(string); ok && like(want, has) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s, which is %v", at, got)
}

// like tells whether a text is as want says, in which … stands for anything within a line.
func like(want, got string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", "[^\n]*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(got)
}

// session is a shell in a folder of its own, in which the built binary is cdcsync.
type session struct {
	t     *testing.T
	dir   string
	in    io.WriteCloser
	lines chan string
}

// startSession starts a shell, which ends with the test, and all that it has started.
func startSession(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, dir: t.TempDir(), lines: make(chan string, 1024)}
	cmd := exec.Command("bash", "--norc", "-s")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		defer close(s.lines)
		reader := bufio.NewReader(out)
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			s.lines <- line
		}
	}()
	t.Cleanup(func() {
		_ = s.in.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		for range s.lines {
		}
		_ = out.Close()
	})
	return s
}

// run types something, and returns what is printed until it is done.
func (s *session) run(text string) string {
	s.t.Helper()
	const end = "end-of-block "
	if _, err := io.WriteString(s.in, text+"\necho "+end+"$?\n"); err != nil {
		s.t.Fatalf("type %s: %v", text, err)
	}
	var printed bytes.Buffer
	for line := range s.lines {
		before, code, found := strings.Cut(line, end)
		if printed.WriteString(before); !found {
			continue
		}
		if code != "0\n" {
			log, _ := os.ReadFile(filepath.Join(s.dir, "cdcsync.log"))
			s.t.Fatalf("%s\nfails with %s:\n%s\n%s", text, strings.TrimSpace(code), printed.String(), log)
		}
		return printed.String()
	}
	s.t.Fatalf("the shell ended at %s:\n%s", text, printed.String())
	return ""
}
