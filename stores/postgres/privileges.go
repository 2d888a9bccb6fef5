package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// keepsake looks whether the link may keep its marker and its conflicts in schema cdcsync.
func (p *preflight) keepsake(ctx context.Context) error {
	var there, use, create bool
	err := p.Query(ctx, `SELECT has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1`,
		func(v [][]byte) error {
			there, use, create = true, v[0][0] == 't', v[1][0] == 't'
			return nil
		}, schema)
	if err != nil {
		return fmt.Errorf("look at schema cdcsync: %w", err)
	}
	role := Quote(p.server.role)
	if !there {
		if !p.server.mayCreate {
			p.block("", "there is no schema cdcsync, in which the link keeps its marker, and role "+p.server.role+" may not create it",
				"create it for the role, as the owner of the database or a superuser", "CREATE SCHEMA cdcsync AUTHORIZATION "+role)
		}
		return nil
	}
	made, err := p.Bool(ctx, layoutThere)
	if err != nil {
		return err
	}
	if !use || !made && !create {
		p.block("", "role "+p.server.role+" may not use schema cdcsync, in which the link keeps its marker",
			"grant it, as the owner of the schema or a superuser", "GRANT USAGE, CREATE ON SCHEMA cdcsync TO "+role)
	}
	if !made {
		return nil
	}
	var denied []string
	err = p.Query(ctx, `SELECT format('%I.%I', n.nspname, r.relname) FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE n.nspname = 'cdcsync' AND r.relname IN ('link', 'conflict', 'identity', 'key') AND NOT (has_table_privilege(r.oid, 'SELECT')
		AND has_table_privilege(r.oid, 'INSERT') AND has_table_privilege(r.oid, 'UPDATE') AND has_table_privilege(r.oid, 'DELETE')) ORDER BY 1`,
		func(v [][]byte) error {
			denied = append(denied, string(v[0]))
			return nil
		})
	if err != nil {
		return fmt.Errorf("look at the tables of schema cdcsync: %w", err)
	}
	if denied != nil {
		p.block("", "role "+p.server.role+" may not read and write the tables of schema cdcsync, which another role made",
			"grant it, as their owner or a superuser", "GRANT SELECT, INSERT, UPDATE, DELETE ON "+strings.Join(denied, ", ")+" TO "+role)
	}
	return nil
}

// rights are what the role may do with a table.
type rights struct {
	// schema: it may use the schema. remove: it may delete rows. hidden: row-level security hides rows from it.
	schema, remove, hidden bool
	columns                []columnRights
}

// columnRights are what the role may do with a column: SELECT, INSERT, UPDATE.
type columnRights struct {
	name string
	may  [3]bool
}

// privileges looks whether the role may do with the rows of the tables what the link does.
func (p *preflight) privileges(ctx context.Context) error {
	rights, err := p.rights(ctx)
	if err != nil {
		return err
	}
	var schemas []string
	for _, t := range p.usable() {
		r := rights[t.id()]
		if r == nil {
			return fmt.Errorf("table %s was dropped just now", t.Name)
		}
		if !slices.Contains(schemas, t.Schema) {
			schemas = append(schemas, t.Schema)
			if !r.schema {
				p.block("", "role "+p.server.role+" may not use schema "+t.Schema, "grant it, as the owner of the schema or a superuser",
					"GRANT USAGE ON SCHEMA "+Quote(t.Schema)+" TO "+Quote(p.server.role))
			}
		}
		p.grants(t, r)
		if r.hidden {
			p.block(t.Name, "row-level security hides rows of it from role "+p.server.role,
				"rows that the role cannot see cannot be kept the same; let it see all, as a superuser",
				"ALTER ROLE "+Quote(p.server.role)+" BYPASSRLS")
		}
	}
	return nil
}

// rights reads what the role may do with the tables, by their OID.
func (p *preflight) rights(ctx context.Context) (map[string]*rights, error) {
	all := map[string]*rights{}
	ids := oids(p.usable())
	is := func(v []byte) bool { return len(v) == 1 && v[0] == 't' }
	err := p.Query(ctx, `SELECT oid, has_schema_privilege(relnamespace, 'USAGE'), has_table_privilege(oid, 'DELETE'), row_security_active(oid)
		FROM pg_class WHERE oid = ANY ($1::oid[])`, func(v [][]byte) error {
		all[string(v[0])] = &rights{schema: is(v[1]), remove: is(v[2]), hidden: is(v[3])}
		return nil
	}, ids)
	if err != nil {
		return nil, fmt.Errorf("look for privileges on the tables: %w", err)
	}
	err = p.Query(ctx, `SELECT attrelid, attname, has_column_privilege(attrelid, attnum, 'SELECT'), has_column_privilege(attrelid, attnum, 'INSERT'),
		has_column_privilege(attrelid, attnum, 'UPDATE') FROM pg_attribute WHERE attrelid = ANY ($1::oid[]) AND attnum > 0 AND NOT attisdropped
		ORDER BY attrelid, attnum`, func(v [][]byte) error {
		if r := all[string(v[0])]; r != nil {
			r.columns = append(r.columns, columnRights{string(v[1]), [3]bool{is(v[2]), is(v[3]), is(v[4])}})
		}
		return nil
	}, ids)
	if err != nil {
		return nil, fmt.Errorf("look for privileges on the columns of the tables: %w", err)
	}
	return all, nil
}

