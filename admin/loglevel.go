package admin

import (
	"net/http"

	"github.com/hashicorp/go-hclog"
)

// levelBody is what is logged from.
type levelBody struct {
	Level string `json:"level"`
}

func (s *Server) logLevel(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, levelBody{s.log.GetLevel().String()})
}

// setLogLevel changes what is logged, until the next start. The audit stays.
func (s *Server) setLogLevel(w http.ResponseWriter, r *http.Request) {
	var body levelBody
	if !decode(w, r, &body) {
		return
	}
	level := hclog.LevelFromString(body.Level)
	if level == hclog.NoLevel {
		refuse(w, http.StatusUnprocessableEntity, "level is trace, debug, info, warn, error or off")
		return
	}
	note(w, "level", level.String())
	s.log.SetLevel(level)
	s.logLevel(w, r)
}
