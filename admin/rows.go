package admin

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
)

// Rows is what an Instance does to single rows. What cannot be done as things are is a
// RefusedError.
type Rows interface {
	// ResolveParked has a parked row become what one side has, if take is left or right, or row.
	// It returns once both sides have it.
	ResolveParked(ctx context.Context, link, id, take string, row *Row) error
	// RetryParked tries a parked row again now, or all of the link if id is empty, and returns how
	// many there were.
	RetryParked(ctx context.Context, link, id string) (int, error)
	// DiscardParked gives a parked row up: both sides keep what they have.
	DiscardParked(ctx context.Context, link, id string) error
	// RevertConflict writes back what a decision did away with, as a change of its own: what the
	// side take had, or, if it is empty, what lost.
	RevertConflict(ctx context.Context, link, side string, id int64, take string) error
	// ReplayConflicts decides recorded conflicts once more, by another policy, and writes nothing.
	ReplayConflicts(ctx context.Context, link string, request ReplayRequest) (Replay, error)
	// Shadowed returns the last rows that would have been written to a side in shadow, newest first.
	Shadowed(ctx context.Context, link string) ([]Shadowed, error)
}

// countBody says how many rows something was done to.
type countBody struct {
	Rows int `json:"rows"`
}

// resolveBody says what a parked row is to be: one of the three.
type resolveBody struct {
	// Take is the side whose row is right, left or right.
	Take string `json:"take,omitempty"`
	// Row is the row itself, with all of its columns.
	Row *Row `json:"row,omitempty"`
	// Delete says that the row is to be deleted on both sides.
	Delete bool `json:"delete,omitempty"`
}

// revertBody says which row of a conflict comes back.
type revertBody struct {
	// Take is the side whose row comes back, left or right; missing: what lost.
	Take string `json:"take,omitempty"`
}

func (s *Server) resolveParked(w http.ResponseWriter, r *http.Request) {
	var body resolveBody
	s.onRow(w, r, &body, func(ctx context.Context, link string) (int, error) {
		given := 0
		for _, is := range []bool{body.Take != "", body.Row != nil, body.Delete} {
			if is {
				given++
			}
		}
		if given != 1 || !isSide(body.Take) {
			return 0, &RefusedError{`say what the row is to be: {"take": "left"}, {"take": "right"}, {"row": {…}} or {"delete": true}`}
		}
		if body.Delete {
			body.Row = &Row{}
		}
		note(w, "take", cmp.Or(body.Take, "a row"))
		note(w, "delete", body.Delete)
		return 1, s.instance.ResolveParked(ctx, link, r.PathValue("id"), body.Take, body.Row)
	})
}

// isSide tells whether a text names a side, or none.
func isSide(text string) bool { return text == "" || text == "left" || text == "right" }

func (s *Server) retryParked(w http.ResponseWriter, r *http.Request) {
	s.onRow(w, r, &struct{}{}, func(ctx context.Context, link string) (int, error) {
		return s.instance.RetryParked(ctx, link, r.PathValue("id"))
	})
}

func (s *Server) discardParked(w http.ResponseWriter, r *http.Request) {
	s.onRow(w, r, &struct{}{}, func(ctx context.Context, link string) (int, error) {
		return 1, s.instance.DiscardParked(ctx, link, r.PathValue("id"))
	})
}

func (s *Server) revertConflict(w http.ResponseWriter, r *http.Request) {
	var body revertBody
	s.onRow(w, r, &body, func(ctx context.Context, link string) (int, error) {
		side := r.PathValue("side")
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil || side == "" || !isSide(side) || !isSide(body.Take) {
			return 0, &RefusedError{"a conflict is named by the side that recorded it, left or right, and its id; take is left, right or missing"}
		}
		note(w, "take", cmp.Or(body.Take, "what lost"))
		return 1, s.instance.RevertConflict(ctx, link, side, id, body.Take)
	})
}

// onRow does something to rows of a link, and answers how many there were.
func (s *Server) onRow(w http.ResponseWriter, r *http.Request, body any, do func(ctx context.Context, link string) (int, error)) {
	l, ok := s.find(w, r)
	if !ok || !decode(w, r, body) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	n, err := do(ctx, l.Name)
	if err != nil {
		fail(w, err)
		return
	}
	note(w, "rows", n)
	answer(w, http.StatusOK, countBody{n})
}