// use is a privilege that a link needs on some columns of a table.
type use struct {
	privilege string
	// any says that the role has it on some column: then columns are granted one by one.
	any     bool
	missing []string
}

// grants looks for missing privileges on a table and on those of its columns that the link uses.
func (p *preflight) grants(t *Table, r *rights) {
	uses := []use{{privilege: "SELECT"}}
	if p.need.Writes {
		uses = append(uses, use{privilege: "INSERT"}, use{privilege: "UPDATE"})
	}
	mapped := p.mapped(t)
	for _, column := range r.columns {
		for i := range uses {
			u := &uses[i]
			if column.may[i] {
				u.any = true
				continue
			}
			// A key is written once; a change of it is another row.
			if slices.Contains(mapped, column.name) && (u.privilege != "UPDATE" || !t.isKey(t.Column(column.name))) {
				u.missing = append(u.missing, column.name)
			}
		}
	}
	var names, list []string
	for _, u := range uses {
		switch {
		case u.missing == nil:
			continue
		case u.any:
			list = append(list, u.privilege+" ("+quotedList(u.missing)+")")
			names = append(names, u.privilege+" of "+strings.Join(u.missing, ", "))
			continue
		}
		list = append(list, u.privilege)
		names = append(names, u.privilege)
	}
	if p.need.Writes && !r.remove {
		list, names = append(list, "DELETE"), append(names, "DELETE")
	}
	if list != nil {
		p.block(t.Name, "role "+p.server.role+" lacks "+strings.Join(names, ", ")+" on it", "grant it, as the owner of the table or a superuser",
			"GRANT "+strings.Join(list, ", ")+" ON "+t.Qualified()+" TO "+Quote(p.server.role))
	}
}

// mapped returns the columns of a table that the link uses.
func (p *preflight) mapped(t *Table) []string {
	var names []string
	for _, used := range p.need.Tables {
		if used.Name == t.Name {
			for i := range used.Columns {
				names = append(names, used.Columns[i].Name)
			}
		}
	}
	return names
}

// originFunctions are those that the sink calls to tag what it writes with a replication
// origin, and that of teardown.
const originFunctions = `('pg_replication_origin_create', 'pg_replication_origin_drop', 'pg_replication_origin_oid',
'pg_replication_origin_session_setup', 'pg_replication_origin_xact_setup')`

// originsDenied returns the functions of replication origins that the role may not call, with
// their arguments.
func (c *Conn) originsDenied(ctx context.Context) (denied []string, err error) {
	err = c.Query(ctx, `SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
		AND proname IN `+originFunctions+` AND NOT has_function_privilege(oid, 'EXECUTE') ORDER BY 1`,
		func(v [][]byte) error {
			denied = append(denied, string(v[0]))
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("look for the functions of replication origins: %w", err)
	}
	return denied, nil
}

// OriginsAllowed tells whether the role may tag what it writes with a replication origin.
func (c *Conn) OriginsAllowed(ctx context.Context) (bool, error) {
	denied, err := c.originsDenied(ctx)
	return len(denied) == 0, err
}

// withoutOrigin is what is different where the link cannot use a replication origin.
const withoutOrigin = "the link's own writes are recognised by a message in the log instead, and the time of the original commit is not carried along"

// origins looks whether what the link writes can have a replication origin.
func (p *preflight) origins(ctx context.Context) error {
	denied, err := p.originsDenied(ctx)
	if err != nil {
		return err
	}
	if denied != nil {
		p.warn("", "role "+p.server.role+" may not use replication origins: "+withoutOrigin,
			"policy latest of other links that read this store sees when the link wrote, not when the application did; grant it as a superuser",
			"GRANT EXECUTE ON FUNCTION "+strings.Join(denied, ", ")+" TO "+Quote(p.server.role))
		return nil
	}
	return p.originsLeft(ctx)
}

// originsLeft looks whether the server can follow one more origin.
func (p *preflight) originsLeft(ctx context.Context) error {
	setting := "max_replication_slots"
	if p.server.version >= 180000 {
		setting = "max_active_replication_origins"
	}
	readable, err := p.Bool(ctx, `SELECT has_table_privilege('pg_replication_origin_status', 'SELECT')
		AND has_function_privilege('pg_show_replication_origin_status()', 'EXECUTE')`)
	if err != nil || !readable {
		return err
	}
	full, err := p.Int(ctx, `SELECT count(*) FROM pg_replication_origin_status
		HAVING count(*) >= current_setting($1)::int AND bool_or(external_id = $2) IS NOT TRUE`,
		setting, Slot(p.need.Link, p.server.database))
	if err != nil {
		return fmt.Errorf("count replication origins: %w", err)
	}
	if full > 0 {
		p.warn("", fmt.Sprintf("all %d replication origins of the server are used: %s", full, withoutOrigin),
			"drop those that nobody needs (SELECT * FROM pg_replication_origin), or raise "+setting+" and restart the server",
			fmt.Sprintf("ALTER SYSTEM SET %s = %d", setting, full+slotsMore))
	}
	return nil
}
