package admin

import (
	"net/http"
	"net/url"

	"github.com/hashicorp/go-hclog"
)

// maxAudited bounds what a line of the audit has of the words of whoever asks, in bytes.
const maxAudited = 200

// record sees how a request that changes something is answered.
type record struct {
	http.ResponseWriter
	token  string
	status int
	notes  []any
}

// WriteHeader implements [http.ResponseWriter].
func (r *record) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (r *record) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// note adds to the line of the audit what is asked for, unless it is empty: names and choices,
// never the values of rows.
func note(w http.ResponseWriter, key string, value any) {
	if r, ok := w.(*record); ok && value != "" {
		r.notes = append(r.notes, key, value)
	}
}

// write writes the line: who asked for what, and how it ended.
func (r *record) write(audit hclog.Logger, request *http.Request) {
	line := []any{"token", r.token}
	if request.TLS != nil && len(request.TLS.PeerCertificates) > 0 {
		line = append(line, "certificate", clip(request.TLS.PeerCertificates[0].Subject.CommonName))
	}
	line = append(line, "from", request.RemoteAddr, "method", clip(request.Method), "path", clip(request.URL.EscapedPath()))
	if link := request.PathValue("link"); link != "" {
		line = append(line, "link", clip(url.PathEscape(link)))
	}
	line = append(line, "outcome", r.outcome(), "status", r.status)
	audit.Info("asked over HTTP", append(line, r.notes...)...)
}

// outcome says what became of the request.
func (r *record) outcome() string {
	switch {
	case r.status/100 == 2:
		return "done"
	case r.status/100 == 4:
		return "refused"
	default:
		return "failed"
	}
}

// clip shortens a text to what a line has room for.
func clip(text string) string {
	if len(text) <= maxAudited {
		return text
	}
	return text[:maxAudited] + "…"
}
