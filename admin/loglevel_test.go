package admin

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// The level counts at once, also for loggers made before; the audit has one of its own.
func TestLogLevel(t *testing.T) {
	var out, audit bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})
	link := log.With("link", "shop")
	settings := Settings{Listen: "127.0.0.1:8480", Audit: hclog.New(&hclog.LoggerOptions{Output: &audit})}
	handler := NewServer(newFake(), settings, log).Handler()
	do := func(method, body string) *httptest.ResponseRecorder {
		r, w := withBody(shown(method, "/v1/log-level", ""), body), httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, level := range []string{"debug", "off", "info", "trace", "error", "warn"} {
		if w := do(http.MethodPut, `{"level":"`+level+`"}`); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"level":"`+level+`"}` {
			t.Errorf("%s: %d %s", level, w.Code, w.Body)
		}
		if w := do(http.MethodGet, ""); !strings.Contains(w.Body.String(), level) {
			t.Errorf("afterwards it is %s, want %s", w.Body, level)
		}
		out.Reset()
		link.Debug("seen")
		if got, want := out.Len() > 0, level == "debug" || level == "trace"; got != want {
			t.Errorf("%s: debug lines are seen: %v", level, got)
		}
		if !strings.Contains(audit.String(), "level="+level) {
			t.Errorf("%s is not in the audit: %s", level, &audit)
		}
	}
	for _, body := range []string{"", `{}`, `{"level":"loud"}`, `{"level":""}`} {
		wantError(t, do(http.MethodPut, body), 422, "trace, debug, info")
	}
	if w := do(http.MethodGet, ""); !strings.Contains(w.Body.String(), "warn") {
		t.Errorf("a level that is none has changed it: %s", w.Body)
	}
}
