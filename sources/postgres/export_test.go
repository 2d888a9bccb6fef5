package postgres

import "time"

// WatchEvery sets how often the publication is looked at, from the next start on.
func (s *Source) WatchEvery(d time.Duration) { s.watch = d }
