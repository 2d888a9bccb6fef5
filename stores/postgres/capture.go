package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// identities looks at what the log shows of rows before a change. A published table without
// a replica identity refuses the application's own UPDATE and DELETE, so that is never let
// through.
func (p *preflight) identities(ctx context.Context) error {
	all := p.usable()
	members, err := p.members(ctx, all)
	if err != nil {
		return err
	}
	for _, t := range all {
		if p.need.Whole {
			p.wholeIdentities(t, members[t.id()])
			p.virtual(t)
		} else {
			p.keyIdentities(t, members[t.id()])
		}
	}
	return nil
}

// virtual finds tables that cannot be published with whole rows: see Need.generated.
func (p *preflight) virtual(t *Table) {
	if p.server.version >= 180000 && strings.Contains(t.Generated, "v") {
		p.block(t.Name, "it has a VIRTUAL generated column: with REPLICA IDENTITY FULL the server refuses the application's own UPDATE and DELETE once it is published",
			"make the column STORED, or write capture = \"keys\" in the store block, which leaves the replica identity as it is", "")
	}
}

// wholeIdentities wants every member to show whole rows, where setup cannot see to it.
func (p *preflight) wholeIdentities(t *Table, members []member) {
	for i := range members {
		if m := &members[i]; m.identity != 'f' && !m.owned {
			p.block(t.Name, m.called(t)+" does not log rows as they were before a change, and role "+p.server.role+" does not own it",
				"let its owner make it so; capture = \"keys\" in the store block does without where the link is one-way", m.fullIdentity())
		}
	}
}

// keyIdentities wants every member to show the key.
func (p *preflight) keyIdentities(t *Table, members []member) {
	var key []string
	for _, k := range t.Key {
		key = append(key, t.Table.Columns[k].Name)
	}
	slices.Sort(key)
	for i := range members {
		m := &members[i]
		whole := members[0].identity == 'f'
		if m.identity == 'f' || !whole && slices.Equal(m.key, key) {
			continue
		}
		statement := "ALTER TABLE " + m.qualified + " REPLICA IDENTITY DEFAULT"
		if whole || !m.primary || m.identity == 'd' {
			statement = m.fullIdentity()
		}
		summary, remedy := m.called(t)+" has no replica identity: once it is published the server refuses the application's own UPDATE and DELETE",
			"give it one, as its owner"
		switch {
		case m.key != nil && whole:
			summary = m.called(t) + " logs the key of a row before a change, and the table as a whole says that it logs the whole row"
			remedy = "make them say the same, as the owner"
		case m.key != nil:
			summary = fmt.Sprintf("its replica identity is not its key: %s logs %s of a row before a change", m.called(t), strings.Join(m.key, ", "))
			remedy = "make the key the replica identity, as its owner"
		}
		p.block(t.Name, summary, remedy, statement)
	}
}

// called is what people call a member of t.
func (m *member) called(t *Table) string {
	if m.qualified == t.Qualified() {
		return "it"
	}
	return "its partition " + m.qualified
}

// published looks at the publication of the link, where setup cannot make it.
func (p *preflight) published(ctx context.Context) error {
	have, err := p.publication(ctx, Publication(p.need.Link))
	if err != nil {
		return fmt.Errorf("read publication: %w", err)
	}
	need := p.need
	need.Tables = slices.DeleteFunc(slices.Clone(need.Tables), func(t *change.Table) bool {
		return p.tables[t.Name] == nil || p.tables[t.Name].Refused != nil
	})
	if err := p.hiddenTables(ctx, have); err != nil {
		return err
	}
	if len(need.Tables) == 0 || need.covered(have, p.tables, p.server.version, false) {
		return nil
	}
	var strange []string
	for _, name := range need.names() {
		if !p.tables[name].Owned {
			strange = append(strange, name)
		}
	}
	may := strange == nil && (have.there && have.owned || !have.there && p.server.mayCreate)
	if may {
		return nil
	}
	state := "there is no publication " + Publication(p.need.Link)
	if have.there {
		state = "publication " + Publication(p.need.Link) + " does not show all that the link needs"
	}
	why := "it has no CREATE on database " + p.server.database
	switch {
	case strange != nil:
		why = "it does not own " + strings.Join(strange, ", ")
	case have.there:
		why = "the publication is not its own"
	}
	p.block("", state+", and role "+p.server.role+" cannot mend that: "+why,
		"run this as the owner of the tables with CREATE on the database, or as a superuser; changes from before it are not in the log",
		need.publicationSQL(p.tables, p.server.version, have))
	return nil
}

