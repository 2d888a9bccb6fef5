package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// How a stream of changes is kept up.
const (
	// aliveEvery is how long a stream says nothing, at the most.
	aliveEvery = 15 * time.Second
	// takeWithin is how long whoever reads a stream may take nothing, before it is closed.
	takeWithin = time.Minute
)

// Changes is what an Instance reads from the logs.
type Changes interface {
	// Listen returns a stream of what a link reads from its logs from now on, of these tables, or
	// of all if there are none. Whoever got it closes it.
	Listen(link string, tables []string) (Stream, error)
}

// Stream is what a link reads from its logs, for one reader. It never makes the link wait.
type Stream interface {
	// Next returns what was read since the last call, and how many changes were lost behind that
	// because nobody took them. It blocks until there is something, until ctx ends, or, with
	// ErrStopped, until the link has ended.
	Next(ctx context.Context) (list []Change, lost uint64, err error)
	// Close ends the stream.
	Close()
}

// Change is something that a link read from the log of a store.
type Change struct {
	// Kind is change, emptied (all rows of the table were deleted by one statement) or altered (the
	// table is not as it was, for Reason).
	Kind  string `json:"-"`
	Table string `json:"table"`
	// Side is whose log it is, left or right.
	Side string `json:"side"`
	// Origin is local (an application wrote it) or echo (the link did).
	Origin string `json:"origin"`
	// Position is where the log goes on after the transaction. Changes with the same one belong to
	// one transaction. After a restart of the link some come again.
	Position string `json:"position"`
	// Time is when it was committed, where the log says so.
	Time *time.Time `json:"time,omitempty"`
	// Operation is insert, update or delete; missing where the log does not show enough of the row.
	Operation string `json:"operation,omitempty"`
	// Key names the row; missing for a table as a whole.
	Key *Row `json:"key,omitempty"`
	// Before and After are the row around the change, in the columns of the table pair; missing
	// where the log does not show it, as in an echo, null where there was none.
	Before *Row `json:"before,omitempty"`
	After  *Row `json:"after,omitempty"`
	// Reason is why the table is not as it was, or why the row cannot be shown.
	Reason string `json:"reason,omitempty"`
}

// The kinds of a Change.
const (
	KindChange  = "change"
	KindEmptied = "emptied"
	KindAltered = "altered"
)

type (
	// lostBody says how many changes are missing in a stream.
	lostBody struct {
		// Changes were read from the logs while whoever reads the stream was too slow for them.
		Changes uint64 `json:"changes"`
	}
	// endBody says why a stream ends.
	endBody struct {
		// Reason is for a person. What is asked again after it may be refused.
		Reason string `json:"reason"`
	}
)

// changes streams what a link reads from its logs, as server-sent events, until whoever asked goes
// away, the link or the server stops, or the tokens are replaced.
func (s *Server) changes(w http.ResponseWriter, r *http.Request) {
	may := s.access.Load()
	if !s.admit(w, r, may) { // the tokens may have been replaced since it was let in
		return
	}
	l, ok := s.find(w, r)
	if !ok {
		return
	}
	tables := r.URL.Query()["table"]
	for _, name := range tables {
		if !l.has(w, name) {
			return
		}
	}
	stream, err := s.instance.Listen(l.Name, tables)
	if err != nil {
		fail(w, err)
		return
	}
	defer stream.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies hand it on at once
	if r.Method == http.MethodHead {
		return
	}
	// A read that is under way would end the request at the limit of the server.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		fail(w, fmt.Errorf("stream: %w", err))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(may.ctx, cancel)()
	if push(w, []byte(": changes of link "+l.Name+" from now on\n\n")) != nil {
		return
	}
	err = follow(ctx, w, stream)
	reason := "cdcsync stops"
	switch {
	case errors.Is(err, ErrStopped):
		reason = "the link is stopped"
	case may.ctx.Err() != nil:
		reason = "the tokens were replaced"
	case ctx.Err() == nil:
		return // it cannot be written to
	}
	_ = push(w, appendEvent(nil, "end", endBody{reason})) // or whoever asked has gone away
}

// follow writes what a stream has, until one of both ends.
func follow(ctx context.Context, w http.ResponseWriter, stream Stream) error {
	for {
		limited, cancel := context.WithTimeout(ctx, aliveEvery)
		list, lost, err := stream.Next(limited)
		cancel()
		var text []byte
		switch {
		case err == nil:
			for i := range list {
				text = appendEvent(text, list[i].Kind, list[i])
			}
			if lost > 0 {
				text = appendEvent(text, "lost", lostBody{lost})
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			text = []byte(": nothing new\n\n")
		default:
			return err
		}
		if err := push(w, text); err != nil {
			return err
		}
	}
}

// appendEvent appends a server-sent event. JSON has no line breaks of its own.
func appendEvent(b []byte, kind string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		text, _ = json.Marshal(errorBody{"the event cannot be written as JSON"})
	}
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", kind, bytes.TrimSpace(text))
}

// push writes a part of a stream, and fails if it is not taken.
func push(w http.ResponseWriter, text []byte) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(takeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return control.Flush()
}
