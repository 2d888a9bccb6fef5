package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// What a request may cost.
const (
	maxHeader    = 16 << 10
	headerWithin = 5 * time.Second
	readWithin   = 10 * time.Second
	// askWithin bounds what an Instance is asked, except for barriers.
	askWithin   = 10 * time.Second
	writeWithin = askWithin + 10*time.Second
	idleFor     = time.Minute
	// stopWithin is how long answers that are under way may take once the server stops.
	stopWithin = 2 * time.Second
	// listenEvery is how often an address that is taken is tried again.
	listenEvery = 500 * time.Millisecond
)

// The limits of the parameters.
const (
	defaultLimit = 100
	maxLimit     = 10_000
	defaultWait  = 10 * time.Second
	maxWait      = 5 * time.Minute
)

// Server serves the API of an instance.
type Server struct {
	instance   Instance
	log, audit hclog.Logger
	guesses    *guesses
	access     atomic.Pointer[access]
	// adopting is held while access is replaced; exposed says that others can reach the address.
	adopting sync.Mutex
	exposed  bool
	// requests are answered at once; waiting has barriers, and streams has streams of changes.
	requests, waiting, streams room
}

// NewServer returns a server that listens once it runs.
func NewServer(instance Instance, settings Settings, log hclog.Logger) *Server {
	s := &Server{
		instance: instance, log: log, audit: settings.Audit,
		requests: newRoom(maxRequests, "%d requests are being answered already"), waiting: newRoom(maxWaiting, "%d barriers wait already"),
		streams: newRoom(maxStreams, "%d streams are open already"),
		guesses: newGuesses(),
	}
	if s.audit == nil {
		s.audit = log.Named("audit")
	}
	s.access.Store(newAccess(settings))
	return s
}

// Run serves until ctx ends, and then lets answers that are under way end. It blocks. An
// address that is taken is waited for, because an instance that takes over from another one
// with the same config finds it taken for a moment.
func (s *Server) Run(ctx context.Context) error {
	if err := s.openKeys(); err != nil {
		return err
	}
	listen, encrypted := s.access.Load().Listen, s.access.Load().TLS != nil
	listener, err := s.bind(ctx, listen)
	if listener == nil {
		return err
	}
	if encrypted {
		listener = tls.NewListener(listener, s.serverConfig())
	}
	s.log.Info("serving the admin API", "address", listener.Addr().String(), "tls", encrypted)
	server := &http.Server{
		Handler:        s.Handler(),
		MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin,
		WriteTimeout: writeWithin, IdleTimeout: idleFor,
		ErrorLog:    s.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err := server.Shutdown(limited)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err = server.Serve(listener)
	if stop() { // it failed by itself
		return fmt.Errorf("serve the admin API on %s: %w", listen, errors.Join(err, server.Close()))
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop the admin API: %w", err)
	}
	return nil
}

// bind listens on the address. It returns no listener and no error if ctx ends first.
func (s *Server) bind(ctx context.Context, listen string) (net.Listener, error) {
	told := false
	for {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				return nil, listener.Close()
			}
			return nil, nil
		case err == nil:
			return s.checkReach(listener)
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("serve the admin API: %w", err)
		case !told:
			told = true
			s.log.Warn("the address of the admin API is taken, by another instance or another program: waiting for it", "address", listen)
		}
		timer := time.NewTimer(listenEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		case <-timer.C:
		}
	}
}

// checkReach refuses an address that others can reach, unless it is guarded.
func (s *Server) checkReach(listener net.Listener) (net.Listener, error) {
	s.adopting.Lock()
	defer s.adopting.Unlock()
	addr, ok := listener.Addr().(*net.TCPAddr)
	if s.exposed = !ok || !addr.IP.IsLoopback(); !s.exposed || s.access.Load().guarded() {
		return listener, nil
	}
	return nil, errors.Join(
		fmt.Errorf("serve the admin API: %s is not on the loopback interface, which needs TLS and both tokens (or listen on 127.0.0.1, [::1] or localhost)", listener.Addr()),
		listener.Close())
}

// Handler returns the API as a handler.
func (s *Server) Handler() http.Handler { return s.guard(s.handler(s.routes())) }

