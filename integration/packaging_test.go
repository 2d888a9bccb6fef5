package integration

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// repository runs a command in the root of the repository, or of a copy.
func repository(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// TestBuild builds as users do: one static binary that knows its version.
func TestBuild(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdcsync")
	repository(t, "..", nil, "make", "build", "BIN="+path, "VERSION=v1.2.3-test")
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has a %s", p.Type)
		}
	}
	if printed := repository(t, ".", nil, path, "version"); !strings.HasPrefix(printed, "cdcsync v1.2.3-test\n") {
		t.Errorf("version prints\n%s", printed)
	}
	if here, err := filepath.Abs(".."); err != nil || bytes.Contains(content(t, path), []byte(here+"/cmd")) {
		t.Errorf("the binary has the folder that it was built in: %v", err)
	}
}

// content reads a file.
func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestReleaseIsReproducible makes a release of the same commit in two folders: all is the same, to
// the byte. The bill of materials in it names what the binary is made of.
func TestReleaseIsReproducible(t *testing.T) {
	t.Parallel()
	if os.Getenv("CDCSYNC_RELEASE_TEST") == "" {
		t.Skip("it builds releases: make release-test runs it")
	}
	var sums [2]string
	var out string
	for i, name := range []string{"one", "another folder"} {
		dir := filepath.Join(t.TempDir(), name)
		repository(t, "..", nil, "git", "clone", "-q", "--no-hardlinks", ".", dir)
		out = filepath.Join(dir, "dist")
		sums[i] = repository(t, dir, []string{"PLATFORMS=linux/amd64", "VERSION=v1.2.3"}, "packaging/release.sh", out)
	}
	if sums[0] != sums[1] || !strings.Contains(sums[0], "cdcsync_v1.2.3_linux_amd64.tar.gz") {
		t.Errorf("the sums differ:\n%s\n%s", sums[0], sums[1])
	}
	repository(t, out, nil, "sha256sum", "--check", "SHA256SUMS")
	repository(t, out, nil, "tar", "xzf", "cdcsync_v1.2.3_linux_amd64.tar.gz")
	out = filepath.Join(out, "cdcsync_v1.2.3_linux_amd64")
	for _, name := range []string{"cdcsync", "cdcsync.service", "LICENSE", "README.md", "man/cdcsync-run.1", "completions/cdcsync.zsh"} {
		if len(content(t, filepath.Join(out, name))) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	commit := strings.TrimSpace(repository(t, "..", nil, "git", "rev-parse", "HEAD"))
	if printed := repository(t, ".", nil, filepath.Join(out, "cdcsync"), "version"); !strings.Contains(printed, "revision "+commit) {
		t.Errorf("version prints\n%s", printed)
	}
	checkBill(t, filepath.Join(out, "sbom.cdx.json"))
	checkPackage(t, filepath.Join(filepath.Dir(out), "cdcsync_1.2.3_amd64.deb"))
	checkInstall(t, filepath.Dir(out))
}

// checkPackage unpacks a Debian package as dpkg does.
func checkPackage(t *testing.T, file string) {
	t.Helper()
	root := t.TempDir()
	repository(t, ".", nil, "dpkg-deb", "--extract", file, root)
	for _, line := range []string{"Package: cdcsync", "Version: 1.2.3", "Architecture: amd64"} {
		if printed := repository(t, ".", nil, "dpkg-deb", "--info", file); !strings.Contains(printed, "\n "+line+"\n") {
			t.Errorf("the package lacks %s:\n%s", line, printed)
		}
	}
	for _, name := range []string{"usr/lib/systemd/system/cdcsync.service", "usr/share/man/man1/cdcsync.1.gz", "usr/share/doc/cdcsync/copyright"} {
		if len(content(t, filepath.Join(root, name))) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	if printed := repository(t, ".", nil, filepath.Join(root, "usr/bin/cdcsync"), "version"); !strings.HasPrefix(printed, "cdcsync v1.2.3\n") {
		t.Errorf("version prints\n%s", printed)
	}
}

// checkInstall does what docs/operate.md says of archives, into a folder.
func checkInstall(t *testing.T, dir string) {
	t.Helper()
	_, block, _ := strings.Cut(string(content(t, "../docs/operate.md")), "```install\n")
	block, _, found := strings.Cut(block, "```")
	root := t.TempDir()
	block = strings.NewReplacer(" /usr/", " "+root+"/usr/", " /etc/", " "+root+"/etc/").Replace(block)
	repository(t, dir, nil, "bash", "-ec", block)
	if printed := repository(t, ".", nil, filepath.Join(root, "usr/bin/cdcsync"), "version"); !found || !strings.HasPrefix(printed, "cdcsync v1.2.3\n") {
		t.Errorf("version prints\n%s", printed)
	}
	for _, name := range []string{"etc/systemd/system/cdcsync.service", "usr/share/man/man1/cdcsync-run.1", "usr/share/bash-completion/completions/cdcsync"} {
		if len(content(t, filepath.Join(root, name))) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

// checkBill compares a bill of materials with the modules that this test is built with.
func checkBill(t *testing.T, path string) {
	t.Helper()
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(content(t, path), &bill); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, c := range bill.Components {
		versions[c.Name] = c.Version
	}
	for _, module := range []string{"github.com/jackc/pgx/v5", "modernc.org/sqlite", "github.com/go-sql-driver/mysql"} {
		want := strings.TrimSpace(repository(t, "..", nil, "go", "list", "-m", "-f", "{{.Version}}", module))
		if versions[module] != want {
			t.Errorf("the bill of materials has %s %q, and go.mod %q", module, versions[module], want)
		}
	}
	if bill.Format != "CycloneDX" {
		t.Errorf("the format is %q", bill.Format)
	}
}

// TestUnit has systemd look at the unit, with the binary under test in its place.
func TestUnit(t *testing.T) {
	t.Parallel()
	text := string(content(t, "../packaging/cdcsync.service"))
	for _, line := range []string{"DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "MemoryMax=", "ExecReload=/bin/kill -HUP $MAINPID", "LoadCredential="} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("the unit lacks %s", line)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("there is no systemd-analyze, which would say more")
		return
	}
	unit := filepath.Join(t.TempDir(), "cdcsync.service")
	text = strings.Replace(text, "/usr/bin/cdcsync", binary, 1)
	text = regexp.MustCompile("(?m)^Documentation=.*$").ReplaceAllString(text, "") // the page is not installed here
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	repository(t, ".", nil, "systemd-analyze", "verify", unit)
	repository(t, ".", nil, "systemd-analyze", "security", "--offline=true", "--threshold=15", unit)
}

// composition is what is looked at of compose.yml and docker-compose.test.yml.
type composition struct {
	Name     string
	Services map[string]struct {
		Image string
		Build struct {
			Context string
			Args    []string
		}
		Environment map[string]string
		Volumes     []string
		Tmpfs       []string
		Ports       []string
		Command     []string
		Network     string `yaml:"network_mode"`
		ReadOnly    bool   `yaml:"read_only"`
		Restart     string
		Healthcheck struct{ Test []string }
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	}
	Volumes map[string]any
}

// readComposition reads a composition, and checks what is right of each: its images are pinned, its
// ports are on the loopback interface, and what it mounts is there.
func readComposition(t *testing.T, path string) *composition {
	t.Helper()
	var c composition
	if err := yaml.Unmarshal(content(t, path), &c); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build.Context == "") || s.Image != "" && (!strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, "latest")) {
			t.Errorf("%s has image %q and build %+v", name, s.Image, s.Build)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s listens at %s, for everybody", name, port)
			}
		}
		for _, volume := range s.Volumes {
			c.checkVolume(t, name, volume)
		}
	}
	return &c
}