// slot looks at the replication slot of the link, if there is one.
func (p *preflight) slot(ctx context.Context) error {
	name := Slot(p.need.Link, p.server.database)
	invalid := "NULL"
	if p.server.version >= 170000 {
		invalid = "invalidation_reason"
	}
	var there, ours bool
	var status, reason string
	err := p.Query(ctx, `SELECT coalesce(database = current_database() AND plugin = 'pgoutput', false), wal_status, `+invalid+`
		FROM pg_replication_slots WHERE slot_name = $1`, func(v [][]byte) error {
		there, ours, status, reason = true, v[0][0] == 't', string(v[1]), string(v[2])
		return nil
	}, name)
	if err != nil {
		return fmt.Errorf("look at slot %s: %w", name, err)
	}
	switch {
	case !there:
	case !ours:
		p.block("", "replication slot "+name+" is there, and belongs to another database or another program",
			"drop it if nobody needs it, or give the link another name", "SELECT pg_drop_replication_slot("+Literal(name)+")")
	case status == "lost" || reason != "":
		if reason != "" {
			reason = ", because of " + reason
		}
		p.found = append(p.found, Problem{Blocker: true, Class: change.PositionLost,
			Summary: "the server threw away what the link has not read yet: replication slot " + name + " is lost" + reason,
			Remedy:  "raise max_slot_wal_keep_size; make sure which store is right, then teardown and run: first contact compares both by initial"})
	case status == "unreserved":
		p.warn("", "the server is about to throw away what the link has not read yet: replication slot "+name+" is beyond max_slot_wal_keep_size",
			"let the link run until it has caught up, or raise the setting", "")
	}
	return nil
}

// connectReplication tries whether the log can be read. What the catalogue says of a role
// does not tell on managed servers.
func (p *preflight) connectReplication(ctx context.Context, s *Store) error {
	conn, err := s.ConnectReplication(ctx)
	if err == nil {
		return (&Conn{PgConn: conn}).Close()
	}
	role := Quote(p.server.role)
	switch Code(err) {
	case NoPrivilege:
		p.block("", "role "+p.server.role+" may not open a replication connection",
			"allow it as a superuser; on Amazon RDS with GRANT rds_replication TO "+role, "ALTER ROLE "+role+" REPLICATION")
	case outOfSlots:
		active, err := p.Bool(ctx, "SELECT active FROM pg_replication_slots WHERE slot_name = $1", Slot(p.need.Link, p.server.database))
		if err != nil {
			return Classify("look for the reader of the log", err)
		}
		if active {
			return nil // it is the link itself that has a connection
		}
		senders, err := p.Int(ctx, "SELECT current_setting('max_wal_senders')")
		if err != nil {
			return Classify("read settings of the server", err)
		}
		p.found = append(p.found, Problem{Blocker: true, Class: change.Transient,
			Summary:   fmt.Sprintf("no replication connection is free: max_wal_senders is %d", senders),
			Remedy:    "end those that nobody needs (SELECT * FROM pg_stat_replication), or raise it and restart the server",
			Statement: fmt.Sprintf("ALTER SYSTEM SET max_wal_senders = %d", senders+slotsMore)})
	default:
		if err := Classify("open a replication connection", err); ctx.Err() != nil || change.ClassOf(err) == change.Transient {
			return err // of a server that just went down, too
		}
		p.block("", err.Error(), "the role has to be let in for replication connections to this database, also by pg_hba.conf", "")
	}
	return nil
}

