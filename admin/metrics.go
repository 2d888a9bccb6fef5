package admin

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxTables is how many tables of a link have metrics of their own: each is a dozen series.
const maxTables = 500

// The words of labels whose metrics have a series for each.
func states() []string {
	return []string{"starting", "recovering", stateContact, stateRunning, statePaused, "stopped"}
}
func stages() []string {
	return []string{"contact", "live", stagePaused, "emptied left", "emptied right", "emptied both"}
}

// metrics returns the handler of the metrics, in the text format of Prometheus.
func (s *Server) metrics() http.HandlerFunc {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(s.instance), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: s.log.StandardLogger(nil), ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 4,
	}).ServeHTTP
}

// collector reads the metrics from the state of the links when they are asked for.
type collector struct {
	instance Instance
	links    []metric[Link]
	sides    []metric[Side]
	tables   []metric[Table]
	// These have one more label, or buckets.
	state, stage, count, conflicts, lag, amplification *prometheus.Desc
	rows, seconds                                      *prometheus.Desc
}

var _ prometheus.Collector = (*collector)(nil)

// metric is a number of a link, of a side or of a table.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64
}

func newCollector(in Instance) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("cdcsync_"+name, help, labels, nil)
	}
	return &collector{
		instance: in, links: linkMetrics(), sides: sideMetrics(), tables: tableMetrics(),
		state:         desc("link_state", "1 for the state in which the link is, 0 for the others.", "link", "state"),
		count:         desc("link_tables", "Tables of the link by stage.", "link", "stage"),
		stage:         desc("table_stage", "1 for the stage in which the table is, 0 for the others.", "link", "table", "stage"),
		conflicts:     desc("conflicts_total", "Conflicts that were decided, by the policy that did.", "link", "policy"),
		lag:           desc("side_lag_bytes", "Bytes of the log that are not carried over; missing where the store does not say.", "link", "side"),
		amplification: desc("side_amplification", "Changes read from the log in the last minute for each that does not repeat, as the breaker counts; missing where none looks for a loop.", "link", "side"),
		rows:          desc("batch_rows", "Rows of the batches that were written to the store.", "link", "side"),
		seconds:       desc("apply_seconds", "How long the store took for a batch, retries included.", "link", "side"),
	}
}

