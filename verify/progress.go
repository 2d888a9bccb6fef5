package verify

import (
	"context"
	"time"
)

// Progress is how far a run is.
type Progress struct {
	Table string
	// Tables is how many there are, and Done how many are compared.
	Tables, Done int
	// Rows of the larger side were compared, of about Total; 0: that is not known.
	Rows, Total int64
	// PerSecond is how many rows are compared in a second, of late.
	PerSecond float64
	// Left is how long it takes on; 0: that is not known.
	Left time.Duration
	// Different rows were found so far.
	Different int64
}

// meter measures the progress.
type meter struct {
	total int64
	rows  int64
	at    time.Time
	speed float64
}

// countWithin is how long rows are counted before the run begins.
const countWithin = 5 * time.Second

// expect asks how many rows there are, as far as that can be told soon.
func (r *run) expect(ctx context.Context) {
	if r.Progress == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	for _, p := range r.Pairs {
		var most int64
		for s := range r.Stores {
			if r.Stores[s].Count == nil {
				continue
			}
			n, err := r.Stores[s].Count(ctx, p.Tables[s].Name)
			if ctx.Err() != nil {
				r.meter.total = 0
				return
			}
			if err == nil {
				most = max(most, n)
			}
		}
		r.meter.total += most
	}
}

// progress tells how far the run is.
func (w *walk) progress() {
	if w.Progress == nil {
		return
	}
	p := Progress{Table: w.pair.Name, Tables: len(w.Pairs), Done: w.state.Table, Total: w.meter.total}
	for i := range w.state.Certificate.Tables {
		t := &w.state.Certificate.Tables[i]
		p.Rows += max(t.Rows[0], t.Rows[1])
		p.Different += t.Different
	}
	p.PerSecond = w.meter.take(p.Rows, time.Now())
	if p.PerSecond > 0 && p.Total > p.Rows {
		p.Left = time.Duration(float64(p.Total-p.Rows) / p.PerSecond * float64(time.Second))
	}
	w.Progress(p)
}

// take measures the speed over the last seconds.
func (m *meter) take(rows int64, now time.Time) float64 {
	if m.at.IsZero() {
		m.at, m.rows = now, rows
		return 0
	}
	if d := now.Sub(m.at).Seconds(); d >= 1 {
		speed := float64(rows-m.rows) / d
		if m.speed == 0 {
			m.speed = speed
		}
		m.speed = 0.7*m.speed + 0.3*speed
		m.at, m.rows = now, rows
	}
	return m.speed
}
