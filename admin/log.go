package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Logs is what an Instance has said.
type Logs interface {
	// LogTail returns the last lines of the log, at most limit, oldest first: JSON objects with
	// @timestamp, @level and @message, and whatever else a line says. It does not block.
	LogTail(limit int) []json.RawMessage
}

type logBody struct {
	Lines []json.RawMessage `json:"lines"`
}

func (s *Server) logTail(w http.ResponseWriter, r *http.Request) {
	if limit, ok := limitOf(w, r); ok {
		answer(w, http.StatusOK, logBody{Lines: orEmpty(s.instance.LogTail(limit))})
	}
}

// limitOf returns how many entries the request is about; if it does not say so rightly, it has
// been answered.
func limitOf(w http.ResponseWriter, r *http.Request) (int, bool) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, true
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxLimit {
		refuse(w, http.StatusBadRequest, "limit is a number from 1 to %d, not %q", maxLimit, text)
		return 0, false
	}
	return limit, true
}
