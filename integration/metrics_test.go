package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads the metrics of a running cdcsync as Prometheus does.
func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d, %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value returns the sum of the series of a family that have these labels, written name=value.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) (sum float64) {
	for _, m := range families[name].GetMetric() {
		var has []string
		for _, l := range m.GetLabel() {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	return sum
}

var (
	// documented is a line of the tables of docs/metrics.md.
	documented = regexp.MustCompile("(?m)^\\| `(cdcsync_\\w+)` \\| (\\w+) \\| ([\\w, ]+) \\| (.+) \\|$")
	// used is a metric in an expression.
	used = regexp.MustCompile(`\b(cdcsync|process|go)_[a-z_]+`)
)

// TestMetrics scrapes the program: the metrics are those that docs/metrics.md lists, with these
// types and labels, and they count what happens. The dashboard and the alerts use no others.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	db := s.open(0)
	defer func() { _ = db.Close() }()
	p := start(t, "run", s.config)
	p.await(s.address, "/readyz")
	p.await(s.address, "/v1/links/shop/barrier?wait=30s")
	if _, err := db.Exec("INSERT INTO tbl_item (item_id, val) VALUES (1, 'canary'), (2, 'canary'), (3, 'canary')"); err != nil {
		t.Fatal(err)
	}
	p.await(s.address, "/v1/links/shop/barrier?wait=30s")
	families := scrape(t, s.address)
	for value(families, "cdcsync_batch_rows", "side=right") < 3 { // what is shown is a moment old
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		families = scrape(t, s.address)
	}
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	listed, may := map[string]bool{}, map[string]bool{} // may be missing
	for _, m := range documented.FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
		f := families[m[1]]
		if f == nil && strings.Contains(m[4], "missing where") {
			may[m[1]] = true
			continue
		}
		if f == nil {
			t.Errorf("docs/metrics.md lists %s, and there is none", m[1])
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		want := strings.Split(m[3], ", ")
		slices.Sort(want)
		if kind := strings.ToLower(f.GetType().String()); kind != m[2] || !slices.Equal(labels, want) {
			t.Errorf("%s is a %s by %v, not a %s by %v", m[1], kind, labels, m[2], want)
		}
	}
	for name, f := range families {
		if strings.HasPrefix(name, "cdcsync_") && !listed[name] {
			t.Errorf("docs/metrics.md does not list %s", name)
		}
		if strings.HasSuffix(name, "_total") != (f.GetType() == dto.MetricType_COUNTER) && strings.HasPrefix(name, "cdcsync_") {
			t.Errorf("%s is a %s", name, f.GetType())
		}
		if strings.Contains(f.String(), "canary") {
			t.Errorf("%s shows a value", name)
		}
	}
	for name, want := range map[string][2]float64{
		"one state":    {1, value(families, "cdcsync_link_state", "link=shop")},
		"running":      {1, value(families, "cdcsync_link_state", "link=shop", "state=running")},
		"live tables":  {2, value(families, "cdcsync_link_tables", "stage=live")},
		"stages":       {2, value(families, "cdcsync_table_stage")},
		"live items":   {1, value(families, "cdcsync_table_stage", "table=items", "stage=live")},
		"changes":      {3, value(families, "cdcsync_changes_total", "side=left")},
		"applied":      {3, value(families, "cdcsync_applied_rows_total", "side=right")},
		"applied back": {0, value(families, "cdcsync_applied_rows_total", "side=left")},
		"batched":      {3, value(families, "cdcsync_batch_rows", "side=right")},
		"stalled":      {0, value(families, "cdcsync_link_stalled")},
		"breaker":      {0, value(families, "cdcsync_link_breaker_tripped")},
	} {
		if want[0] != want[1] {
			t.Errorf("%s: %v, want %v", name, want[1], want[0])
		}
	}
	if value(families, "cdcsync_apply_seconds", "side=right") <= 0 || value(families, "process_resident_memory_bytes") <= 0 {
		t.Error("no time was spent, or no memory")
	}
	if len(may) != 2 {
		t.Errorf("of what is listed are missing %v", may)
	}
	checkUses(t, families, may)
}

// checkUses checks the metrics that the dashboard and the alerts use: there is each of them, or it may
// be missing.
func checkUses(t *testing.T, families map[string]*dto.MetricFamily, may map[string]bool) {
	t.Helper()
	board, err := os.ReadFile("../configs/grafana/cdcsync.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(board, &dashboard); err != nil {
		t.Fatal(err)
	}
	expressions := map[string]string{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			expressions[target.Expr] = "panel " + p.Title
		}
	}
	rules, err := os.ReadFile("../configs/grafana/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: (.+)$`).FindAllStringSubmatch(string(rules), -1)
	for _, m := range alerts {
		expressions[m[2]] = "alert " + m[1]
	}
	if len(alerts) < 5 || len(dashboard.Panels) < 5 || len(alerts) != strings.Count(string(rules), "alert:") {
		t.Fatalf("%d alerts and %d panels", len(alerts), len(dashboard.Panels))
	}
	for expression, where := range expressions {
		names := used.FindAllString(expression, -1)
		if len(names) == 0 {
			t.Errorf("%s uses no metric: %s", where, expression)
		}
		for _, name := range names {
			if families[name].GetType() == dto.MetricType_HISTOGRAM {
				t.Errorf("%s uses a histogram by its name: %s", where, name)
			}
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, part); ok && families[base].GetType() == dto.MetricType_HISTOGRAM {
					name = base
				}
			}
			if families[name] == nil && !may[name] {
				t.Errorf("%s uses %s, and there is none", where, name)
			}
		}
	}
}
