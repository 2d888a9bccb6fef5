package router

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
)

// How much waits for whoever listens, at the most. What does not fit is lost to them, and counted.
const (
	maxHeard      = 4096
	maxHeardBytes = 4 << 20
)

// Feed shows what a link reads from its logs to those who listen, and never waits for them. While
// nobody listens it costs a look at one number for each transaction. It outlives the link being
// opened again: then changes may be heard twice. It is safe for concurrent use.
type Feed struct {
	listening atomic.Int32

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	ended     bool
}

// NewFeed returns a feed that nobody listens to.
func NewFeed() *Feed { return &Feed{listeners: map[*Listener]struct{}{}} }

// Heard is something that was read from a log.
type Heard struct {
	Side change.Side
	Pair *mapping.Pair
	// Position is where the log goes on after the transaction, Time the commit time where it is known.
	Position change.Position
	Time     time.Time
	// Echo: the link wrote it itself. The log says little more than the key of it.
	Echo bool
	// Emptied: all rows of the table were deleted by one statement. Altered is why the table is not
	// as it was. Neither has rows.
	Emptied bool
	Altered string
	// Key, Before and After are in the form of the pair. Err is why that is not possible.
	Key           change.Row
	Before, After change.Image
	Err           error

	native change.Change
}

// Listener hears a feed. It is used by one goroutine at a time.
type Listener struct {
	feed *Feed
	// tables are the names of the pairs that count; none: all.
	tables []string
	news   chan struct{} // has room for one

	mu      sync.Mutex
	waiting []Heard
	bytes   int
	// lost counts what came behind waiting. As long as there is any, all is lost, so that what is
	// missing is missing in one place.
	lost  uint64
	ended bool
}

// Listen returns a listener to what is read from now on of the pairs with these names, or of all if
// there are none. It is ErrStopped once the feed has ended.
func (f *Feed) Listen(tables []string) (*Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil, ErrStopped
	}
	l := &Listener{feed: f, tables: tables, news: make(chan struct{}, 1)}
	f.listeners[l] = struct{}{}
	f.listening.Store(int32(len(f.listeners)))
	return l, nil
}

// End has every listener end once it has heard what waits for it.
func (f *Feed) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for l := range f.listeners {
		l.tell(func() { l.ended = true })
	}
}

// Close has l hear nothing any more. It is to be called.
func (l *Listener) Close() {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	delete(l.feed.listeners, l)
	l.feed.listening.Store(int32(len(l.feed.listeners)))
}

// Next returns what was read since the last call, and how many changes were lost behind that because
// there was no room for them. It blocks until there is something, until ctx ends, or, with
// ErrStopped, until the feed has ended.
func (l *Listener) Next(ctx context.Context) (list []Heard, lost uint64, err error) {
	for {
		var ended bool
		l.mu.Lock()
		list, lost, ended = l.waiting, l.lost, l.ended
		l.waiting, l.lost, l.bytes = nil, 0, 0
		l.mu.Unlock()
		if list = formed(list); len(list) > 0 || lost > 0 {
			return list, lost, nil
		}
		if ended {
			return nil, 0, ErrStopped
		}
		select {
		case <-l.news:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// formed brings what was heard into the form of the pair, and drops what is outside of its filter.
func formed(list []Heard) []Heard {
	shown := list[:0]
	for _, h := range list {
		if c := &h.native; c.Table != nil {
			h.Key, h.Err = h.Pair.CanonKey(h.Side, c.Key)
			h.Before, h.After = h.image(c.Before), h.image(c.After)
			h.native = change.Change{}
			if h.Pair.Selective() && h.Err == nil && h.Before.Known && h.After.Known && h.Before.Row == nil && h.After.Row == nil {
				continue
			}
		}
		shown = append(shown, h)
	}
	return shown
}

func (h *Heard) image(i change.Image) change.Image {
	if !i.Known {
		return i
	}
	canon, err := h.Pair.Canon(h.Side, i.Row)
	if err != nil {
		h.Err = err
		return change.Image{}
	}
	return change.Is(canon)
}

// publish shows a transaction to those who listen.
func (f *Feed) publish(s change.Side, tx *change.Tx, pairs map[*change.Table]*pair) {
	if f == nil || f.listening.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.listeners {
		l.hear(s, tx, pairs)
	}
}

// hear keeps what counts of a transaction.
func (l *Listener) hear(s change.Side, tx *change.Tx, pairs map[*change.Table]*pair) {
	l.tell(func() {
		for i := range tx.Changes {
			c := &tx.Changes[i]
			h := Heard{Side: s, Position: tx.Position, Time: c.Time, Echo: tx.Tag.Echo(), native: *c}
			l.keep(pairs[c.Table], h, 200+c.Key.Size()+c.Before.Row.Size()+c.After.Row.Size())
		}
		for _, table := range tx.Emptied {
			l.keep(pairs[table], Heard{Side: s, Position: tx.Position, Time: tx.Time, Emptied: true}, 200)
		}
		for _, c := range tx.Schema {
			l.keep(pairs[c.Table], Heard{Side: s, Position: tx.Position, Altered: c.Reason}, 200+len(c.Reason))
		}
	})
}

// keep has h wait to be taken, if there is room for it.
func (l *Listener) keep(p *pair, h Heard, size int) {
	if p == nil || len(l.tables) > 0 && !slices.Contains(l.tables, p.Name) {
		return
	}
	if l.lost > 0 || len(l.waiting) >= maxHeard || l.bytes+size > maxHeardBytes && len(l.waiting) > 0 {
		l.lost++
		return
	}
	h.Pair = p.Pair.Pair
	l.waiting, l.bytes = append(l.waiting, h), l.bytes+size
}

// tell changes what l knows, and wakes it.
func (l *Listener) tell(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}
