package mysql

import "sync"

// Window remembers where a source has given the log out to. A server sends a commit before
// others can see it, so rows that are looked at then may be older than the log that was read
// already. A look waits until it shows everything that had been given out before it. It is safe
// for concurrent use.
type Window struct {
	mu    sync.Mutex
	given *gtids
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
