package admin

import (
	"cmp"
	"context"
	"net/http"
	"strings"
)

// tables lists the tables of a link.
func (s *Server) tables(w http.ResponseWriter, r *http.Request) {
	if l, ok := s.find(w, r); ok {
		answer(w, http.StatusOK, tablesBody{Tables: l.Tables})
	}
}

func (s *Server) table(w http.ResponseWriter, r *http.Request) {
	if _, t, ok := s.findTable(w, r); ok {
		answer(w, http.StatusOK, t)
	}
}

// findTable returns the table that the request is about, and its link; if there is none, it has
// been answered.
func (s *Server) findTable(w http.ResponseWriter, r *http.Request) (link string, t Table, ok bool) {
	l, ok := s.find(w, r)
	if !ok {
		return "", t, false
	}
	for _, t := range l.Tables {
		if t.Name == r.PathValue("table") {
			return l.Name, t, true
		}
	}
	return "", t, l.has(w, r.PathValue("table"))
}

// has tells whether l has a table; if not, the request for it has been answered.
func (l *Link) has(w http.ResponseWriter, table string) bool {
	var names []string
	for i := range l.Tables {
		if names = append(names, l.Tables[i].Name); l.Tables[i].Name == table {
			return true
		}
	}
	refuse(w, http.StatusNotFound, "link %s has no table %q; there are: %s", l.Name, table, strings.Join(names, ", "))
	return false
}

// reasonBody says why something is paused.
type reasonBody struct {
	// Reason is shown as long as it is paused.
	Reason string `json:"reason,omitempty"`
}

// resyncBody says how a table is compared again.
type resyncBody struct {
	// By is the side that the other one is made equal to, left or right; missing: as the config says.
	By string `json:"by,omitempty"`
}

// pauseTable lets a table wait; its changes are kept until it goes on.
func (s *Server) pauseTable(w http.ResponseWriter, r *http.Request) {
	var body reasonBody
	s.controlTable(w, r, &body, func(ctx context.Context, link, table string) error {
		note(w, "reason", clip(body.Reason))
		return s.instance.PauseTable(ctx, link, table, body.Reason)
	})
}

func (s *Server) resumeTable(w http.ResponseWriter, r *http.Request) {
	s.controlTable(w, r, &struct{}{}, s.instance.ResumeTable)
}

// resyncTable compares a table again.
func (s *Server) resyncTable(w http.ResponseWriter, r *http.Request) {
	var body resyncBody
	s.controlTable(w, r, &body, func(ctx context.Context, link, table string) error {
		if body.By != "" && body.By != "left" && body.By != "right" {
			return &RefusedError{"by is left or right, or missing: then rows are compared as the config says"}
		}
		note(w, "by", cmp.Or(body.By, "config"))
		return s.instance.ResyncTable(ctx, link, table, body.By)
	})
}

// controlTable does something to a table and answers with its state.
func (s *Server) controlTable(w http.ResponseWriter, r *http.Request, body any, do func(ctx context.Context, link, table string) error) {
	link, t, ok := s.findTable(w, r)
	if !ok || !decode(w, r, body) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	if err := do(ctx, link, t.Name); err != nil {
		fail(w, err)
		return
	}
	if _, t, ok := s.findTable(w, r); ok {
		answer(w, http.StatusOK, t)
	}
}
