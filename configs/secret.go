package configs

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a text that must not be printed, such as a DSN. Whatever prints it, fmt with
// any verb, JSON or a logger, gets "[redacted]". The text is behind a pointer, so that it
// stays out of prints of structs that hold a Secret in an unexported field too.
type Secret struct {
	text *string
}

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format prints "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]"; it is what JSON and loggers take.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
