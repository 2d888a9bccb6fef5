package admin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Instance is what the API shows. Its methods are called from many goroutines at a time and
// return soon after ctx ends. Those that take the name of a link get one that is in Links.
type Instance interface {
	// Links returns the state of every link, in the order of the config. It does not block.
	Links() []Link
	// Conflicts returns the latest limit conflicts of a link, newest first.
	Conflicts(ctx context.Context, link string, limit int) ([]Conflict, error)
	// Parked returns the rows of a link that wait, oldest first.
	Parked(ctx context.Context, link string) ([]Parked, error)
	// Barrier returns nil once everything that was committed in either store before the call
	// is in the other one, but for parked rows.
	Barrier(ctx context.Context, link string) error
	// Reload reads the config again and goes on by it, or, if that is not possible, as before.
	Reload(ctx context.Context) error
	// PauseLink lets a link wait, for a reason, and ResumeLink go on. A link that cannot be opened now
	// can do neither.
	PauseLink(ctx context.Context, link, reason string) error
	ResumeLink(ctx context.Context, link string) error
	// PauseTable lets a table of a link wait, ResumeTable go on, and ResyncTable be compared
	// again: by is left, right, or empty for what the config says. What cannot be done as things
	// are is a RefusedError.
	PauseTable(ctx context.Context, link, table, reason string) error
	ResumeTable(ctx context.Context, link, table string) error
	ResyncTable(ctx context.Context, link, table, by string) error

	Jobs
	Rows
	Logs
	Changes
}

// RefusedError says why an Instance does not do what it was asked for.
type RefusedError struct{ Reason string }

// Error returns the reason.
func (e *RefusedError) Error() string { return e.Reason }

// ErrStopped is returned by an Instance for a link that does not run any more.
var ErrStopped = errors.New("the link is stopped")

// The states in which a link is ready; see [Link].
const (
	stateContact = "contact"
	stateRunning = "running"
	statePaused  = "paused"

	stagePaused = "paused" // of a [Table]
)

// Link is the state of one link.
type Link struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	// State is starting, recovering, contact (comparing what both sides held before),
	// running, paused (until somebody resumes it) or stopped.
	State string `json:"state"`
	// Paused is why the link as a whole is paused; missing where it is not.
	Paused string `json:"paused,omitempty"`
	// Error is why it is stopped, or is not started yet.
	Error string `json:"error,omitempty"`
	// Stalled is why the link counts as stalled: there is work, and nothing is done. Breaker is why
	// the breaker paused its tables. Both are missing as a rule.
	Stalled string    `json:"stalled,omitempty"`
	Breaker string    `json:"breaker,omitempty"`
	Since   time.Time `json:"since"`
	Left    Side      `json:"left"`
	Right   Side      `json:"right"`
	// Unsettled rows are those on which the stores may disagree now; Bytes is the memory
	// that they take.
	Unsettled int `json:"unsettled"`
	Bytes     int `json:"bytes"`
	Parked    int `json:"parked"`
	// Conflicts were decided and Compared rows met in first contact, since the start.
	Conflicts uint64 `json:"conflicts"`
	Compared  uint64 `json:"compared"`
	// ByPolicy has the conflicts by what decided them; it is missing where the link is not open.
	ByPolicy []PolicyConflicts `json:"conflicts_by_policy,omitempty"`
	Tables   []Table           `json:"tables"`
}

// PolicyConflicts counts the conflicts that one policy decided, by what their records say.
type PolicyConflicts struct {
	Policy    string `json:"policy"`
	Conflicts uint64 `json:"conflicts"`
}

