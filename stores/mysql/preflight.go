package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// preflight is one look for what stands in the way of a link.
type preflight struct {
	*Conn
	need     Need
	settings settings
	grants   grants
	// user is who the server takes the session for, as SQL.
	user   string
	tables map[string]*Table
	found  []Problem
}

// Preflight returns everything that stands in the way of a link, or may, as far as the server,
// the catalogue and the privileges of the user show it: blockers first. It changes nothing.
// The error says that the store could not be asked.
func (s *Store) Preflight(ctx context.Context, n Need) (problems []Problem, err error) {
	conn, err := s.Connect(ctx, fmt.Sprintf("lock_wait_timeout = %d", setupWithin))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	p := &preflight{Conn: conn, need: n}
	if err := p.look(ctx); err != nil {
		return nil, Classify("look for what is in the way of link "+n.Link, err)
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

// The oldest versions that have what a link needs.
const (
	oldestMySQL   = 80000
	oldestMariaDB = 100500
)

func (s Server) tooOld() bool {
	if s.MariaDB {
		return s.Version < oldestMariaDB
	}
	return s.Version < oldestMySQL
}

func (p *preflight) look(ctx context.Context) error {
	if p.tooOld() {
		p.block("", "the server is a "+p.Server.String(), "upgrade it to MySQL 8.0 or MariaDB 10.5, or newer", "")
		return nil
	}
	user, err := p.Text(ctx, "SELECT CURRENT_USER()")
	if err != nil {
		return err
	}
	at := strings.LastIndexByte(user, '@')
	p.user = Literal(user[:at]) + "@" + Literal(user[at+1:])
	if p.grants, err = p.readGrants(ctx); err != nil {
		return err
	}
	if p.settings, err = p.readSettings(ctx); err != nil {
		return err
	}
	if p.tables, err = p.Catalogue(ctx); err != nil {
		return err
	}
	steps := []func(context.Context) error{p.server, p.keepsake, p.known, p.privileges}
	if p.need.Reads {
		steps = append(steps, p.log, p.logPrivileges, p.enums, p.cascades)
	}
	if p.need.Writes {
		steps = append(steps, p.triggers)
	}
	if p.need.Reads && p.need.Writes {
		steps = append(steps, p.counters)
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

// each calls f for every table of the link that can be synchronized, once.
func (p *preflight) each(f func(t *Table) error) error {
	for _, name := range p.need.names() {
		if t := p.tables[name]; t != nil && t.Refused == nil {
			if err := f(t); err != nil {
				return fmt.Errorf("check table %s: %w", name, err)
			}
		}
	}
	return nil
}

// known notes the tables that are not there, or cannot be synchronized.
func (p *preflight) known(ctx context.Context) error {
	for _, name := range p.need.names() {
		t := p.tables[name]
		if t != nil {
			if t.Refused != nil {
				p.found = append(p.found, *t.Refused)
			}
			continue
		}
		missing, err := p.denied(ctx, "SELECT * FROM "+p.qualified(name))
		switch {
		case err != nil:
			return fmt.Errorf("look for table %s: %w", name, err)
		case missing:
			p.block(name, "there is no such table, or user "+p.user+" may do nothing with it",
				"mend the name in the config; or, if there is one, grant what the link needs, as an administrator", p.grant(p.tablePrivileges(), p.qualified(name)))
		default:
			p.block(name, p.unknown(name), "mend the name in the config, or create it", "")
		}
	}
	return nil
}

// unknown says what is in the place of a table that is not in the catalogue.
func (p *preflight) unknown(name string) string {
	for other := range p.tables {
		if strings.EqualFold(other, name) {
			return "there is no such table, but " + other
		}
	}
	return "there is no such table"
}

func (p *preflight) qualified(table string) string { return Quote(p.database) + "." + Quote(table) }

// server looks at what concerns every link.
func (p *preflight) server(context.Context) error {
	const small = 1 << 20
	s := p.settings
	privileged := slices.ContainsFunc([]string{"SUPER", "CONNECTION_ADMIN", "READ_ONLY ADMIN"}, func(privilege string) bool {
		return p.grants.has(privilege, "", "")
	})
	if s.on("super_read_only") || s.on("read_only") && !privileged {
		p.found = append(p.found, Problem{Blocker: true, Class: change.Transient, Summary: "the server is read-only, and every link has to keep its marker in it",
			Remedy: "let the dsn lead to the primary; or, if this is it, let it be written", Statement: "SET GLOBAL read_only = OFF"})
	}
	if s.on("log_bin") && s["binlog_format"] == "STATEMENT" && !p.need.Reads {
		p.block("", "the server takes no rows from transactions that are READ COMMITTED: binlog_format is STATEMENT",
			"set it, as an administrator"+p.lasting()+reconnect, p.set("binlog_format", "ROW"))
	}
	if size := s.number("max_allowed_packet"); size < small {
		p.warn("", fmt.Sprintf("the server takes no more than %.0f bytes at once: max_allowed_packet; larger rows cannot be written", size),
			"raise it, as an administrator"+p.lasting(), p.set("max_allowed_packet", "67108864"))
	}
	return nil
}

// enums looks whether the source will know the members of enums and sets.
func (p *preflight) enums(context.Context) error {
	return p.each(func(t *Table) error {
		mapped := p.mapped(t)
		for i := range t.Columns {
			column := &t.Columns[i]
			name := t.Table.Columns[i].Name
			if !column.Vague || !slices.Contains(mapped, name) {
				continue
			}
			what := "the catalogue of the server does not show all members of column " + name + ": a question mark may stand for another character"
			if t.isKey(i) || column.Charset != "utf8mb4" {
				p.block(t.Name, what, "give members names of letters, or leave the column out of the link", "")
			} else if p.settings["binlog_row_metadata"] != "FULL" {
				p.block(t.Name, what, "have them written to the log, as an administrator"+p.lasting(), p.set("binlog_row_metadata", "FULL"))
			}
		}
		return nil
	})
}

// triggers looks for what is run when the link writes.
func (p *preflight) triggers(context.Context) error {
	var hidden []string
	err := p.each(func(t *Table) error {
		var names []string
		for _, trigger := range t.Triggers {
			names = append(names, trigger.Name)
		}
		if names != nil {
			p.warn(t.Name, "triggers are run for what the link writes, too: "+strings.Join(names, ", "),
				"what they write to tables of the link is there twice if the other store's triggers write it as well; let them do nothing for user "+p.user, "")
		} else if t.Unseen {
			hidden = append(hidden, p.grant("TRIGGER", t.Qualified()))
		}
		return nil
	})
	if hidden != nil {
		p.warn("", fmt.Sprintf("user %s may not see whether %d of the tables have triggers, which would be run for what the link writes; so it writes more slowly", p.user, len(hidden)),
			"grant it, as an administrator", strings.Join(hidden, "; "))
	}
	return err
}

// counters looks for keys that both sides count up.
func (p *preflight) counters(context.Context) error {
	if p.settings.number("auto_increment_increment") > 1 {
		return nil
	}
	return p.each(func(t *Table) error {
		for _, i := range t.Key {
			if t.Columns[i].AutoIncrement && !slices.Contains(p.need.Drawn, t.Name) {
				p.warn(t.Name, "both sides count up the same values of "+t.Table.Columns[i].Name+" for new rows",
					"let one side count odd numbers and the other even ones: offset 1 here, and 2 on the other side; sessions that are open keep what they had",
					p.set("auto_increment_increment", "2")+"; "+p.set("auto_increment_offset", "1"))
			}
		}
		return nil
	})
}