// family returns what makes the metrics of one T, with these labels.
func family[T any](labels ...string) func(kind prometheus.ValueType, name, help string, value func(*T) float64) metric[T] {
	return func(kind prometheus.ValueType, name, help string, value func(*T) float64) metric[T] {
		return metric[T]{prometheus.NewDesc("cdcsync_"+name, help, labels, nil), kind, value}
	}
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func linkMetrics() []metric[Link] {
	m := family[Link]("link")
	return []metric[Link]{
		m(gauge, "link_stalled", "1 if there is work and nothing is done.", func(l *Link) float64 { return truth(l.Stalled != "") }),
		m(gauge, "link_breaker_tripped", "1 if the breaker paused the tables.", func(l *Link) float64 { return truth(l.Breaker != "") }),
		m(gauge, "link_unsettled_rows", "Rows on which the stores may disagree now.", func(l *Link) float64 { return float64(l.Unsettled) }),
		m(gauge, "link_unsettled_bytes", "Memory that these rows take.", func(l *Link) float64 { return float64(l.Bytes) }),
		m(gauge, "link_parked_rows", "Rows that wait for a person or for a retry.", func(l *Link) float64 { return float64(l.Parked) }),
		m(counter, "compared_rows_total", "Rows that were compared in first contact.", func(l *Link) float64 { return float64(l.Compared) }),
	}
}

func sideMetrics() []metric[Side] {
	m := family[Side]("link", "side")
	return []metric[Side]{
		m(gauge, "side_lag_seconds", "For how long the oldest change that was read from the log has not been settled.", func(s *Side) float64 { return s.LagSeconds }),
		m(gauge, "side_behind_changes", "Changes that are known to wait in the log.", func(s *Side) float64 { return float64(s.Behind) }),
		m(gauge, "side_pending_rows", "Rows that wait to be written to the store.", func(s *Side) float64 { return float64(s.Pending) }),
		m(gauge, "side_epoch", "How often an instance has opened the link.", func(s *Side) float64 { return float64(s.Epoch) }),
		m(counter, "changes_total", "Changes read from the log that others made.", func(s *Side) float64 { return float64(s.Counters.Changes) }),
		m(counter, "repeated_changes_total", "Of these, changes of rows that were written many times within a minute.", func(s *Side) float64 { return float64(s.Counters.Repeated) }),
		m(counter, "echoed_rows_total", "Rows read from the log that the link itself wrote.", func(s *Side) float64 { return float64(s.Counters.Echoed) }),
		m(counter, "effects_total", "Rows that triggers wrote inside the transactions of the link.", func(s *Side) float64 { return float64(s.Counters.Effects) }),
		m(counter, "applied_rows_total", "Rows that were written to the store.", func(s *Side) float64 { return float64(s.Counters.Applied) }),
		m(counter, "batches_total", "Transactions in which rows and markers were written.", func(s *Side) float64 { return float64(s.Counters.Batches) }),
		m(counter, "split_transactions_total", "Transactions of the log that were read in more than one part.", func(s *Side) float64 { return float64(s.Counters.Split) }),
		m(counter, "differs_total", "Writes that found another row than expected.", func(s *Side) float64 { return float64(s.Counters.Differs) }),
		m(counter, "refused_rows_total", "Rows that the store refused.", func(s *Side) float64 { return float64(s.Counters.Refused) }),
		m(counter, "looks_total", "Direct reads of rows.", func(s *Side) float64 { return float64(s.Counters.Looks) }),
		m(counter, "drift_total", "Looks that showed what the log did not explain.", func(s *Side) float64 { return float64(s.Counters.Drift) }),
		m(counter, "retries_total", "Errors that passed.", func(s *Side) float64 { return float64(s.Counters.Retries) }),
	}
}

func tableMetrics() []metric[Table] {
	m := family[Table]("link", "table")
	contact := func(value func(*Contact) float64) func(*Table) float64 {
		return func(t *Table) float64 {
			if t.Contact == nil {
				return 0
			}
			return value(t.Contact)
		}
	}
	return []metric[Table]{
		m(gauge, "table_parked_rows", "Rows that wait for a person or for a retry.", func(t *Table) float64 { return float64(t.Parked) }),
		m(gauge, "table_waiting_rows", "Rows that changed while the table is paused and will be written.", func(t *Table) float64 { return float64(t.Waiting) }),
		m(counter, "table_ignored_changes_total", "Changes that were not applied because the table is paused.", func(t *Table) float64 { return float64(t.Ignored) }),
		m(gauge, "table_compared_rows", "Rows met when the table was last compared.", func(t *Table) float64 { return float64(t.Compared) }),
		m(gauge, "table_differing_rows", "Of these, rows that were left different.", func(t *Table) float64 { return float64(t.Differ) }),
		m(gauge, "table_contact_rows", "Rows compared by the comparing that is under way; 0 for none.", contact(func(c *Contact) float64 { return float64(c.Rows) })),
		m(gauge, "table_contact_expected_rows", "About how many rows that comparing meets; 0 if that is not known.", contact(func(c *Contact) float64 { return float64(c.Total) })),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.links {
		out <- m.desc
	}
	for _, m := range c.sides {
		out <- m.desc
	}
	for _, m := range c.tables {
		out <- m.desc
	}
	for _, desc := range []*prometheus.Desc{c.state, c.stage, c.count, c.conflicts, c.lag, c.amplification, c.rows, c.seconds} {
		out <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, l := range c.instance.Links() {
		collect(out, c.links, &l, l.Name)
		for _, state := range states() {
			out <- constant(c.state, gauge, truth(l.State == state), l.Name, state)
		}
		for _, p := range l.ByPolicy {
			out <- constant(c.conflicts, counter, float64(p.Conflicts), l.Name, p.Policy)
		}
		c.collectSide(out, &l.Left, l.Name, "left")
		c.collectSide(out, &l.Right, l.Name, "right")
		c.collectTables(out, &l)
	}
}

func (c *collector) collectSide(out chan<- prometheus.Metric, s *Side, link, side string) {
	collect(out, c.sides, s, link, side)
	if s.LagBytes != nil {
		out <- constant(c.lag, gauge, float64(*s.LagBytes), link, side)
	}
	if s.Amplification != nil {
		out <- constant(c.amplification, gauge, *s.Amplification, link, side)
	}
	out <- s.Counters.BatchRows.metric(c.rows, link, side)
	out <- s.Counters.ApplySeconds.metric(c.seconds, link, side)
}

func (c *collector) collectTables(out chan<- prometheus.Metric, l *Link) {
	count := map[string]int{}
	for i := range l.Tables {
		t := &l.Tables[i]
		count[t.Stage]++
		if i >= maxTables {
			continue
		}
		collect(out, c.tables, t, l.Name, t.Name)
		for _, stage := range stages() {
			out <- constant(c.stage, gauge, truth(t.Stage == stage), l.Name, t.Name, stage)
		}
	}
	for _, stage := range stages() {
		out <- constant(c.count, gauge, float64(count[stage]), l.Name, stage)
	}
}

func collect[T any](out chan<- prometheus.Metric, metrics []metric[T], of *T, labels ...string) {
	for _, m := range metrics {
		out <- constant(m.desc, m.kind, m.value(of), labels...)
	}
}

func constant(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// metric returns h as Prometheus has it: what is up to each bound, in all.
func (h *Histogram) metric(desc *prometheus.Desc, labels ...string) prometheus.Metric {
	upTo, count := map[float64]uint64{}, uint64(0)
	for i, n := range h.Counts {
		if count += n; i < len(h.Bounds) {
			upTo[h.Bounds[i]] = count
		}
	}
	m, err := prometheus.NewConstHistogram(desc, count, h.Sum, upTo, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}
