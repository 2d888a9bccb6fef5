package admin

import (
	"context"
	"net/http"
)

// ReplayRequest says by what policy recorded conflicts are decided once more.
type ReplayRequest struct {
	// Policy is latest, left, right, merge or manual; Deletes delete_wins, update_wins or missing.
	Policy  string `json:"policy"`
	Deletes string `json:"deletes,omitempty"`
	// Limit is how many conflicts at the most, the newest first; missing: all that are kept.
	Limit int `json:"limit,omitempty"`
}

// Replay is what a policy would have made of recorded conflicts. Nothing is written for it.
type Replay struct {
	// Conflicts were decided once more, of which Different would have ended otherwise, and Parked
	// have waited for a person. Skipped are of tables that have other columns now.
	Conflicts int `json:"conflicts"`
	Different int `json:"different"`
	Parked    int `json:"parked"`
	Skipped   int `json:"skipped"`
	// Examples are the first of those that differ, with what would have come of them.
	Examples []ReplayExample `json:"examples"`
}

// ReplayExample is a conflict that a policy would have decided otherwise.
type ReplayExample struct {
	Conflict
	// Would is the result by that policy; missing: the row would have been parked.
	Would *Row `json:"would,omitempty"`
}

func (s *Server) replayConflicts(w http.ResponseWriter, r *http.Request) {
	var body ReplayRequest
	l, ok := s.find(w, r)
	if !ok || !decode(w, r, &body) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	found, err := s.instance.ReplayConflicts(ctx, l.Name, body)
	if err != nil {
		fail(w, err)
		return
	}
	found.Examples = orEmpty(found.Examples)
	answer(w, http.StatusOK, found)
}
