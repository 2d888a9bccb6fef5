package mysql

import "sync"

// Window remembers where a source has given the log out to. A server sends a commit before
// others can see it, so rows that are looked at then may be older than the log that was read
// already. A look waits until it shows everything that had been given out before it. It is safe
// for concurrent use.
type Window struct {
	mu    sync.Mutex
	given *gtids
	// read is where what was given out ends in the files of the log, as far as that is known, bytes
	// how much it was, and began how much when the source was started.
	read         place
	began, bytes uint64
}

// start notes where the source is started; what the log has there is not known yet.
func (w *Window) start(bytes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read, w.began, w.bytes = place{}, bytes, bytes
}

// reach notes where the log was given out to.
func (w *Window) reach(read place, bytes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read, w.bytes = read, bytes
}

// reached returns where the log was given out to; a place without a file if that is not known.
func (w *Window) reached() (read place, began, bytes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read, w.began, w.bytes
}

// streamed notes a transaction of MariaDB that is given out.
func (w *Window) streamed(id gtid) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.given == nil {
		w.given = &gtids{mariadb: true}
	}
	w.given.add(id)
}

// mark returns what has been given out, nil for nothing.
func (w *Window) mark() *gtids {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.given == nil {
		return nil
	}
	return w.given.clone()
}