// checkVolume checks that a file which a service mounts is there, and not for it to change, or that
// the volume is one of the composition.
func (c *composition) checkVolume(t *testing.T, service, volume string) {
	t.Helper()
	path, rest, _ := strings.Cut(volume, ":")
	if !strings.HasPrefix(path, ".") {
		if _, is := c.Volumes[path]; !is {
			t.Errorf("%s: the composition has no volume %s", service, path)
		}
		return
	}
	if _, err := os.Stat(filepath.Join("..", path)); err != nil || !strings.HasSuffix(rest, ":ro") {
		t.Errorf("%s: volume %s: %v", service, volume, err)
	}
	if strings.HasSuffix(path, ".yml") {
		var any map[string]any
		if err := yaml.Unmarshal(content(t, filepath.Join("..", path)), &any); err != nil || len(any) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestComposition checks that compose.yml keeps the data of its stores over a restart, and starts
// cdcsync, which can be asked whether it is ready, after them. With Docker, make compose-test does more.
func TestComposition(t *testing.T) {
	t.Parallel()
	c := readComposition(t, "../compose.yml")
	for store, folder := range map[string]string{"mysql": "/var/lib/mysql", "postgres": "/var/lib/postgresql"} {
		s := c.Services[store]
		if !slices.Contains(s.Volumes, store+":"+folder) || s.Environment["PGDATA"] != "" || len(s.Tmpfs) > 0 {
			t.Errorf("the data of %s is lost when it restarts: %+v", store, s)
		}
		if len(s.Healthcheck.Test) == 0 || c.Services["cdcsync"].DependsOn[store].Condition != "service_healthy" {
			t.Errorf("cdcsync does not wait for %s", store)
		}
	}
	for name, s := range c.Services {
		if s.Restart != "unless-stopped" {
			t.Errorf("%s is not started again: %q", name, s.Restart)
		}
	}
	c.checkMonitoring(t)
	s := c.Services["cdcsync"]
	if !s.ReadOnly || s.Environment["OLD_DSN"] == "" || s.Environment["NEW_DSN"] == "" {
		t.Errorf("the service cdcsync is %+v", s)
	}
	dockerfile := string(content(t, "../Dockerfile"))
	for _, line := range []string{"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/usr/bin/cdcsync"]`, "ARG " + strings.Join(s.Build.Args, " ")} {
		if !strings.Contains(dockerfile, "\n"+line+"\n") {
			t.Errorf("the Dockerfile lacks %s", line)
		}
	}
	if !slices.Contains(s.Build.Args, "GOPROXY") {
		t.Errorf("another proxy for modules cannot be named: %s", s.Build.Args)
	}
	// There is no shell in the image, and no curl.
	if test := s.Healthcheck.Test; len(test) < 3 || test[0] != "CMD" || test[1] != "/usr/bin/cdcsync" || test[len(test)-1] != "/etc/cdcsync" {
		t.Errorf("the health check is %q", test)
	}
}

// TestDockerfileBuildsAWorktree does what the Dockerfile does to build, in sources whose .git is a file
// that leads out of them, as that of a worktree does: there is no version then, and a binary all the same.
func TestDockerfileBuildsAWorktree(t *testing.T) {
	t.Parallel()
	run := regexp.MustCompile(`(?m)^RUN (?:--\S+ )*(.* make build)$`).FindStringSubmatch(string(content(t, "../Dockerfile")))
	if run == nil {
		t.Fatal("the Dockerfile does not run make build")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"Makefile": string(content(t, "../Makefile")), ".git": "gitdir: /nowhere/.git/worktrees/src\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	printed := repository(t, dir, []string{"HOME=" + dir}, "sh", "-c", strings.Replace(run[1], "make build", "make -n build", 1))
	if !strings.Contains(printed, "-buildvcs=false") || !strings.Contains(printed, "main.version=unknown") {
		t.Errorf("it runs\n%s", printed)
	}
}

// TestServersComposition checks that docker-compose.test.yml has the servers which its head names.
func TestServersComposition(t *testing.T) {
	t.Parallel()
	c := readComposition(t, "../docker-compose.test.yml")
	ports := map[string]bool{}
	for name, s := range c.Services {
		if len(s.Healthcheck.Test) == 0 || len(s.Tmpfs) != 1 || len(s.Ports) != 1 {
			t.Fatalf("%s is %+v", name, s)
		}
		port := strings.Split(s.Ports[0], ":")[1]
		if ports[port] {
			t.Errorf("two servers listen at %s", port)
		}
		ports[port] = true
	}
	for engine, given := range givenByHead(t) {
		port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(given)
		if port == nil || !ports[port[1]] {
			t.Errorf("nothing listens where %s is said to be: %s", engine, given)
		}
	}
}

// givenByHead returns the variables that the head of docker-compose.test.yml gives to the tests.
func givenByHead(t *testing.T) map[string]string {
	t.Helper()
	given := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#\t(CDCSYNC_TEST_\w+)='?([^' ]+)'? make test$`).FindAllStringSubmatch(string(content(t, "../docker-compose.test.yml")), -1) {
		given[m[1]] = m[2]
	}
	if len(given) != 3 {
		t.Fatalf("the head of docker-compose.test.yml names %v", given)
	}
	return given
}

// checkMonitoring checks that Prometheus and Grafana of the composition find what they look for, and
// that whoever uses the network of the machine listens on the loopback interface.
func (c *composition) checkMonitoring(t *testing.T) {
	t.Helper()
	mounted := map[string]string{}
	for _, service := range c.Services {
		for _, volume := range service.Volumes {
			from, to, _ := strings.Cut(strings.TrimSuffix(volume, ":ro"), ":")
			mounted[to] = filepath.Join("..", from)
		}
	}
	var scraping struct {
		Rules []string `yaml:"rule_files"`
		Jobs  []struct {
			Name    string                       `yaml:"job_name"`
			Targets []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	var sources struct {
		Datasources []struct{ UID, Type, URL string }
	}
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	for path, into := range map[string]any{
		"/etc/prometheus/prometheus.yml": &scraping, "/etc/grafana/provisioning/datasources/cdcsync.yml": &sources,
		"/etc/grafana/provisioning/dashboards/cdcsync.yml": &dashboards,
	} {
		if mounted[path] == "" {
			t.Fatalf("nothing is mounted at %s", path)
		}
		if err := yaml.Unmarshal(content(t, mounted[path]), into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	prometheus, address := strings.Join(c.Services["prometheus"].Command, " "), "127.0.0.1:9090"
	if len(scraping.Rules) != 1 || mounted[scraping.Rules[0]] != "../configs/grafana/alerts.yml" || !strings.Contains(prometheus, "--web.listen-address="+address) {
		t.Errorf("prometheus: %s %v", prometheus, scraping.Rules)
	}
	if j := scraping.Jobs; len(j) != 1 || j[0].Name != "cdcsync" || !strings.Contains(string(content(t, mounted["/etc/cdcsync/shop.hcl"])), j[0].Targets[0].Targets[0]) {
		t.Errorf("it scrapes %+v", j)
	}
	if s := sources.Datasources; len(s) != 1 || s[0].UID != "prometheus" || s[0].Type != "prometheus" || s[0].URL != "http://"+address {
		t.Errorf("grafana asks %+v", s)
	}
	if p := dashboards.Providers; len(p) != 1 || mounted[p[0].Options.Path+"/cdcsync.json"] != "../configs/grafana/cdcsync.json" {
		t.Errorf("grafana shows %+v", p)
	}
	for name, service := range c.Services {
		host := slices.Contains([]string{"cdcsync", "prometheus", "grafana"}, name)
		if (service.Network == "host") != host || host && len(service.Ports) > 0 {
			t.Errorf("%s uses network %q", name, service.Network)
		}
	}
	// A file system in memory is root's, unless it is told whose it is.
	if memory := c.Services["prometheus"].Tmpfs; len(memory) != 1 || memory[0] != "/prometheus:uid=65534,gid=65534" {
		t.Errorf("prometheus cannot write its data: %q", memory)
	}
	if listens := c.Services["grafana"].Environment["GF_SERVER_HTTP_ADDR"]; listens != "127.0.0.1" {
		t.Errorf("grafana listens at %q", listens)
	}
	checkPrometheus(t, mounted)
}

// prometheusConfig is what the composition has for Prometheus, with the rules at another path.
func prometheusConfig(t *testing.T, rules string) string {
	t.Helper()
	return strings.Replace(string(content(t, "../packaging/compose/prometheus.yml")), "/etc/prometheus/alerts.yml", rules, 1)
}

// checkPrometheus has promtool read the settings of Prometheus.
func checkPrometheus(t *testing.T, mounted map[string]string) {
	t.Helper()
	rules, err := filepath.Abs(mounted["/etc/prometheus/alerts.yml"])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(prometheusConfig(t, rules)), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := servers.Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := promtool.Command(t.Context(), "check", "config", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestTryOut does with servers of the tests what compose.yml does: its tables, and its config.
func TestTryOut(t *testing.T) {
	mysqls, postgreses := servers.MySQLVersions(), servers.Versions()
	old := pool.MySQL(t, mysqls[len(mysqls)-1]).Database(t)
	modern := pool.Postgres(t, postgreses[len(postgreses)-1]).Database(t)
	old.SQL(t, string(content(t, "../packaging/compose/mysql.sql")))
	modern.SQL(t, string(content(t, "../packaging/compose/postgres.sql")))
	t.Setenv("OLD_DSN", old.DSN)
	t.Setenv("NEW_DSN", modern.DSN)

	address, config := freeAddress(t), filepath.Join(t.TempDir(), "shop.hcl")
	text := strings.Replace(string(content(t, "../packaging/compose/shop.hcl")), "127.0.0.1:8480", address, 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command("plan", config); err != nil {
		t.Fatalf("plan: %v\n%s", err, out)
	}
	health := readComposition(t, "../compose.yml").Services["cdcsync"].Healthcheck.Test
	health = append(health[2:len(health)-1], config)
	if out, err := command(health...); err == nil || !strings.Contains(out, "is it running?") {
		t.Errorf("%s, before: %v\n%s", health, err, out)
	}
	p := start(t, "run", config)
	p.await(address, "/v1/links/shop/barrier?wait=1m")
	if out, err := command(health...); err != nil {
		t.Errorf("%s: %v\n%s", health, err, out)
	}
	old.SQL(t, "UPDATE tbl_cust SET state = 'I' WHERE cust_id = 1")
	p.await(address, "/v1/links/shop/barrier?wait=1m")
	if got := modern.SQL(t, "SELECT id, email, status, credit FROM customers ORDER BY id"); !strings.Contains(got, "inactive") || !strings.Contains(got, "12.50") {
		t.Errorf("the other side has\n%s", got)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if out, err := command("teardown", config); err != nil {
		t.Errorf("teardown: %v\n%s", err, out)
	}
}