// routes are all that there is. What has a room is answered while there is room in it.
func (s *Server) routes() []route {
	asked, waiting := &s.requests, &s.waiting
	return append([]route{
		{"GET", "/healthz", nil, s.health},
		{"GET", "/readyz", asked, s.ready},
		{"GET", "/metrics", asked, s.metrics()},
		{"GET", "/openapi.json", asked, s.openAPI},
		{"GET", "/v1/links", asked, s.links},
		{"GET", "/v1/links/{link}", asked, s.link},
		{"POST", "/v1/links/{link}/pause", asked, s.pauseLink},
		{"POST", "/v1/links/{link}/resume", asked, s.resumeLink},
		{"GET", "/v1/links/{link}/barrier", waiting, s.barrier},
		{"GET", "/v1/links/{link}/changes", &s.streams, s.changes},
		{"GET", "/v1/links/{link}/tables", asked, s.tables},
		{"GET", "/v1/links/{link}/tables/{table}", asked, s.table},
		{"POST", "/v1/links/{link}/tables/{table}/pause", asked, s.pauseTable},
		{"POST", "/v1/links/{link}/tables/{table}/resume", asked, s.resumeTable},
		{"POST", "/v1/links/{link}/tables/{table}/resync", asked, s.resyncTable},
		{"GET", "/v1/links/{link}/parked", asked, s.parked},
		{"POST", "/v1/links/{link}/parked/retry", asked, s.retryParked},
		{"POST", "/v1/links/{link}/parked/{id}/retry", asked, s.retryParked},
		{"POST", "/v1/links/{link}/parked/{id}/discard", asked, s.discardParked},
		{"POST", "/v1/links/{link}/parked/{id}/resolve", asked, s.resolveParked},
		{"GET", "/v1/links/{link}/conflicts", asked, s.conflicts},
		{"POST", "/v1/links/{link}/conflicts/{side}/{id}/revert", asked, s.revertConflict},
		{"POST", "/v1/links/{link}/conflicts/replay", asked, s.replayConflicts},
		{"GET", "/v1/links/{link}/shadow", asked, s.shadow},
		{"POST", "/v1/links/{link}/verify", asked, s.verify},
		{"GET", "/v1/jobs", asked, s.jobs},
		{"GET", "/v1/jobs/{job}", asked, s.job},
		{"DELETE", "/v1/jobs/{job}", asked, s.cancelJob},
		{"POST", "/v1/reload", asked, s.reload},
		{"GET", "/v1/log", asked, s.logTail},
		{"GET", "/v1/log-level", asked, s.logLevel},
		{"PUT", "/v1/log-level", asked, s.setLogLevel},
	}, s.consoleRoutes()...)
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, healthBody{Status: "ok"})
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	body := readyBody{Reasons: NotReady(s.instance.Links())}
	status := http.StatusOK
	if body.Ready = body.Reasons == nil; !body.Ready {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, body)
}

func (s *Server) links(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, linksBody{Links: s.instance.Links()})
}

func (s *Server) link(w http.ResponseWriter, r *http.Request) {
	if l, ok := s.find(w, r); ok {
		answer(w, http.StatusOK, l)
	}
}

// pauseLink lets a link wait, over restarts, until it is resumed.
func (s *Server) pauseLink(w http.ResponseWriter, r *http.Request) {
	var body reasonBody
	s.controlLink(w, r, &body, func(ctx context.Context, link string) error {
		note(w, "reason", clip(body.Reason))
		return s.instance.PauseLink(ctx, link, body.Reason)
	})
}

func (s *Server) resumeLink(w http.ResponseWriter, r *http.Request) {
	s.controlLink(w, r, &struct{}{}, s.instance.ResumeLink)
}

// controlLink does something to a link and answers with its state.
func (s *Server) controlLink(w http.ResponseWriter, r *http.Request, body any, do func(ctx context.Context, link string) error) {
	l, ok := s.find(w, r)
	if !ok || !decode(w, r, body) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	if err := do(ctx, l.Name); err != nil {
		fail(w, err)
		return
	}
	s.link(w, r)
}

// find returns the link that the request is about; if there is none, it has been answered.
func (s *Server) find(w http.ResponseWriter, r *http.Request) (Link, bool) {
	name := r.PathValue("link")
	links := s.instance.Links()
	var names []string
	for _, l := range links {
		if l.Name == name {
			return l, true
		}
		names = append(names, l.Name)
	}
	refuse(w, http.StatusNotFound, "there is no link %q; there are: %s", name, strings.Join(names, ", "))
	return Link{}, false
}

// reload has the config read again.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if !decode(w, r, &struct{}{}) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	if err := s.instance.Reload(ctx); err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, linksBody{Links: s.instance.Links()})
}

func (s *Server) conflicts(w http.ResponseWriter, r *http.Request) {
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	limit, ok := limitOf(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	list, err := s.instance.Conflicts(ctx, l.Name, limit)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, conflictsBody{Conflicts: orEmpty(list)})
}

func (s *Server) parked(w http.ResponseWriter, r *http.Request) {
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	list, err := s.instance.Parked(ctx, l.Name)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, parkedRowsBody{Parked: orEmpty(list)})
}

func (s *Server) barrier(w http.ResponseWriter, r *http.Request) {
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	wait := defaultWait
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait <= 0 || wait > maxWait {
			refuse(w, http.StatusBadRequest, "wait is a duration such as 10s, up to %s, not %q", maxWait, text)
			return
		}
	}
	began := time.Now()
	// The limits of the server are for answers that come at once.
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetWriteDeadline(began.Add(wait+writeWithin)), control.SetReadDeadline(time.Time{})); err != nil &&
		!errors.Is(err, http.ErrNotSupported) {
		fail(w, fmt.Errorf("wait: %w", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	err := s.instance.Barrier(ctx, l.Name)
	switch {
	case err == nil:
		body := barrierBody{Link: l.Name, Settled: true, WaitedSeconds: time.Since(began).Seconds()}
		if l, ok := s.find(w, r); ok {
			body.Parked, body.Paused = l.Parked, l.paused()
			answer(w, http.StatusOK, body)
		}
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, http.StatusGatewayTimeout, "what was committed before the call is not in both stores after %s", wait)
	default:
		fail(w, err)
	}
}

// fail answers with an error of the instance.
func fail(w http.ResponseWriter, err error) {
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		refuse(w, http.StatusUnprocessableEntity, "%v", err)
	case errors.Is(err, ErrStopped):
		refuse(w, http.StatusConflict, "%v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		refuse(w, http.StatusServiceUnavailable, "the link does not answer now")
	default:
		refuse(w, http.StatusInternalServerError, "%v", err)
	}
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, errorBody{Error: fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // whoever asked has gone away
}

// orEmpty makes [] rather than null of no entries.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
