package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// maxBody is how long the body of a request may be, in bytes.
const maxBody = 64 << 10

// routes are the handlers of a path by their methods.
type routes map[string]map[string]http.HandlerFunc

// add adds a handler under "METHOD /path".
func (r routes) add(pattern string, handler http.HandlerFunc) {
	method, path, _ := strings.Cut(pattern, " ")
	if r[path] == nil {
		r[path] = map[string]http.HandlerFunc{}
	}
	r[path][method] = handler
}

// handler answers the paths, and says what there is to whoever asks for another.
func (r routes) handler() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range r {
		mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) { dispatch(w, req, methods) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing at %s; there are /, /healthz, /readyz, /metrics, /v1/links, /v1/jobs and /v1/log", req.URL.Path)
	})
	return mux
}

// dispatch hands a request to the handler of its method.
func dispatch(w http.ResponseWriter, r *http.Request, methods map[string]http.HandlerFunc) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handler := methods[method]
	switch {
	case handler == nil:
		var allowed []string
		for m := range methods {
			if allowed = append(allowed, m); m == http.MethodGet {
				allowed = append(allowed, http.MethodHead)
			}
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusMethodNotAllowed, "%s is not allowed here; allowed: %s", r.Method, strings.Join(allowed, ", "))
	case r.ContentLength != 0 && method != http.MethodPost && method != http.MethodPut:
		w.Header().Set("Connection", "close")
		refuse(w, http.StatusRequestEntityTooLarge, "a request has no body here")
	default:
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		handler(w, r)
	}
}

// decode reads the body of a request, an object as JSON, into body; without one body stays as it
// is. It answers and is false if that is not possible.
func decode(w http.ResponseWriter, r *http.Request, body any) bool {
	text, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", large.Limit)
		return false
	case err != nil:
		refuse(w, http.StatusBadRequest, "the body cannot be read: %v", err)
		return false
	case len(text) == 0:
		return true
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "the body has to be JSON, with the header Content-Type: application/json")
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(body)
	if err == nil && decoder.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the body is not as it has to be: %v", strings.TrimPrefix(fmt.Sprint(err), "json: "))
		return false
	}
	return true
}
