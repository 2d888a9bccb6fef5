package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Jobs is what an Instance does in the background.
type Jobs interface {
	// StartVerify begins to verify a link and returns the job. What cannot be done as things are
	// is a RefusedError.
	StartVerify(link string, request VerifyRequest) (Job, error)
	// Jobs returns the jobs that run, and the last that have ended, oldest first.
	Jobs() []Job
	// CancelJob has a job end soon. It is false if there is none.
	CancelJob(id string) bool
}

// VerifyRequest says how a link is verified.
type VerifyRequest struct {
	// Tables are the names of the table pairs; none: all.
	Tables []string `json:"tables,omitempty"`
	// Repair makes rows that differ what they are on the side By, left or right.
	Repair bool   `json:"repair,omitempty"`
	By     string `json:"by,omitempty"`
	// Values shows the values of rows that differ.
	Values bool `json:"values,omitempty"`
}

// The states of a job.
const (
	JobRunning  = "running"
	JobDone     = "done"
	JobFailed   = "failed"
	JobCanceled = "canceled"
)

// Job is something that takes long.
type Job struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // verify
	Link string `json:"link"`
	// State is running, done, failed or canceled.
	State    string       `json:"state"`
	Error    string       `json:"error,omitempty"`
	Started  time.Time    `json:"started"`
	Ended    *time.Time   `json:"ended,omitempty"`
	Progress *JobProgress `json:"progress,omitempty"`
	// Result is there once it is done.
	Result *Certificate `json:"result,omitempty"`
}

// JobProgress is how far a job is.
type JobProgress struct {
	Table string `json:"table"`
	// Done of Tables are compared.
	Done   int `json:"done"`
	Tables int `json:"tables"`
	// Rows were compared, of about Total; 0 where that is not known.
	Rows          int64   `json:"rows"`
	Total         int64   `json:"total"`
	RowsPerSecond float64 `json:"rows_per_second"`
	SecondsLeft   float64 `json:"seconds_left"`
	Different     int64   `json:"different"`
}

// Certificate is what a verification found. The stores held the same, in all rows that stood
// still, between the two positions of each.
type Certificate struct {
	Link  string `json:"link"`
	Equal bool   `json:"equal"`
	// Running: the link ran, so what was on its way was waited for exactly. Resumed: it went on
	// where an earlier one had ended.
	Running bool           `json:"running"`
	Resumed bool           `json:"resumed"`
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Left    Span           `json:"left"`
	Right   Span           `json:"right"`
	Tables  []VerifiedPair `json:"tables"`
}

// Span is where the log of a store ended at the start and at the end.
type Span struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// VerifiedPair is what was found in one table pair.
type VerifiedPair struct {
	Name string `json:"name"`
	// Verdict is equal, differs, or busy: no row differs, but some did not stand still.
	Verdict string `json:"verdict"`
	// Method is digests, rows or keys, and Why says why not by digests alone.
	Method string `json:"method"`
	Why    string `json:"why,omitempty"`
	// Paused is why the table is not kept the same now.
	Paused    string `json:"paused,omitempty"`
	LeftRows  int64  `json:"left_rows"`
	RightRows int64  `json:"right_rows"`
	// Chunks digests were compared, and RowsRead rows.
	Chunks   int64 `json:"chunks"`
	RowsRead int64 `json:"rows_read"`
	// Moving rows were on their way. Different rows differ, of which some are Parked. Repaired
	// ones differed. Busy ones did not stand still.
	Moving    int64 `json:"moving"`
	Different int64 `json:"different"`
	Parked    int64 `json:"parked"`
	Repaired  int64 `json:"repaired"`
	Busy      int64 `json:"busy"`
	// Kept counts by column values that a store keeps differently from what it was sent.
	Kept    map[string]int64 `json:"kept,omitempty"`
	Seconds float64          `json:"seconds"`
	// Differences lists the first rows that differ.
	Differences []Difference `json:"differences"`
}

// Difference is one row that differs.
type Difference struct {
	Key Row `json:"key"`
	// What is "left only", "right only", "differs" or "busy".
	What    string   `json:"what"`
	Columns []string `json:"columns,omitempty"`
	// Left and Right are there if values were asked for.
	Left  *Row   `json:"left,omitempty"`
	Right *Row   `json:"right,omitempty"`
	Note  string `json:"note,omitempty"`
}

type jobsBody struct {
	Jobs []Job `json:"jobs"`
}

// verify begins to verify a link.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	var request VerifyRequest
	if !decode(w, r, &request) {
		return
	}
	note(w, "tables", clip(strings.Join(request.Tables, ",")))
	note(w, "repair", request.Repair)
	note(w, "values", request.Values)
	if isSide(request.By) {
		note(w, "by", request.By)
	}
	job, err := s.instance.StartVerify(l.Name, request)
	if err != nil {
		fail(w, err)
		return
	}
	note(w, "job", job.ID)
	w.Header().Set("Location", "/v1/jobs/"+url.PathEscape(job.ID))
	answer(w, http.StatusAccepted, job)
}

func (s *Server) jobs(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, jobsBody{Jobs: orEmpty(s.instance.Jobs())})
}

func (s *Server) job(w http.ResponseWriter, r *http.Request) {
	if j, ok := s.findJob(w, r); ok {
		answer(w, http.StatusOK, j)
	}
}

// findJob returns the job that the request is about; if there is none, it has been answered.
func (s *Server) findJob(w http.ResponseWriter, r *http.Request) (Job, bool) {
	id := r.PathValue("job")
	for _, j := range s.instance.Jobs() {
		if j.ID == id {
			return j, true
		}
	}
	refuse(w, http.StatusNotFound, "there is no job %q; GET /v1/jobs lists those that run, and the last that have ended", id)
	return Job{}, false
}

// cancelJob has a job end, and answers at once: it ends soon after.
func (s *Server) cancelJob(w http.ResponseWriter, r *http.Request) {
	j, ok := s.findJob(w, r)
	if !ok {
		return
	}
	s.instance.CancelJob(j.ID)
	answer(w, http.StatusAccepted, j)
}

// StartVerify begins to verify a link, and returns the job.
func (c *Client) StartVerify(ctx context.Context, link string, request VerifyRequest) (j Job, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(link)+"/verify", request, &j)
	return j, err
}

// Job returns the state of a job.
func (c *Client) Job(ctx context.Context, id string) (j Job, err error) {
	err = c.get(ctx, "/v1/jobs/"+url.PathEscape(id), &j)
	return j, err
}

// CancelJob has a job end soon.
func (c *Client) CancelJob(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, "/v1/jobs/"+url.PathEscape(id), nil, &Job{})
}

// FollowJob calls show with the state of a job now and then, until it has ended, and returns
// its last state. If ctx ends first, it has the job end, too.
func (c *Client) FollowJob(ctx context.Context, id string, every time.Duration, show func(Job)) (Job, error) {
	for {
		j, err := c.Job(ctx, id)
		if err == nil {
			show(j)
			if j.State != JobRunning {
				return j, nil
			}
			timer := time.NewTimer(every)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
			}
		}
		if ctx.Err() == nil {
			return j, err
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
		defer cancel()
		return j, errors.Join(ctx.Err(), c.CancelJob(limited, id))
	}
}
