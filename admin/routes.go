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

// How many requests are answered at a time. Those that wait have a room of their own, so that they
// keep nobody out who gets an answer at once.
const (
	maxRequests = 64
	maxWaiting  = 64
	maxStreams  = 16
)

// route is one thing that can be asked for.
type route struct {
	method, path string
	room         *room // nil: there is always room
	handle       http.HandlerFunc
}

// room bounds how many requests are answered at a time.
type room struct {
	slots chan struct{}
	full  string // what whoever finds it full is told, with how many there are
}

func newRoom(size int, full string) room { return room{make(chan struct{}, size), full} }

// admit has handle answer if there is room.
func (m *room) admit(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
		handle(w, r)
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, m.full+": try again", cap(m.slots))
	}
}

// handler answers the routes, and says what there is to whoever asks for another.
func (s *Server) handler(all []route) http.Handler {
	mux := http.NewServeMux()
	paths := map[string]map[string]route{}
	for _, x := range all {
		methods := paths[x.path]
		if methods == nil {
			methods = map[string]route{}
			paths[x.path] = methods
			mux.HandleFunc(x.path, func(w http.ResponseWriter, r *http.Request) { dispatch(w, r, methods) })
		}
		methods[x.method] = x
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing at %s; there are /, /healthz, /readyz, /metrics, /openapi.json, /v1/links, /v1/jobs and /v1/log", r.URL.Path)
	})
	return mux
}

// dispatch hands a request to the handler of its method.
func dispatch(w http.ResponseWriter, r *http.Request, methods map[string]route) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	x, ok := methods[method]
	switch {
	case !ok:
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
		if x.room == nil {
			x.handle(w, r)
			return
		}
		x.room.admit(w, r, x.handle)
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
