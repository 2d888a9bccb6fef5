package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cdcsync/cdcsync/integration/servers"
)

// healthy are the metrics of a link that is well, minute by minute, as promtool writes them.
func healthy() map[string]string {
	return map[string]string{
		`up{job="cdcsync",instance="a:8480"}`:                             "1x240",
		`cdcsync_link_state{link="shop",state="running"}`:                 "1x240",
		`cdcsync_link_state{link="shop",state="contact"}`:                 "0x240",
		`cdcsync_link_state{link="shop",state="paused"}`:                  "0x240",
		`cdcsync_link_state{link="shop",state="stopped"}`:                 "0x240",
		`cdcsync_link_stalled{link="shop"}`:                               "0x240",
		`cdcsync_link_breaker_tripped{link="shop"}`:                       "0x240",
		`cdcsync_side_lag_seconds{link="shop",side="left"}`:               "1x240",
		`cdcsync_link_parked_rows{link="shop"}`:                           "0x240",
		`cdcsync_link_tables{link="shop",stage="paused"}`:                 "0x240",
		`cdcsync_table_ignored_changes_total{link="shop",table="orders"}`: "0x240",
		`cdcsync_drift_total{link="shop",side="left"}`:                    "0+1x240",
		`cdcsync_retries_total{link="shop",side="left"}`:                  "0+1x240",
		`cdcsync_conflicts_total{link="shop",policy="latest"}`:            "0+30x240",
		`cdcsync_conflicts_total{link="shop",policy="delete_wins"}`:       "0+20x240",
	}
}

// alarms are what sets off each alert: other metrics than healthy, from the first minute on; in
// which minute it does not go off yet, and in which it does; and what it says.
var alarms = map[string]struct {
	series       map[string]string
	calm, loud   int
	labels, says string
}{
	"CdcsyncDown": {map[string]string{`up{job="cdcsync",instance="a:8480"}`: "0x240"}, 1, 3,
		"instance=a:8480 job=cdcsync severity=critical", "cdcsync does not answer at a:8480"},
	"CdcsyncLinkNotRunning": {map[string]string{`cdcsync_link_state{link="shop",state="running"}`: "0x240", `cdcsync_link_state{link="shop",state="stopped"}`: "1x240"}, 1, 3,
		"link=shop severity=critical", "link shop does not run"},
	"CdcsyncLinkPaused": {map[string]string{`cdcsync_link_state{link="shop",state="running"}`: "0x240", `cdcsync_link_state{link="shop",state="paused"}`: "1x240"}, 14, 16,
		"link=shop state=paused severity=warning", "link shop is paused, and the logs of its stores grow"},
	"CdcsyncLinkStalled": {map[string]string{`cdcsync_link_stalled{link="shop"}`: "1x240"}, 0, 2,
		"link=shop severity=critical", "link shop has work and gets nowhere"},
	"CdcsyncBreakerTripped": {map[string]string{`cdcsync_link_breaker_tripped{link="shop"}`: "0 1x240"}, 0, 1,
		"link=shop severity=critical", "the breaker paused the tables of link shop"},
	"CdcsyncLag": {map[string]string{`cdcsync_side_lag_seconds{link="shop",side="left"}`: "600x240"}, 4, 6,
		"link=shop side=left severity=warning", "changes of the left side of link shop are not settled for 10m 0s"},
	"CdcsyncParkedRows": {map[string]string{`cdcsync_link_parked_rows{link="shop"}`: "3x240"}, 9, 11,
		"link=shop severity=warning", "3 rows of link shop wait for a person or for a retry"},
	"CdcsyncTablesPaused": {map[string]string{`cdcsync_link_tables{link="shop",stage="paused"}`: "2x240"}, 29, 31,
		"link=shop stage=paused severity=warning", "2 tables of link shop are paused"},
	"CdcsyncChangesIgnored": {map[string]string{`cdcsync_table_ignored_changes_total{link="shop",table="orders"}`: "0x5 5+5x240"}, 5, 7,
		"link=shop table=orders severity=warning", "changes of table orders of link shop are not carried"},
	"CdcsyncDrift": {map[string]string{`cdcsync_drift_total{link="shop",side="left"}`: "0+10x240"}, 60, 121,
		"link=shop side=left severity=warning", "rows of the left side of link shop go on changing past the log"},
	"CdcsyncRetries": {map[string]string{`cdcsync_retries_total{link="shop",side="left"}`: "0+10x240"}, 10, 30,
		"link=shop side=left severity=warning", "the left store of link shop goes on failing"},
	"CdcsyncManyConflicts": {map[string]string{`cdcsync_conflicts_total{link="shop",policy="latest"}`: "0+100x240", `cdcsync_conflicts_total{link="shop",policy="delete_wins"}`: "0+100x240"}, 9, 30,
		"link=shop severity=warning", "link shop has 2k conflicts in ten minutes"},
}

