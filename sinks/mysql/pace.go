package mysql

import "time"

const (
	// InnoDB keeps no other writer waiting but those of the same rows, so batches are large.
	roomMin, roomMax = 256, 10_000
	// holdMax is how long a transaction should keep the rows that it wrote locked.
	holdMax = 500 * time.Millisecond
)

// pace decides how many rows the next batch should have, by how long the last one took.
type pace struct{ room int }

func newPace() pace { return pace{room: roomMax} }

func (p *pace) took(rows int, d time.Duration) {
	switch {
	case d > holdMax && rows > 0:
		p.room = max(int(int64(rows)*int64(holdMax)/int64(d)), p.room/4, roomMin)
	case d < holdMax/2:
		p.room = min(p.room+p.room/2, roomMax)
	}
}
