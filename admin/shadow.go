package admin

import (
	"context"
	"net/http"
	"time"
)

// Shadowed is a row that would have been written to a side in shadow.
type Shadowed struct {
	Table string `json:"table"`
	Side  string `json:"side"`
	Key   Row    `json:"key"`
	// Has is what the side has, Would what would have been written; null for absent.
	Has   Row `json:"has"`
	Would Row `json:"would"`
	// Winner and Policy are missing unless it was a conflict.
	Winner string    `json:"winner,omitempty"`
	Policy string    `json:"policy,omitempty"`
	At     time.Time `json:"at"`
}

type shadowBody struct {
	Shadowed []Shadowed `json:"shadowed"`
}

// shadow lists the last rows that would have been written to a side in shadow.
func (s *Server) shadow(w http.ResponseWriter, r *http.Request) {
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	list, err := s.instance.Shadowed(ctx, l.Name)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, shadowBody{orEmpty(list)})
}