// TestAlerts has Prometheus' own tool try each alert on series: it goes off at its time, says what
// it should, and no other goes off with it. A link that is well sets off none.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	if err := yaml.Unmarshal(content(t, "../configs/grafana/alerts.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	var names []string
	page := string(content(t, "../docs/operate.md"))
	for _, r := range rules.Groups[0].Rules {
		names = append(names, r.Alert)
		if _, ok := alarms[r.Alert]; !ok {
			t.Errorf("nothing sets off %s", r.Alert)
		}
		_, section, _ := strings.Cut(page, "\n### "+r.Alert+"\n")
		if section, _, _ = strings.Cut(section, "\n#"); len(section) < 50 {
			t.Errorf("docs/operate.md does not say what to do about %s", r.Alert)
		}
	}
	if len(names) != len(alarms) {
		t.Errorf("%d alerts, and %d are tried", len(names), len(alarms))
	}
	file, err := filepath.Abs("../configs/grafana/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups := []any{trial("", nil, names, 200)}
	for _, name := range names {
		groups = append(groups, trial(name, alarms[name].series, names, alarms[name].calm, alarms[name].loud))
	}
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{file}, "evaluation_interval": "1m", "tests": groups})
	if err != nil {
		t.Fatal(err)
	}
	tests := filepath.Join(t.TempDir(), "alerts.yml")
	if err := os.WriteFile(tests, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := servers.Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal", file}, {"test", "rules", tests}} {
		if out, err := promtool.Command(t.Context(), args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args, err, out)
		}
	}
}

// trial is a group of tests of promtool: with these series in place of healthy ones, loud goes off in
// the last of the minutes and not in those before; no other alert goes off.
func trial(loud string, series map[string]string, names []string, minutes ...int) any {
	all := healthy()
	for name, values := range series {
		all[name] = values
	}
	var input, expected []any
	for name, values := range all {
		input = append(input, map[string]string{"series": name, "values": values})
	}
	for i, minute := range minutes {
		for _, name := range names {
			alerts := []any{}
			if name == loud && i == len(minutes)-1 {
				labels := map[string]string{}
				for label := range strings.FieldsSeq(alarms[name].labels) {
					k, v, _ := strings.Cut(label, "=")
					labels[k] = v
				}
				alerts = append(alerts, map[string]any{"exp_labels": labels, "exp_annotations": map[string]string{
					"summary": alarms[name].says, "runbook_url": "https://github.com/cdcsync/cdcsync/blob/main/docs/operate.md#" + strings.ToLower(name),
				}})
			}
			expected = append(expected, map[string]any{"eval_time": fmt.Sprintf("%dm", minute), "alertname": name, "exp_alerts": alerts})
		}
	}
	return map[string]any{"interval": "1m", "input_series": input, "alert_rule_test": expected}
}

// TestDashboard has Prometheus' own tool read the expressions of the dashboard.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var rules []any
	for _, expr := range dashboardExpressions(t) {
		rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:%d", len(rules)), "expr": expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := servers.Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := promtool.Command(t.Context(), "check", "rules", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d rules found", len(rules))) || len(rules) < 10 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// dashboardExpressions are what the panels of the dashboard ask for, of link shop.
func dashboardExpressions(t *testing.T) (list []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(content(t, "../configs/grafana/cdcsync.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, strings.NewReplacer("$__rate_interval", "5m", "$link", "shop", "$job", "cdcsync").Replace(target.Expr))
		}
	}
	return list
}

// TestPrometheus runs a Prometheus with the settings of the composition beside cdcsync: it finds it,
// the alert for a parked row is on its way, and every panel of the dashboard has something to show.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	server := pool.Postgres(t, servers.Versions()[0])
	left := site{engine: "postgres", dsn: server.Database(t).DSN, server: server} // which says how long its log is
	s := newSchemaShop(t, [2]site{left, file(t)}, "pause")
	s.exec(1, "CREATE TRIGGER picky BEFORE INSERT ON orders WHEN NEW.qty = 13 BEGIN SELECT RAISE(ABORT, 'thirteen is bad luck'); END")
	s.exec(0, "INSERT INTO orders VALUES (5, 13), (6, 6)")
	awaitParked(t, s.address, "shop", 1)
	p := startPrometheus(t, s.address)

	var alerts struct {
		Data struct {
			Alerts []struct{ Labels map[string]string }
		}
	}
	p.await("/api/v1/alerts", &alerts, func() bool {
		a := alerts.Data.Alerts // until it has looked once, there is another one
		return len(a) == 1 && a[0].Labels["alertname"] == "CdcsyncParkedRows" && a[0].Labels["link"] == "shop"
	})
	for _, expr := range dashboardExpressions(t) {
		if strings.Contains(expr, "contact") { // there is none under way
			continue
		}
		var found struct {
			Data struct{ Result []any }
		}
		p.await("/api/v1/query?query="+url.QueryEscape(expr), &found, func() bool { return len(found.Data.Result) > 0 })
	}
}

// prometheus is a Prometheus that runs.
type prometheus struct {
	t       *testing.T
	address string
	output  *lockedBuffer
}

// startPrometheus runs a Prometheus that looks at cdcsync every second.
func startPrometheus(t *testing.T, cdcsync string) *prometheus {
	t.Helper()
	rules, err := filepath.Abs("../configs/grafana/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := strings.NewReplacer("127.0.0.1:8480", cdcsync, "interval: 5s", "interval: 1s").Replace(prometheusConfig(t, rules))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	tool, err := servers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &prometheus{t: t, address: freeAddress(t), output: &lockedBuffer{}}
	cmd := tool.Command(t.Context(), "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+dir, "--web.listen-address="+p.address)
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return p
}

// await asks until ok says that the answer is there.
func (p *prometheus) await(path string, into any, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if status, err := get(p.address, path, into); err == nil && status == http.StatusOK && ok() {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %+v\n%s", path, into, p.output)
		}
	}
}
