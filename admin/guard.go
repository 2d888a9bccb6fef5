package admin

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The names of what a request shows, for the audit.
const (
	tokenNone    = "none"
	tokenRead    = "read"
	tokenOperate = "operate"
	tokenWrong   = "wrong"
)

// guard lets through what a handler may see, and has the rest on record.
func (s *Server) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, may := w.Header(), s.access.Load()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if !reads(r) {
			rec := &record{ResponseWriter: w, token: tokenOf(r, may)}
			defer rec.write(s.audit, r)
			w = rec
		}
		switch {
		// A page of the web whose name leads to this machine would come with its own name.
		case !may.allowed(r.Host):
			h.Set("Connection", "close")
			refuse(w, http.StatusForbidden, "the host %q is not allowed here: use localhost or the address of admin.listen, or add it to admin.hosts", r.Host)
		case origins.Check(r) != nil:
			h.Set("Connection", "close")
			refuse(w, http.StatusForbidden, "a page of another origin cannot change anything here")
		case r.URL.Path == "/healthz": // whoever looks after the process has no token
			next.ServeHTTP(w, r)
		case isConsole(r.URL.Path): // it has nothing of the instance, and asks for the token itself
			next.ServeHTTP(w, r)
		case s.admit(w, r, may):
			next.ServeHTTP(w, r)
		}
	})
}

// reads tells whether a request changes nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// bearer returns the token that a request shows, or none.
func bearer(r *http.Request) Token {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Token{}
	}
	return NewToken(strings.TrimSpace(text))
}

// tokenOf names the token that a request shows.
func tokenOf(r *http.Request, may *access) string {
	shown := bearer(r)
	switch {
	case !shown.set():
		return tokenNone
	case shown.is(may.Operate):
		return tokenOperate
	case shown.is(may.Read):
		return tokenRead
	default:
		return tokenWrong
	}
}

// admit tells whether whoever asks has the right to. If not, the request has been answered.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, may *access) bool {
	if !may.Read.set() && !may.Operate.set() {
		return true
	}
	var token string
	wait := s.guesses.try(r.RemoteAddr, time.Now(), func() bool {
		token = tokenOf(r, may)
		return token == tokenWrong
	})
	switch {
	case wait > 0:
		w.Header().Set("Retry-After", seconds(wait))
		refuse(w, http.StatusTooManyRequests, "there were too many wrong tokens from this address: try again later")
	case token == tokenOperate, reads(r) && (token == tokenRead || !may.Read.set() && token == tokenNone):
		return true
	case token == tokenRead:
		refuse(w, http.StatusForbidden, "the read token does not allow to change anything: this needs the operate token")
	case token == tokenWrong:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cdcsync", error="invalid_token"`)
		refuse(w, http.StatusUnauthorized, "the token is not one of those of the config")
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cdcsync"`)
		refuse(w, http.StatusUnauthorized, "this needs a token: send the header Authorization: Bearer TOKEN")
	}
	return false
}

// allowed tells whether the Host header names this machine.
func (a *access) allowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return slices.Contains(a.hosts, strings.ToLower(host))
}
