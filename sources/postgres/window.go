package postgres

import "sync"

// Window remembers which transactions a source has given out lately. A commit is in the log
// before others can see it, and where it waits for a standby, long before: rows that are
// looked at then are older than the log that was read already. A look waits until it shows
// every transaction that had been given out before it. It is safe for concurrent use.
type Window struct {
	mu sync.Mutex
	// recent are the last transactions, oldest first; the first of them has number first.
	recent []uint32
	first  uint64
	// floor is the latest of the transactions that fell out of recent.
	floor   uint32
	dropped bool
	// began is where the source was started, whole where the last transaction ends that it gave out as
	// a whole.
	began, whole uint64
}

// start notes where the source is started.
func (w *Window) start(lsn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.whole = lsn, lsn
}

// reach notes where the log was given out to.
func (w *Window) reach(lsn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = lsn
}

// reached returns where the source was started, and where the log was given out to.
func (w *Window) reached() (began, whole uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.began, w.whole
}

// windowMost is how many transactions are remembered one by one.
const windowMost = 1 << 15

// streamed notes a transaction that is given out.
func (w *Window) streamed(xid uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.recent) >= windowMost {
		w.drop(windowMost / 2)
	}
	w.recent = append(w.recent, xid)
}

// drop forgets the oldest n. A snapshot then has to be past all of them.
func (w *Window) drop(n int) {
	for _, xid := range w.recent[:n] {
		if !w.dropped || before(w.floor, xid) {
			w.floor, w.dropped = xid, true
		}
	}
	w.recent = w.recent[:copy(w.recent, w.recent[n:])]
	w.first += uint64(n)
}

// mark returns the number of the next transaction.
func (w *Window) mark() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first + uint64(len(w.recent))
}

// shown tells whether s shows every transaction before mark, and forgets those, as every later
// snapshot shows them too.
func (w *Window) shown(s *snapshot, mark uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dropped {
		if !before(w.floor, s.xmin) {
			return false
		}
		w.dropped = false
	}
	n := 0
	for n < len(w.recent) && w.first+uint64(n) < mark {
		if !s.shows(w.recent[n]) {
			return false
		}
		n++
	}
	w.recent = w.recent[:copy(w.recent, w.recent[n:])]
	w.first += uint64(n)
	return true
}
