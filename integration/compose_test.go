package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// docker is a composition that runs, as a project of its own.
type docker struct {
	t             *testing.T
	file, project string
}

// compose starts a composition, or some of its services, and waits until they are healthy. It is
// taken away with its volumes at the end of the test.
func compose(t *testing.T, file string, services ...string) *docker {
	t.Helper()
	if os.Getenv("CDCSYNC_COMPOSE_TEST") == "" {
		t.Skip("it needs Docker: make compose-test runs it")
	}
	for _, asked := range [][]string{{"docker", "info"}, {"docker", "compose", "version"}} {
		if out, err := exec.Command(asked[0], asked[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("make compose-test needs a Docker engine that runs, and its compose plugin: %s: %v\n%s", strings.Join(asked, " "), err, out)
		}
	}
	d := &docker{t: t, file: filepath.Join("..", file), project: fmt.Sprintf("cdcsync-test-%d", os.Getpid())}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := d.command("logs", "--tail", "20").CombinedOutput()
			t.Logf("%s", out)
		}
		if out, err := d.command("down", "-v", "--remove-orphans").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	d.do(append([]string{"up", "-d", "--build", "--wait"}, services...)...)
	return d
}

// command is docker compose with args, for the project.
func (d *docker) command(args ...string) *exec.Cmd {
	return exec.Command("docker", append([]string{"compose", "-f", d.file, "-p", d.project}, args...)...)
}

// do runs docker compose with args and returns what it printed.
func (d *docker) do(args ...string) string {
	d.t.Helper()
	cmd := d.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("docker compose %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// inspect returns what the engine knows of the container of a service, in a format of its own.
func (d *docker) inspect(service, format string) string {
	d.t.Helper()
	id := strings.TrimSpace(d.do("ps", "-aq", service))
	return strings.TrimSpace(repository(d.t, ".", nil, "docker", "inspect", "-f", format, id))
}

// old and modern run a statement in the stores of compose.yml.
func (d *docker) old(sql string) string {
	d.t.Helper()
	return d.do("exec", "-T", "mysql", "mysql", "-N", "-h127.0.0.1", "-uroot", "-ptryout", "shop", "-e", sql)
}

func (d *docker) modern(sql string) string {
	d.t.Helper()
	return d.do("exec", "-T", "postgres", "psql", "-v", "ON_ERROR_STOP=1", "-qAt", "-U", "postgres", "shop", "-c", sql)
}

// eventually waits until done returns "", and says what it returned last if that never happens.
func (d *docker) eventually(what string, done func() string) {
	d.t.Helper()
	reason := "nothing"
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if reason = done(); reason == "" {
			return
		}
	}
	d.t.Fatalf("%s: %s", what, reason)
}

// settled waits until everything that was committed before is on both sides of compose.yml.
func (d *docker) settled() {
	d.t.Helper()
	d.eventually("wait for the link", func() string {
		if status, err := get(tryOut, "/v1/links/shop/barrier?wait=1m", nil); err != nil || status != http.StatusOK {
			return fmt.Sprintf("the barrier answers %d, %v", status, err)
		}
		return ""
	})
}

// same makes a change in each store and expects both changes in both.
func (d *docker) same(credit int) {
	d.t.Helper()
	d.old(fmt.Sprintf("UPDATE tbl_cust SET credit_cents = %d WHERE cust_id = 1", credit*100))
	d.modern(fmt.Sprintf("INSERT INTO customers VALUES (%d, 'eve@example.org', 'active', %[1]d, 'kept')", credit))
	d.settled()
	if got := d.modern("SELECT credit FROM customers WHERE id = 1"); got != fmt.Sprintf("%d.00\n", credit) {
		d.t.Errorf("PostgreSQL has a credit of %q, and MySQL of %d", got, credit)
	}
	if got := d.old(fmt.Sprintf("SELECT mail, state, credit_cents FROM tbl_cust WHERE cust_id = %d", credit)); got != fmt.Sprintf("eve@example.org\tA\t%d00\n", credit) {
		d.t.Errorf("MySQL has %q of customer %d", got, credit)
	}
}

// tryOut is where cdcsync of compose.yml is asked.
const tryOut = "127.0.0.1:8480"

// TestComposeTryOut starts what compose.yml has, but Grafana. The stores are kept the same, also
// after each of them and cdcsync have been killed.
func TestComposeTryOut(t *testing.T) {
	d := compose(t, "compose.yml", "mysql", "postgres", "cdcsync", "prometheus")
	d.same(11)
	d.checkGuards()
	d.checkPrometheus()
	resp, err := http.Get("http://" + tryOut + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the console answers %s", resp.Status)
	}
	for i, service := range []string{"cdcsync", "mysql", "postgres"} {
		d.do("kill", "-s", "KILL", service)
		if service == "cdcsync" { // what happens meanwhile is carried over, too
			d.modern("UPDATE customers SET email = 'ann@example.com' WHERE id = 1")
		}
		d.do("up", "-d", "--wait", service)
		d.same(20 + i)
	}
	if got := d.old("SELECT mail FROM tbl_cust WHERE cust_id = 1"); got != "ann@example.com\n" {
		t.Errorf("what was changed while cdcsync was down: %q", got)
	}
	d.do("restart") // it does not wait
	d.do("up", "-d", "--wait", "mysql", "postgres", "cdcsync")
	d.same(30)
	d.do("stop", "cdcsync")
	if code := d.inspect("cdcsync", "{{.State.ExitCode}}"); code != "0" {
		t.Errorf("stopped in order, cdcsync exits with %s", code)
	}
	if out := d.do("run", "--rm", "-T", "cdcsync", "teardown", "/etc/cdcsync"); strings.Count(out, "no trace") != 2 {
		t.Errorf("teardown prints\n%s", out)
	}
}

// checkGuards checks that cdcsync may do little, and that nothing listens for other machines.
func (d *docker) checkGuards() {
	d.t.Helper()
	format := "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.State.Health.Status}}"
	if got := d.inspect("cdcsync", format); got != "65532:65532 true [ALL] [no-new-privileges:true] healthy" {
		d.t.Errorf("cdcsync runs with %s", got)
	}
	for _, service := range []string{"mysql", "postgres"} {
		for line := range strings.Lines(d.inspect(service, `{{range .NetworkSettings.Ports}}{{range .}}{{println .HostIp}}{{end}}{{end}}`)) {
			if strings.TrimSpace(line) != "127.0.0.1" {
				d.t.Errorf("%s listens at %s", service, line)
			}
		}
	}
}

// checkPrometheus waits until Prometheus has asked cdcsync and has looked at each alert.
func (d *docker) checkPrometheus() {
	d.t.Helper()
	var targets struct {
		Data struct {
			ActiveTargets []struct{ Health, ScrapeURL, LastError string }
		}
	}
	d.eventually("Prometheus asks cdcsync", func() string {
		if _, err := get("127.0.0.1:9090", "/api/v1/targets", &targets); err != nil {
			return err.Error()
		}
		if up := targets.Data.ActiveTargets; len(up) != 1 || up[0].Health != "up" {
			return fmt.Sprintf("it has %+v", up)
		}
		return ""
	})
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health string }
			}
		}
	}
	d.eventually("Prometheus knows the alerts", func() string {
		if _, err := get("127.0.0.1:9090", "/api/v1/rules", &rules); err != nil {
			return err.Error()
		}
		n := 0
		for _, group := range rules.Data.Groups {
			for _, rule := range group.Rules {
				if n++; rule.Health != "ok" {
					return fmt.Sprintf("%s is %s", rule.Name, rule.Health)
				}
			}
		}
		if n == 0 {
			return "it has none"
		}
		return ""
	})
}

