package sqlite

import (
	"errors"
	"testing"
)

// Who waits for more is woken up by the end of a capture once it can see that end. (The other way round,
// a link whose disk was full waited for ever, and said nothing.)
func TestCaptureEnds(t *testing.T) {
	full := errors.New("no space left")
	for range 2000 {
		c := &logCapture{done: make(chan struct{}), more: make(chan struct{}, 1)}
		seen := make(chan error)
		go func() {
			<-c.more
			seen <- c.failed()
		}()
		go c.ended(full)
		if err := <-seen; err != full {
			t.Fatalf("who was woken up sees %v", err)
		}
	}
}
