package admin

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/hashicorp/go-hclog"
)

// Settings say where a Server listens, and whom it lets in.
type Settings struct {
	// Listen is host:port. Beyond the loopback interface, TLS and both tokens are needed.
	Listen string
	// Hosts are the names by which it may be reached, beside Listen and those of the loopback
	// interface.
	Hosts []string
	// Read is what reading needs, if it is set, and Operate what changing something needs. The
	// operate token reads, too. Without an operate token and with a read token, nobody changes
	// anything.
	Read, Operate Token
	// TLS is nil for plain HTTP.
	TLS *TLS
	// Audit gets a line for each request that changes something, or would have. It is nil where
	// the log of the server does.
	Audit hclog.Logger
}

// guarded tells whether the API may be reached from other machines.
func (s *Settings) guarded() bool { return s.TLS != nil && s.Read.set() && s.Operate.set() }

// TLS are paths of PEM files. They are read again when they have changed.
type TLS struct {
	Cert, Key string
	// ClientCA is what the certificates of clients are verified by; empty: they need none.
	ClientCA string
}

// Token is what lets a request in. Of its text only the digest is kept. The zero Token is none.
type Token struct {
	digest *[sha256.Size]byte // behind a pointer, so that it stays out of prints
}

// NewToken returns the token with a text, or none if that is empty.
func NewToken(text string) Token {
	if text == "" {
		return Token{}
	}
	digest := sha256.Sum256([]byte(text))
	return Token{&digest}
}

func (t Token) set() bool { return t.digest != nil }

// is tells whether other is the same token. It takes as long whatever they differ in.
func (t Token) is(other Token) bool {
	return t.set() && other.set() && subtle.ConstantTimeCompare(t.digest[:], other.digest[:]) == 1
}

// same tells whether both are the same token, or none.
func (t Token) same(other Token) bool { return t.is(other) || !t.set() && !other.set() }