// TestComposeGrafana starts Grafana of compose.yml: it has the dashboard, and reaches Prometheus.
func TestComposeGrafana(t *testing.T) {
	d := compose(t, "compose.yml", "prometheus", "grafana")
	d.eventually("Grafana has the dashboard", func() string {
		var found struct{ Dashboard struct{ Title string } }
		status, err := get("127.0.0.1:3000", "/api/dashboards/uid/cdcsync", &found)
		if err != nil || status != http.StatusOK || found.Dashboard.Title == "" {
			return fmt.Sprintf("%d, %v: %+v", status, err, found)
		}
		return ""
	})
	d.eventually("Grafana asks Prometheus", func() string {
		const query = `{"queries": [{"refId": "A", "expr": "up", "datasource": {"type": "prometheus", "uid": "prometheus"}}], "from": "now-5m", "to": "now"}`
		resp, err := http.Post("http://127.0.0.1:3000/api/ds/query", "application/json", strings.NewReader(query))
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		var answer struct {
			Results map[string]struct{ Frames []json.RawMessage }
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Results["A"].Frames) == 0 {
			return fmt.Sprintf("%s, %v", resp.Status, err)
		}
		return ""
	})
}

// TestComposeServers has tests use the servers of docker-compose.test.yml, as its head says.
func TestComposeServers(t *testing.T) {
	compose(t, "docker-compose.test.yml")
	env := []string{"CDCSYNC_COMPOSE_TEST="}
	for name, dsn := range givenByHead(t) {
		env = append(env, name+"="+dsn)
	}
	repository(t, "..", env, "go", "test", "-count=1", "-run", "TestTryOut|TestTutorial", "./integration")
}