// NotReady returns why links do not do what they are for; nil if all do.
func NotReady(links []Link) (reasons []string) {
	for i := range links {
		if reason := links[i].notReady(); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// notReady returns why the link does not do what it is for; "" if it does.
func (l *Link) notReady() string {
	switch {
	case l.State == statePaused:
		return fmt.Sprintf("link %s is paused: %s", l.Name, l.Paused)
	case l.State != stateRunning && l.State != stateContact && l.Error != "":
		return fmt.Sprintf("link %s is %s: %s", l.Name, l.State, l.Error)
	case l.State != stateRunning && l.State != stateContact:
		return fmt.Sprintf("link %s is %s", l.Name, l.State)
	case l.Stalled != "":
		return fmt.Sprintf("link %s is stalled: %s", l.Name, l.Stalled)
	case l.Breaker != "":
		return fmt.Sprintf("link %s is paused: %s", l.Name, l.Breaker)
	}
	return ""
}

// paused names the tables that are paused.
func (l *Link) paused() []string {
	var names []string
	for _, t := range l.Tables {
		if t.Stage == stagePaused {
			names = append(names, t.Name)
		}
	}
	return names
}

// Side is one store of a link.
type Side struct {
	Store  string `json:"store"`
	Engine string `json:"engine"`
	// Shadow: what would be written to the store is decided and not written; missing where it is.
	Shadow bool `json:"shadow,omitempty"`
	// Position is how far the log of the store was read.
	Position string `json:"position"`
	Epoch    uint64 `json:"epoch"`
	// Behind is how many changes are known to wait in the log, and LagSeconds for how long
	// the oldest that was read has not been settled.
	Behind     int64   `json:"behind"`
	LagSeconds float64 `json:"lag_seconds"`
	// LagBytes is how much of the log is not carried over, as the store said some seconds ago;
	// missing where it does not say.
	LagBytes *uint64 `json:"lag_bytes,omitempty"`
	// Amplification is how many changes came from the log of the store in the last minute for each that
	// does not repeat, which the breaker holds against its limit; 0 if none came. Missing where no breaker looks for a loop.
	Amplification *float64 `json:"amplification,omitempty"`
	// Pending rows wait to be written to the store.
	Pending  int      `json:"pending"`
	Counters Counters `json:"counters"`
}

// Counters count what happened on one side since the start.
type Counters struct {
	// Changes were read from the log, made by others; Echoed rows the link wrote itself;
	// Effects were written by the application's triggers inside the link's transactions.
	Changes uint64 `json:"changes"`
	Echoed  uint64 `json:"echoed"`
	Effects uint64 `json:"effects"`
	// Applied rows were written to the store in Batches transactions, of which Split had to be
	// cut. Differs counts the compares that failed, Refused the rows that the store refused.
	Applied uint64 `json:"applied"`
	Batches uint64 `json:"batches"`
	Split   uint64 `json:"split"`
	Differs uint64 `json:"differs"`
	Refused uint64 `json:"refused"`
	// Looks are direct reads of rows, Drift those that showed what the log did not explain.
	Looks uint64 `json:"looks"`
	Drift uint64 `json:"drift"`
	// Retries count errors that passed.
	Retries uint64 `json:"retries"`
	// Repeated counts those of Changes to rows that were written many times within a minute.
	Repeated uint64 `json:"repeated"`

	// BatchRows and ApplySeconds are of the batches with rows; they are in the metrics only.
	BatchRows    Histogram `json:"-"`
	ApplySeconds Histogram `json:"-"`
}

// Histogram counts values by buckets.
type Histogram struct {
	// Counts has for each of Bounds the values up to it and above the one before, and last those
	// above all.
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// Table is one table pair of a link.
type Table struct {
	Name string `json:"name"`
	// Stage is contact, live, paused, or, while what the other side has is being found that was emptied
	// by one statement, emptied left, emptied right or emptied both. Pass is the side whose rows are
	// being walked in contact.
	Stage string `json:"stage"`
	Pass  string `json:"pass,omitempty"`
	// Compared rows were met in first contact, of which Differ were left different.
	Compared uint64 `json:"compared"`
	Differ   uint64 `json:"differ"`
	// Contact is how far first contact is; missing where it is not under way.
	Contact *Contact `json:"contact,omitempty"`
	Parked  int      `json:"parked"`
	// Waiting rows changed while the table is paused and will be written when it goes on.
	Waiting int `json:"waiting"`
	// Ignored changes were not applied because the table is paused, for Reason.
	Ignored uint64 `json:"ignored"`
	Reason  string `json:"reason,omitempty"`
}

// Contact is how far first contact with a table is.
type Contact struct {
	// Rows were compared, of about Total; 0 if that is not known.
	Rows          uint64  `json:"rows"`
	Total         uint64  `json:"total"`
	RowsPerSecond float64 `json:"rows_per_second"`
	// SecondsLeft is how long the rest takes at that pace; 0 if that is not known.
	SecondsLeft float64 `json:"seconds_left"`
}

// Conflict is one decision between two changes of which neither had seen the other. A row
// that did not exist is null.
type Conflict struct {
	// ID is unique and grows in the store that recorded it, which is that of Side.
	ID   int64  `json:"id"`
	Side string `json:"side"`
	// Table is the name of the table pair.
	Table string `json:"table"`
	Key   Row    `json:"key"`
	// Base is missing where it is not known.
	Base   *Row `json:"base,omitempty"`
	Left   Row  `json:"left"`
	Right  Row  `json:"right"`
	Result Row  `json:"result"`
	// HiddenDiffer names the sensitive columns in which left and right differ.
	HiddenDiffer []string `json:"hidden_differ,omitempty"`
	// Winner is left, right, merged, or given (by a person); Policy is what decided.
	Winner string `json:"winner"`
	Policy string `json:"policy"`
	// LeftTime and RightTime are the commit times of the two changes, where known.
	LeftTime  *time.Time `json:"left_time,omitempty"`
	RightTime *time.Time `json:"right_time,omitempty"`
	// LeftPosition and RightPosition are up to where the logs were read that told of what the sides
	// had, where known.
	LeftPosition  string    `json:"left_position,omitempty"`
	RightPosition string    `json:"right_position,omitempty"`
	Decided       time.Time `json:"decided"`
}

// Parked is a row that waits for a person or for a retry.
type Parked struct {
	// ID names the row as long as it is parked.
	ID    string `json:"id"`
	Table string `json:"table"`
	Key   Row    `json:"key"`
	// Left and Right are missing where they are not known.
	Left  *Row `json:"left,omitempty"`
	Right *Row `json:"right,omitempty"`
	// HiddenDiffer names the sensitive columns in which they differ.
	HiddenDiffer []string  `json:"hidden_differ,omitempty"`
	Reason       string    `json:"reason"`
	Since        time.Time `json:"since"`
	// Retry is when it is tried again; missing: when it changes, or a person acts.
	Retry *time.Time `json:"retry,omitempty"`
}

// The bodies of the answers.
type (
	linksBody struct {
		Links []Link `json:"links"`
	}
	tablesBody struct {
		Tables []Table `json:"tables"`
	}
	conflictsBody struct {
		Conflicts []Conflict `json:"conflicts"`
	}
	parkedRowsBody struct {
		Parked []Parked `json:"parked"`
	}
	barrierBody struct {
		Link          string  `json:"link"`
		Settled       bool    `json:"settled"`
		WaitedSeconds float64 `json:"waited_seconds"`
		// Parked rows and Paused tables were not waited for.
		Parked int      `json:"parked"`
		Paused []string `json:"paused,omitempty"`
	}
	healthBody struct {
		Status string `json:"status"`
	}
	readyBody struct {
		Ready bool `json:"ready"`
		// Reasons say which links are not ready, and why.
		Reasons []string `json:"reasons,omitempty"`
	}
	errorBody struct {
		Error string `json:"error"`
	}
)
