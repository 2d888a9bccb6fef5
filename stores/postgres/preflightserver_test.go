package postgres

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/integration/servers"
)

// about returns the problem that says want.
func about(t *testing.T, found []Problem, want string) Problem {
	t.Helper()
	i := slices.IndexFunc(found, func(p Problem) bool { return strings.Contains(p.Summary, want) })
	if i < 0 {
		t.Fatalf("nothing says %q: %q", want, said(found))
	}
	return found[i]
}

// A server that is set up for nothing of the kind: everything is said at once, and after the
// statements and a restart nothing is in the way.
func TestPreflightServer(t *testing.T) {
	t.Parallel()
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"wal_level": "replica", "max_replication_slots": "1", "max_wal_senders": "1", "fsync": "off", "full_page_writes": "off"}
			if major, err := strconv.Atoi(version); err == nil && major >= 18 {
				settings["max_active_replication_origins"] = "1"
			}
			server := pool.Private(t, version, servers.Options{Settings: settings})
			db := server.Database(t)
			db.SQL(t, `CREATE TABLE a (id int PRIMARY KEY); SELECT pg_create_physical_replication_slot('taken', true);
				SELECT pg_replication_origin_create('taken'); SELECT pg_replication_origin_advance('taken', '0/1')`)
			s := open(t, db.DSN)
			n := Need{Link: "l", Tables: tables(t, s), Whole: true, Reads: true, Writes: true}
			other, err := s.ConnectReplication(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = (&Conn{PgConn: other}).Close() }()
			found := preflightOf(t, s, n)
			for want, class := range map[string]change.Class{
				"wal_level is replica": change.Permanent, "all 1 replication slots": change.Transient, "max_wal_senders is 1": change.Transient,
				"max_slot_wal_keep_size is -1": change.Permanent, "all 1 replication origins": change.Permanent,
				"fsync is off": change.Permanent, "full_page_writes is off": change.Permanent,
			} {
				p := about(t, found, want)
				if p.Class != class {
					t.Errorf("%s is %s", want, p.Class)
				}
				db.SQL(t, p.Statement)
			}
			if len(found) != 7 {
				t.Errorf("in the way: %q", said(found))
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if found := preflightOf(t, s, n); len(found) != 0 {
				t.Errorf("in the way: %q", said(found))
			}
		})
	}
}

// A slot that the server gave up is noticed, and so is one that it is about to.
func TestPreflightSlotLost(t *testing.T) {
	t.Parallel()
	for _, version := range servers.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server := pool.Private(t, version, servers.Options{Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "64MB"}})
			db := server.Database(t)
			db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
			s := open(t, db.DSN)
			n := Need{Link: "l", Tables: tables(t, s), Reads: true}
			setup(t, s, n)
			if found := preflightOf(t, s, n); len(found) != 0 {
				t.Errorf("in the way: %q", said(found))
			}
			for range 20 {
				db.SQL(t, "SELECT pg_logical_emit_message(false, '', repeat('x', 1000)), pg_switch_wal()")
			}
			if status := db.SQL(t, "SELECT wal_status FROM pg_replication_slots"); status == "unreserved" {
				about(t, preflightOf(t, s, n), "is about to throw away")
			}
			for range 3 {
				db.SQL(t, "CHECKPOINT; SELECT pg_switch_wal()")
			}
			if p := about(t, preflightOf(t, s, n), "is lost"); p.Class != change.PositionLost || !p.Blocker {
				t.Errorf("%+v", p)
			}
			teardown(t, s, "l")
			if found := preflightOf(t, s, n); len(found) != 0 {
				t.Errorf("in the way: %q", said(found))
			}
		})
	}
}

func TestPreflightEncoding(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		name := db.Name + "_ascii"
		db.SQL(t, "CREATE DATABASE "+name+" ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
		t.Cleanup(func() {
			conn, err := open(t, db.DSN).Connect(context.Background(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if err := conn.Do(context.Background(), "DROP DATABASE "+name); err != nil {
				t.Error(err)
			}
		})
		s := open(t, strings.ReplaceAll(db.DSN, db.Name, name))
		if p := about(t, preflightOf(t, s, Need{Link: "l", Writes: true}), "SQL_ASCII"); p.Blocker {
			t.Errorf("%+v", p)
		}
	})
}

// What a server says of itself that none of ours can be made to say.
func TestServerProblems(t *testing.T) {
	for _, test := range []struct {
		server server
		want   string
	}{
		{server{version: 130021, name: "13.21"}, "the server is a PostgreSQL 13.21"},
		{server{version: 150000, standby: true}, "it is a standby"},
	} {
		found := test.server.problems(Need{})
		if p := about(t, found, test.want); !p.Blocker || len(found) != 1 {
			t.Errorf("%q", said(found))
		}
	}
}

// A pooler gives sessions numbers of its own.
func TestPreflightPooler(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		direct := open(t, db.DSN)
		pooled := &Store{config: direct.config.Copy(), limits: direct.limits}
		pooled.config.TLSConfig, pooled.config.Fallbacks = nil, nil
		dial := pooled.config.DialFunc
		pooled.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &renumbered{Conn: conn}, nil
		}
		n := Need{Link: "l", Writes: true}
		if found := blockers(preflightOf(t, direct, n)); found != nil {
			t.Errorf("in the way: %q", found)
		}
		if p := about(t, preflightOf(t, pooled, n), "there is a pooler"); !p.Blocker {
			t.Errorf("%+v", p)
		}
	})
}

// A server that goes down between the two connections is no reason to give up: it comes back.
func TestPreflightServerGoesDown(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		s.config.TLSConfig, s.config.Fallbacks = nil, nil
		dial, dials := s.config.DialFunc, 0
		s.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials++; dials == 1 {
				return dial(ctx, network, address)
			}
			here, there := net.Pipe()
			return here, there.Close()
		}
		problems, err := s.Preflight(t.Context(), Need{Link: "l", Reads: true})
		if err == nil || change.ClassOf(err) != change.Transient {
			t.Errorf("got %v, in the way: %v", err, blockers(problems))
		}
	})
}

// renumbered is a connection whose server gives another number for the session.
type renumbered struct {
	net.Conn
	ready []byte
	done  bool
}

// Read passes messages on, and changes the number in BackendKeyData on the way.
func (r *renumbered) Read(b []byte) (int, error) {
	if r.done && len(r.ready) == 0 {
		return r.Conn.Read(b)
	}
	if len(r.ready) == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(r.Conn, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(r.Conn, body); err != nil {
			return 0, err
		}
		if head[0] == 'K' {
			body[3] ^= 1
			r.done = true
		}
		r.ready = append(head, body...)
	}
	n := copy(b, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// The statement for a sequence makes it hand out every other number, odd and beyond all keys.
func TestStepStatement(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		db.SQL(t, `CREATE TABLE "a B" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int); INSERT INTO "a B" (v) VALUES (1), (2), (3), (4)`)
		s := open(t, db.DSN)
		problems, err := s.Preflight(t.Context(), Need{Link: "l", Tables: tables(t, s), Reads: true, Writes: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if strings.Contains(p.Statement, "INCREMENT BY 2") {
				db.SQL(t, p.Statement)
			}
		}
		db.SQL(t, `INSERT INTO "a B" (v) VALUES (5), (6)`)
		if got := db.SQL(t, `SELECT string_agg(id::text, ' ' ORDER BY id) FROM "a B"`); got != "1 2 3 4 7 9" {
			t.Errorf("the keys are %s", got)
		}
	})
}
