package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/change"
)

// A server that recovers is said to do so, although one without TLS was asked for it before.
func TestServerThatRecovers(t *testing.T) {
	recovers := &pgconn.PgError{Severity: "FATAL", Code: CannotConnectNow, Message: "the database system is in recovery mode"}
	err := Classify("connect", errors.Join(errors.New("tls error: server refused TLS connection"), recovers))
	if change.ClassOf(err) != change.Transient || !strings.Contains(err.Error(), "its own log says why") || strings.Contains(err.Error(), "certificate") {
		t.Errorf("it says %v, %s", err, change.ClassOf(err))
	}
}
