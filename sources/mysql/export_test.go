package mysql

import "time"

// SetSilence makes the source wait as long for a heartbeat of the server.
func (s *Source) SetSilence(d time.Duration) { s.silence = d }

// MarkBytes is how much of the log passes before its position is to be remembered.
const MarkBytes = markBytes
