package admin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// keyring is the certificate of a server and what it verifies clients by, read again when
// one of their files has changed. It is safe for concurrent use.
type keyring struct {
	files TLS
	log   hclog.Logger

	mu     sync.Mutex
	seen   [3]stamp // of the files that were read last, whatever came of it
	config *tls.Config
}

// stamp tells whether a file has changed.
type stamp struct {
	at   time.Time
	size int64
}

// openKeyring reads the files.
func openKeyring(files TLS, log hclog.Logger) (*keyring, error) {
	k := &keyring{files: files, log: log}
	seen, err := k.stamps()
	if err != nil {
		return nil, err
	}
	k.seen = seen
	k.config, err = files.read()
	return k, err
}

// current returns what the files say, or, if they cannot be read, what they said before.
func (k *keyring) current() *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen, err := k.stamps()
	if err != nil || seen == k.seen {
		return k.config // a file that is missing is about to be replaced
	}
	// The two halves are replaced one after the other: what does not fit together is read again
	// once the other half has changed.
	k.seen = seen
	config, err := k.files.read()
	if err != nil {
		k.log.Warn("the certificate of the admin API has changed and cannot be used, the one from before stays", "error", err)
		return k.config
	}
	k.log.Info("read the certificate of the admin API again", "cert", k.files.Cert)
	k.config = config
	return config
}

func (k *keyring) stamps() (seen [3]stamp, err error) {
	for i, path := range []string{k.files.Cert, k.files.Key, k.files.ClientCA} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return seen, fmt.Errorf("read the certificate of the admin API: %w", err)
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	return seen, nil
}

// read reads the files.
func (t *TLS) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the admin API: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if t.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = ReadPool(t.ClientCA); err != nil {
		return nil, fmt.Errorf("read client_ca of the admin API: %w", err)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// ReadPool returns the certificates of a PEM file.
func ReadPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New(path + " has no certificate (it has to be PEM)")
	}
	return pool, nil
}
