package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cdcsync/cdcsync/change"
)

// preflight is one look for what stands in the way of a link.
type preflight struct {
	*Conn
	need   Need
	server server
	tables map[string]*Table
	found  []Problem
}

// Preflight returns everything that stands in the way of a link, or may, as far as the server,
// the catalogue and the privileges of the role show it: blockers first. It changes nothing;
// to see whether it can, it opens a replication connection for a moment. The error says that
// the store could not be asked.
func (s *Store) Preflight(ctx context.Context, n Need) (problems []Problem, err error) {
	conn, err := s.Connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	p := &preflight{Conn: conn, need: n}
	if err := conn.Snapshot(ctx, func() error { return p.look(ctx) }); err != nil {
		return nil, Classify("look for what is in the way of link "+n.Link, err)
	}
	if n.Reads && !p.server.tooOld() {
		if err := p.connectReplication(ctx, s); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int {
		switch {
		case a.Blocker == b.Blocker:
			return 0
		case a.Blocker:
			return -1
		default:
			return 1
		}
	})
	return p.found, nil
}

func (p *preflight) look(ctx context.Context) error {
	var err error
	if p.server, err = p.readServer(ctx, p.need.Link); err != nil {
		return err
	}
	p.found = append(p.found, p.server.problems(p.need)...)
	if p.server.tooOld() { // its catalogue is another
		return nil
	}
	if p.tables, err = p.Catalogue(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{p.keepsake, p.known, p.privileges, p.drawing}
	if p.need.Reads {
		steps = append(steps, p.identities, p.published, p.slot)
	}
	if p.need.Writes {
		steps = append(steps, p.deferrable, p.origins)
	}
	if p.need.Reads && p.need.Writes {
		steps = append(steps, p.sequences)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// block notes a blocker.
func (p *preflight) block(table, summary, remedy, statement string) {
	p.found = append(p.found, Problem{Table: table, Summary: summary, Remedy: remedy, Statement: statement, Blocker: true})
}

// warn notes a warning.
func (p *preflight) warn(table, summary, remedy, statement string) {
	p.found = append(p.found, Problem{Table: table, Summary: summary, Remedy: remedy, Statement: statement})
}

// usable returns the tables of the link that can be synchronized, each once. There may be thousands:
// what is the same question for each is asked for all of them at once.
func (p *preflight) usable() []*Table {
	var all []*Table
	for _, name := range p.need.names() {
		if t := p.tables[name]; t != nil && t.Refused == nil {
			all = append(all, t)
		}
	}
	return all
}

// each calls f for every table of the link that can be synchronized, once.
func (p *preflight) each(f func(t *Table) error) error {
	for _, t := range p.usable() {
		if err := f(t); err != nil {
			return fmt.Errorf("check table %s: %w", t.Name, err)
		}
	}
	return nil
}

// known notes the tables that are not there, or cannot be synchronized.
func (p *preflight) known(context.Context) error {
	for _, name := range p.need.names() {
		switch t := p.tables[name]; {
		case t == nil:
			p.block(name, "there is no such table", "mend the name in the config, or create it", "")
		case t.Refused != nil:
			p.found = append(p.found, *t.Refused)
		case t.Unlogged && p.need.Reads:
			p.block(name, "it is unlogged: its changes are in no log", "make it an ordinary table", "ALTER TABLE "+t.Qualified()+" SET LOGGED")
		}
	}
	return nil
}

// server is what the server, and the database as a whole, say of themselves.
type server struct {
	version               int
	name                  string // of the version
	pid, seenPID          uint32 // of the session: as the server has it, and as it was told to us
	standby               bool
	walLevel              string
	slots, slotsUsed      int
	ownSlot               bool
	keep, encoding        string
	fsync, fullPages      string
	database, role, owner string
	mayCreate             bool
}

func (c *Conn) readServer(ctx context.Context, link string) (s server, err error) {
	database, err := c.Text(ctx, "SELECT current_database()")
	if err != nil {
		return s, err
	}
	var failed []error
	number := func(b []byte) int {
		n, err := strconv.Atoi(string(b))
		failed = append(failed, err)
		return n
	}
	err = c.Query(ctx, `SELECT current_setting('server_version_num'), current_setting('server_version'), pg_backend_pid(),
		pg_is_in_recovery(), current_setting('wal_level'), current_setting('max_replication_slots'),
		(SELECT count(*) FROM pg_replication_slots), EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1),
		current_setting('max_slot_wal_keep_size', true), pg_encoding_to_char(encoding), current_user, pg_get_userbyid(datdba),
		has_database_privilege(oid, 'CREATE'), current_setting('fsync'), current_setting('full_page_writes') FROM pg_database WHERE datname = current_database()`,
		func(v [][]byte) error {
			is := func(i int) bool { return v[i][0] == 't' }
			s = server{
				version: number(v[0]), name: string(v[1]), pid: uint32(number(v[2])), seenPID: c.PID(),
				standby: is(3), walLevel: string(v[4]), slots: number(v[5]), slotsUsed: number(v[6]), ownSlot: is(7),
				keep: string(v[8]), encoding: string(v[9]), database: database, role: string(v[10]), owner: string(v[11]),
				mayCreate: is(12), fsync: string(v[13]), fullPages: string(v[14]),
			}
			return errors.Join(failed...)
		}, Slot(link, database))
	if err != nil {
		return s, fmt.Errorf("read settings of the server: %w", err)
	}
	return s, nil
}

// oldest is the oldest version that has what a link needs, as server_version_num.
const oldest = 140000

func (s *server) tooOld() bool { return s.version < oldest }

// problems returns what is in the way of a link wherever its tables are.
func (s *server) problems(n Need) (found []Problem) {
	add := func(is bool, p Problem) {
		if is {
			found = append(found, p)
		}
	}
	add(s.tooOld(), Problem{Blocker: true, Summary: "the server is a PostgreSQL " + s.name, Remedy: "upgrade it to 14 or newer"})
	add(s.pid != s.seenPID, Problem{Blocker: true, Summary: "there is a pooler or a proxy between here and the server, which does not give a session to itself",
		Remedy: "let the dsn lead to the server, not to PgBouncer or the like: a log cannot be read through it, and settings of a session are lost in it"})
	add(s.standby, Problem{Blocker: true, Class: change.Transient, Summary: "the server is in recovery: it is a standby, which cannot be written",
		Remedy: "let the dsn lead to the primary"})
	add(s.encoding == "SQL_ASCII", Problem{Summary: "the encoding of the database is SQL_ASCII, which lets in any bytes as text",
		Remedy: "rows whose text is not UTF-8 will be parked; a database with the encoding UTF8 has none"})
	for _, setting := range []struct{ name, have string }{{"fsync", s.fsync}, {"full_page_writes", s.fullPages}} {
		add(setting.have == "off", Problem{Summary: "a power cut may leave the database with other rows than its log has told of, or damaged: " + setting.name + " is " + setting.have,
			Remedy: "set it, as a superuser; then SELECT pg_reload_conf(). What a crash has taken away is found by verify, not by the link", Statement: "ALTER SYSTEM SET " + setting.name + " = on"})
	}
	if !n.Reads {
		return found
	}
	add(s.walLevel != "logical", Problem{Blocker: true, Summary: "the log of the server cannot be read: wal_level is " + s.walLevel,
		Remedy:    "set it as a superuser and restart the server; on Amazon RDS set rds.logical_replication = 1 in the parameter group, and on other managed servers look for a setting of the like",
		Statement: "ALTER SYSTEM SET wal_level = logical"})
	add(!s.ownSlot && s.slotsUsed >= s.slots, Problem{Blocker: true, Class: change.Transient,
		Summary:   fmt.Sprintf("all %d replication slots of the server are used, and the link needs one", s.slots),
		Remedy:    "drop those that nobody needs (SELECT * FROM pg_replication_slots), or raise max_replication_slots and restart the server",
		Statement: fmt.Sprintf("ALTER SYSTEM SET max_replication_slots = %d", s.slotsUsed+slotsMore)})
	add(s.keep == "-1", Problem{Summary: "while the link is stopped the server keeps all that it logs, until the disk is full: max_slot_wal_keep_size is -1",
		Remedy:    "set it to less than is free on the disk: a link that falls behind further loses its place and has to compare the tables again, and the server goes on; then SELECT pg_reload_conf()",
		Statement: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'"})
	return found
}

// slotsMore is how many slots beyond those that are used are proposed.
const slotsMore = 10
