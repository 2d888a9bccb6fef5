package router

// laps notes which rows are written over and over: those of a loop that the link is in with
// something else that carries rows, and those that an application changes all the time. Which
// of the two it is only shows when nothing is written for a while (see [Link.Hold]). It has a
// fixed size, so that a row may be forgotten for another one; the zero laps notes nothing.
type laps struct{ slots []lap }

// lap is how often a row was written within a minute.
type lap struct {
	print  uint64
	minute int32
	writes int32
}

const (
	lapSlots = 1 << 14
	// manyLaps is from how many writes in a minute on a row goes back and forth. What people and
	// work flows do to a row takes fewer.
	manyLaps = 12
)

func newLaps() laps { return laps{make([]lap, lapSlots)} }

// wrote notes that a row was written in a minute. One that is written again and again keeps
// its place.
func (l *laps) wrote(print uint64, minute int32) {
	s := &l.slots[print%lapSlots]
	switch {
	case s.print == print && s.minute == minute:
		s.writes++
	case s.print == print && s.minute == minute-1:
		// It goes on: of what was before, as much as matters.
		s.minute, s.writes = minute, min(s.writes, manyLaps)
	case s.minute != minute || s.writes < manyLaps:
		*s = lap{print, minute, 1}
	}
}

// many tells whether a row was written so often that it may go round in a loop.
func (l *laps) many(print uint64, minute int32) bool {
	s := &l.slots[print%lapSlots]
	return s.print == print && s.minute >= minute-1 && s.writes >= manyLaps
}

// minute numbers the minutes of the reconciler's clock.
func (r *reconciler) minute() int32 { return int32(r.now.Unix() / 60) }
