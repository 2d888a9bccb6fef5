package binlog

// Decoder decodes the events of one log, in order. The zero value is not ready: see
// [NewDecoder].
type Decoder struct{}

// NewDecoder returns a decoder for a log from where a server begins to send it.
func NewDecoder() *Decoder { return &Decoder{} }

// Each calls f with the event that raw is, as a server sends it, with its header and its
// checksum; or, if that is a compressed transaction, with each event in it.
func (d *Decoder) Each(raw []byte, f func(*Event) error) error { return ErrUnknown }
