package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// Tagging is how a sink marks its transactions as the link's own.
type Tagging uint8

const (
	// Auto is Origins where the role may use them and one is left, else Messages.
	Auto Tagging = iota
	// Origins: the session has the link's replication origin. It also carries the commit
	// time of the change along.
	Origins
	// Messages: each transaction begins with a logical message. That needs no privilege.
	Messages
)

// tag is what one session does.
type tag uint8

const (
	tagMessage tag = iota
	tagOrigin
)

// mayUseOrigins asks for what the sink calls for an origin.
const mayUseOrigins = `SELECT has_function_privilege('pg_replication_origin_create(text)', 'EXECUTE')
	AND has_function_privilege('pg_replication_origin_oid(text)', 'EXECUTE')
	AND has_function_privilege('pg_replication_origin_session_setup(text)', 'EXECUTE')
	AND has_function_privilege('pg_replication_origin_xact_setup(pg_lsn,timestamptz)', 'EXECUTE')`

// takeoverWithin is how long a session waits until an earlier one lets go of the origin.
const takeoverWithin = 10 * time.Second

// setUpTag makes the session tag its transactions. The epoch in the store has been found to
// be our own: whoever still holds the origin is an earlier session of this link, and is ended.
func (s *session) setUpTag(ctx context.Context, mode Tagging, link string) error {
	s.tag = tagMessage
	if mode == Messages {
		return nil
	}
	if mode == Auto {
		if may, err := s.Bool(ctx, mayUseOrigins); err != nil || !may {
			return err
		}
	}
	database, err := s.Text(ctx, "SELECT current_database()")
	if err != nil {
		return err
	}
	err = s.takeOrigin(ctx, store.Slot(link, database), link)
	switch {
	case err == nil:
		s.tag = tagOrigin
		return nil
	case mode == Auto && (store.Code(err) == store.LimitExceeded || store.Code(err) == store.NoPrivilege):
		return nil
	default:
		return fmt.Errorf("set up replication origin: %w", err)
	}
}

// holder finds the process that has an origin at the end of the server's message.
var holder = regexp.MustCompile(`([0-9]+)\D*$`)

// takeOrigin gives the session the origin called name, which is made if it is missing.
func (s *session) takeOrigin(ctx context.Context, name, link string) error {
	const create = `SELECT pg_replication_origin_create($1) WHERE pg_replication_origin_oid($1) IS NULL`
	if _, err := s.Exec(ctx, create, name); err != nil && store.Code(err) != store.DuplicateObject && store.Code(err) != store.UniqueViolation {
		return err
	}
	until := time.Now().Add(takeoverWithin)
	for {
		_, err := s.Exec(ctx, "SELECT pg_replication_origin_session_setup($1)", name)
		if store.Code(err) != store.ObjectInUse || time.Now().After(until) {
			return err
		}
		refused, _ := errors.AsType[*pgconn.PgError](err)
		if pid := holder.FindStringSubmatch(refused.Message); pid != nil {
			// Not somebody who merely has the number by now.
			const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid = $1::int AND pid <> pg_backend_pid() AND application_name = $2 AND datname = current_database()`
			if _, e := s.Exec(ctx, end, pid[1], settings(link)["application_name"]); e != nil {
				return errors.Join(err, e)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tagSteps are what a transaction of a batch begins with. The setup of an origin stays with
// the session: one that writes nothing but the marker does not carry the number of an earlier
// one.
func (s *session) tagSteps(batch *sinks.Batch, link string) []step {
	writes := batch.Size() > 0
	switch {
	case s.tag == tagMessage && writes:
		return []step{message(batch, link)}
	case s.tag == tagOrigin && (writes || s.sticky):
		apply := batch.Marker.Apply
		if !writes {
			apply = 0
		}
		s.sticky = writes
		lsn := fmt.Sprintf("%X/%X", apply>>32, uint32(apply))
		if batch.Time.IsZero() || !writes {
			return []step{{sql: "SELECT pg_replication_origin_xact_setup($1, now())", bind: textual(lsn)}}
		}
		at := batch.Time.UTC().Format("2006-01-02 15:04:05.999999Z07:00")
		return []step{{sql: "SELECT pg_replication_origin_xact_setup($1, $2)", bind: textual(lsn, at)}}
	default:
		return nil
	}
}

// message tags the transaction by a logical message.
func message(batch *sinks.Batch, link string) step {
	return step{
		sql:  "SELECT pg_logical_emit_message(true, $1, $2::text)",
		bind: textual(store.MessagePrefix, store.TagContent(link, batch.Marker.Apply)),
	}
}
