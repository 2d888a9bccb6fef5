package admin

import (
	_ "embed"
	"net/http"
)

// document describes the API. It is made of the types and comments of this package by a test: make
// openapi writes it anew.
//
//go:embed openapi.json
var document []byte

func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // whoever asked has gone away
}