// deferrable looks for keys that are checked late: a conflict on them is not seen by the
// statement that makes it.
func (p *preflight) deferrable(ctx context.Context) error {
	return p.each(func(t *Table) error {
		if !t.Deferrable {
			return nil
		}
		return p.Query(ctx, `SELECT conname, regexp_replace(pg_get_constraintdef(oid), ' DEFERRABLE.*$', '') FROM pg_constraint
			WHERE conrelid = $1::oid AND contype = 'p'`, func(v [][]byte) error {
			name := Quote(string(v[0]))
			p.block(t.Name, "its primary key is DEFERRABLE, so that a write cannot tell whether the row is there", "make it again as an ordinary one, as the owner of the table",
				"ALTER TABLE "+t.Qualified()+" DROP CONSTRAINT "+name+", ADD CONSTRAINT "+name+" "+string(v[1])+" NOT DEFERRABLE")
			return nil
		}, fmt.Sprint(t.OID))
	})
}

// sequences looks for keys whose numbers the database hands out, as the other side may, too.
func (p *preflight) sequences(ctx context.Context) error {
	found := map[string][][3]string{}
	err := p.Query(ctx, sequencesQuery, func(v [][]byte) error {
		found[string(v[0])] = append(found[string(v[0])], [3]string{string(v[1]), string(v[2]), string(v[3])})
		return nil
	}, oids(p.usable()))
	if err != nil {
		return fmt.Errorf("look for the sequences of the tables: %w", err)
	}
	for _, t := range p.usable() {
		for _, names := range found[t.id()] {
			p.sequence(t, names[0], Quote(names[1])+"."+Quote(names[2]))
		}
	}
	return nil
}

// sequence warns of one that hands out the values of a column, if the key has it.
func (p *preflight) sequence(t *Table, name, sequence string) {
	column := t.Column(name)
	if slices.Contains(p.need.Drawn, t.Name) || !t.isKey(column) || !slices.Contains(p.mapped(t), name) {
		return // of drawn keys each side's are its own
	}
	p.warn(t.Name, "its key "+name+" takes numbers from sequence "+sequence+": if the other side hands out numbers as well, both give the same one to different rows",
		"let one side hand out the odd numbers and the other the even ones: this takes the odd ones beyond the keys that are here, and with + 2 instead of + 3 the even ones; do it once both sides have the same rows",
		stepStatement(t, sequence, column))
}

// stepStatement lets a sequence hand out every other number, from the next odd one beyond the
// keys in its column.
func stepStatement(t *Table, sequence string, column int) string {
	statement := "ALTER SEQUENCE " + sequence + " INCREMENT BY 2"
	if t.Table.Columns[column].Kind != change.Int64 {
		return statement
	}
	return fmt.Sprintf("%s; SELECT setval(%s, (SELECT coalesce(max(%s), 0) / 2 * 2 + 3 FROM %s), false)",
		statement, Literal(sequence), Quote(t.Table.Columns[column].Name), t.Qualified())
}

// What a default refers to, or what belongs to an identity column.
const sequencesQuery = `
SELECT DISTINCT a.attrelid, a.attname, n.nspname, s.relname
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
  OR p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.classid = 'pg_class'::regclass AND p.deptype = 'i'
JOIN pg_class s ON s.relkind = 'S' AND s.oid = CASE WHEN p.classid = 'pg_class'::regclass THEN p.objid ELSE p.refobjid END
JOIN pg_namespace n ON n.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
WHERE a.attrelid = ANY ($1::oid[]) AND NOT a.attisdropped AND q.seqincrement IN (1, -1)
ORDER BY 1, 2, 3, 4`

// hiddenTables looks for tables that were taken out of the publication.
func (p *preflight) hiddenTables(ctx context.Context, have publication) error {
	if there, err := p.Bool(ctx, layoutThere); err != nil || !there {
		return err
	}
	hidden, err := p.hidden(ctx, p.need, have)
	if err != nil {
		return err
	}
	for _, name := range hidden {
		if t := p.tables[name]; t != nil {
			p.warn(name, "it was taken out of publication "+Publication(p.need.Link)+", so changes of it are missing: the table pauses",
				"put it back and start the link again: the table will be compared again", putBack(p.need.Link, have, t))
		}
	}
	return nil
}
