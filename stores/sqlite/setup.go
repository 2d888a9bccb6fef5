package sqlite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/change"
)

// Link is what a database holds of one link.
type Link struct {
	Name string
	// Number is the link's row in _cdcsync_link.
	Number int64
	// Generation names the log; a log that was made anew has another. Empty: no log.
	Generation string
	// FromLog: the link reads the write-ahead log, so the database has no log of its own, and
	// the sink writes down in the marker which rows it wrote.
	FromLog bool
	// Layouts are those of every entry that the log may hold, the current one of each
	// table last.
	Layouts []Layout
	// Width is how many columns for values the log has.
	Width int
}

// Layout returns the layout in which table's changes are logged now, or nil.
func (l *Link) Layout(table string) *Layout {
	for i := len(l.Layouts) - 1; i >= 0; i-- {
		if l.Layouts[i].Table == table {
			return &l.Layouts[i]
		}
	}
	return nil
}

// LayoutFor returns the layout in which Setup has t logged: the one that t has if that fits,
// or a new one, which has no number yet. A nil l has none.
func (l *Link) LayoutFor(t *change.Table, mode Capture) Layout {
	want := layoutOf(t, mode)
	if l != nil {
		if now := l.Layout(want.Table); now != nil && now.same(&want) {
			return *now
		}
	}
	return want
}

// Setup makes in the database what a link needs there, in one short transaction: its
// marker, and if the store is read (logged) the log and the triggers of the tables. It
// may be called again at any time, with more or fewer tables or another capture mode;
// what is there already stays untouched, and nothing that was logged is lost.
func (s *Store) Setup(ctx context.Context, link string, tables []*change.Table, mode Capture, logged bool) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Immediate(ctx, func() error {
		if !logged {
			if err := c.Enroll(ctx, link); err != nil {
				return err
			}
			return c.dropLog(ctx, link)
		}
		return c.setupLog(ctx, link, tables, mode)
	})
	return Classify("set up link "+link, err)
}

// fromLog is the generation of a link that reads the write-ahead log.
const fromLog = "wal"

// SetupFromLog makes in the database what a link needs there that reads the write-ahead log:
// its marker, if it writes there, and else nothing. A log and triggers that it had are removed.
func (s *Store) SetupFromLog(ctx context.Context, link string, written bool) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if !written {
		if ok, err := c.Exists(ctx, Prefix+"link"); err != nil || !ok {
			return Classify("set up link "+link, err)
		}
	}
	err = c.Immediate(ctx, func() error {
		if err := c.Enroll(ctx, link); err != nil {
			return err
		}
		if err := c.dropLog(ctx, link); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "UPDATE _cdcsync_link SET generation = ? WHERE link = ?", change.TextValue(fromLog), change.TextValue(link))
		return err
	})
	return Classify("set up link "+link, err)
}

// Enroll gives link its row in _cdcsync_link and the tables for its marker and conflicts,
// inside the caller's write transaction.
func (c *Conn) Enroll(ctx context.Context, link string) error {
	_, err := c.Exec(ctx, `CREATE TABLE IF NOT EXISTS _cdcsync_link(id INTEGER PRIMARY KEY, link TEXT NOT NULL UNIQUE,
		apply INTEGER, applied INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0, generation TEXT NOT NULL DEFAULT '');
	CREATE TABLE IF NOT EXISTS _cdcsync_marker(link INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
		PRIMARY KEY(link, part)) WITHOUT ROWID;
	CREATE TABLE IF NOT EXISTS `+Quote(ConflictTable(link))+`(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
	INSERT INTO _cdcsync_link(link) SELECT `+quoteText(link)+` WHERE NOT EXISTS (SELECT 1 FROM _cdcsync_link WHERE link = `+quoteText(link)+`)`)
	if err != nil {
		return fmt.Errorf("create marker: %w", err)
	}
	return nil
}

// Exists tells whether the database has a table with this name.
func (c *Conn) Exists(ctx context.Context, table string) (bool, error) {
	n, err := c.Int(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = "+quoteText(table))
	return n != 0, err
}

// Link reads what the database holds of a link; nil if nothing.
func (c *Conn) Link(ctx context.Context, name string) (*Link, error) {
	if ok, err := c.Exists(ctx, Prefix+"link"); err != nil || !ok {
		return nil, err
	}
	var l *Link
	err := c.Query(ctx, `SELECT id, generation FROM _cdcsync_link WHERE link = ?`, func(row []change.Value) error {
		l = &Link{Name: name, Number: row[0].Int64(), Generation: row[1].Str()}
		return nil
	}, change.TextValue(name))
	if err != nil || l == nil {
		return nil, err
	}
	logged, err := c.Exists(ctx, LogTable(name))
	if err != nil {
		return nil, err
	}
	if !logged || l.Generation == "" {
		l.FromLog = l.Generation == fromLog
		l.Generation = ""
		return l, nil
	}
	if err := c.readLayouts(ctx, l); err != nil {
		return nil, err
	}
	n, err := c.Int(ctx, "SELECT count(*) FROM pragma_table_info("+quoteText(LogTable(name))+")")
	l.Width = int(n) - len(logColumns)
	return l, err
}

var logColumns = [...]string{"seq", "tbl", "op", "apply", "at"}

func (c *Conn) readLayouts(ctx context.Context, l *Link) error {
	return c.Query(ctx, `SELECT id, name, mode, keys, old FROM _cdcsync_capture WHERE link = ? ORDER BY id`, func(row []change.Value) error {
		layout := Layout{ID: row[0].Int64(), Table: row[1].Str(), Mode: Capture(row[2].Int64())}
		if err := json.Unmarshal([]byte(row[3].Str()), &layout.Key); err != nil {
			return fmt.Errorf("read layout of table %s: %w", layout.Table, err)
		}
		if err := json.Unmarshal([]byte(row[4].Str()), &layout.Old); err != nil {
			return fmt.Errorf("read layout of table %s: %w", layout.Table, err)
		}
		l.Layouts = append(l.Layouts, layout)
		return nil
	}, change.Int(l.Number))
}

func (c *Conn) setupLog(ctx context.Context, link string, tables []*change.Table, mode Capture) error {
	if err := c.Enroll(ctx, link); err != nil {
		return err
	}
	if err := c.createLog(ctx, link); err != nil {
		return err
	}
	l, err := c.Link(ctx, link)
	if err != nil {
		return err
	}
	catalogue, err := c.Catalogue(ctx)
	if err != nil {
		return err
	}
	gaps, err := c.gaps(ctx, l, catalogue)
	if err != nil {
		return err
	}
	var want []Trigger
	for _, t := range tables {
		have := catalogue[t.Name]
		switch {
		case have == nil:
			return &Problem{Table: t.Name, Summary: "there is no such table", Remedy: "read the schema again with plan"}
		case have.Refused != nil:
			return have.Refused
		}
		layout := l.LayoutFor(t, mode)
		if err := c.storeLayout(ctx, l, &layout); err != nil {
			return err
		}
		want = append(want, Triggers(link, l.Number, &layout, have)...)
	}
	if err := c.install(ctx, link, want); err != nil {
		return err
	}
	return c.logGaps(ctx, l, tables, gaps)
}

// createLog makes the log and gives it its generation, unless it is there.
func (c *Conn) createLog(ctx context.Context, link string) error {
	if ok, err := c.Exists(ctx, LogTable(link)); err != nil || ok {
		return err
	}
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	_, err := c.Exec(ctx, `CREATE TABLE IF NOT EXISTS _cdcsync_capture(id INTEGER PRIMARY KEY, link INTEGER NOT NULL,
		name TEXT NOT NULL, mode INTEGER NOT NULL, keys TEXT NOT NULL, old TEXT NOT NULL);
	CREATE TABLE `+Quote(LogTable(link))+`(seq INTEGER PRIMARY KEY, tbl, op, apply, at);
	UPDATE _cdcsync_link SET generation = `+quoteText(hex.EncodeToString(id[:]))+` WHERE link = `+quoteText(link))
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	return nil
}

// storeLayout makes layout the current one of its table and gives it its number. A layout
// is never changed, because the log may hold entries of it.
func (c *Conn) storeLayout(ctx context.Context, l *Link, layout *Layout) error {
	if layout.ID != 0 {
		return nil // it is there
	}
	keys, err := json.Marshal(layout.Key)
	if err != nil {
		return err
	}
	old, err := json.Marshal(layout.Old)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `INSERT INTO _cdcsync_capture(link, name, mode, keys, old) VALUES(?, ?, ?, ?, ?)`,
		change.Int(l.Number), change.TextValue(layout.Table), change.Int(int64(layout.Mode)),
		change.TextValue(string(keys)), change.TextValue(string(old)))
	if err != nil {
		return fmt.Errorf("store layout of table %s: %w", layout.Table, err)
	}
	if layout.ID, err = c.Int(ctx, "SELECT last_insert_rowid()"); err != nil {
		return err
	}
	for ; l.Width < layout.Width(); l.Width++ {
		if _, err := c.Exec(ctx, "ALTER TABLE "+Quote(LogTable(l.Name))+" ADD COLUMN c"+strconv.Itoa(l.Width)); err != nil {
			return fmt.Errorf("widen log: %w", err)
		}
	}
	l.Layouts = append(l.Layouts, *layout)
	return nil
}

// Installed returns the triggers of link as the database has them.
func (c *Conn) Installed(ctx context.Context, link string) ([]Trigger, error) {
	var have []Trigger
	err := c.Query(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`, func(row []change.Value) error {
		if strings.HasPrefix(row[0].Str(), TriggerPrefix(link)) {
			have = append(have, Trigger{Name: row[0].Str(), SQL: row[1].Str()})
		}
		return nil
	})
	return have, err
}

// install makes the triggers of link be exactly these, touching only those that differ: a
// change of the schema costs every connection of the application a look at it.
func (c *Conn) install(ctx context.Context, link string, want []Trigger) error {
	have, err := c.Installed(ctx, link)
	if err != nil {
		return fmt.Errorf("read triggers: %w", err)
	}
	for _, t := range have {
		if !slices.Contains(want, t) {
			if _, err := c.Exec(ctx, "DROP TRIGGER "+Quote(t.Name)); err != nil {
				return fmt.Errorf("drop trigger: %w", err)
			}
		}
	}
	for _, t := range want {
		if !slices.Contains(have, t) {
			if _, err := c.Exec(ctx, t.SQL); err != nil {
				return fmt.Errorf("create trigger %s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// Renew makes the triggers of link fit the tables as they are now, in the layouts that the
// log has for them, in one short transaction. A table of which changes may have gone
// unlogged gets a Gap in the log. Tables that are gone, or lack a column that their layout
// names, are left without triggers.
func (c *Conn) Renew(ctx context.Context, l *Link, tables []*change.Table) error {
	err := c.Immediate(ctx, func() error {
		catalogue, err := c.Catalogue(ctx)
		if err != nil {
			return err
		}
		gaps, err := c.gaps(ctx, l, catalogue)
		if err != nil {
			return err
		}
		if err := c.install(ctx, l.Name, l.Wanted(catalogue, tables)); err != nil {
			return err
		}
		return c.logGaps(ctx, l, tables, gaps)
	})
	return Classify("renew triggers of link "+l.Name, err)
}

// Wanted returns the triggers that link l should have on these tables.
func (l *Link) Wanted(catalogue map[string]*Table, tables []*change.Table) []Trigger {
	var want []Trigger
	for _, t := range tables {
		layout, have := l.Layout(t.Name), catalogue[t.Name]
		if layout != nil && have != nil && layout.fits(have) {
			want = append(want, Triggers(l.Name, l.Number, layout, have)...)
		}
	}
	return want
}

// gaps returns, for each table of which changes may have gone unlogged because triggers are
// not there as they should be, why.
func (c *Conn) gaps(ctx context.Context, l *Link, catalogue map[string]*Table) (map[string]string, error) {
	have, err := c.Installed(ctx, l.Name)
	if err != nil {
		return nil, fmt.Errorf("read triggers: %w", err)
	}
	found := map[string]string{}
	for _, now := range l.Layouts {
		layout, t := l.Layout(now.Table), catalogue[now.Table]
		if t == nil || !layout.fits(t) {
			continue
		}
		for _, w := range Triggers(l.Name, l.Number, layout, t) {
			i := slices.IndexFunc(have, func(h Trigger) bool { return h.Name == w.Name })
			guard := strings.Contains(w.Name, ".guard_")
			switch {
			case i < 0 && !guard:
				found[t.Name] = "capture triggers were gone, as after a rebuild of the table; they are back now, but changes may have been missed: resync the table"
			case guard && found[t.Name] == "" && (i < 0 || strings.Count(have[i].SQL, "INSERT INTO") < strings.Count(w.SQL, "INSERT INTO")):
				found[t.Name] = "a unique index was added; it is watched now, but rows that a REPLACE removed may have been missed: resync the table"
			}
		}
	}
	return found, nil
}

func (c *Conn) logGaps(ctx context.Context, l *Link, tables []*change.Table, gaps map[string]string) error {
	for _, t := range tables {
		if gaps[t.Name] == "" {
			continue
		}
		_, err := c.Exec(ctx, "INSERT INTO "+Quote(LogTable(l.Name))+"(tbl, op, at, c0) VALUES(?, ?, julianday('now'), ?)",
			change.Int(l.Layout(t.Name).ID), change.Int(int64(Gap)), change.TextValue(gaps[t.Name]))
		if err != nil {
			return fmt.Errorf("log gap of table %s: %w", t.Name, err)
		}
	}
	return nil
}

// fits tells whether t still has the columns and the key that l names.
func (l *Layout) fits(t *Table) bool {
	if t.Refused != nil || len(t.Key) != len(l.Key) {
		return false
	}
	for i, k := range t.Key {
		if t.Columns[k].Name != l.Key[i] {
			return false
		}
	}
	return !slices.ContainsFunc(l.Old, func(name string) bool { return t.Column(name) < 0 })
}

// dropLog removes the log of link and what fills it.
func (c *Conn) dropLog(ctx context.Context, link string) error {
	if err := c.install(ctx, link, nil); err != nil {
		return err
	}
	if ok, err := c.Exists(ctx, LogTable(link)); err != nil || !ok {
		return err
	}
	_, err := c.Exec(ctx, `DROP TABLE `+Quote(LogTable(link))+`;
	DELETE FROM _cdcsync_capture WHERE link = (SELECT id FROM _cdcsync_link WHERE link = `+quoteText(link)+`);
	UPDATE _cdcsync_link SET generation = '' WHERE link = `+quoteText(link))
	if err != nil {
		return fmt.Errorf("drop log: %w", err)
	}
	if n, err := c.Int(ctx, `SELECT count(*) FROM _cdcsync_capture`); err != nil || n > 0 {
		return err
	}
	_, err = c.Exec(ctx, `DROP TABLE _cdcsync_capture`)
	return err
}

// Teardown removes everything that link keeps in the database. Other links stay; when the
// last one goes, nothing of cdcsync is left. A link that has nothing there is no error.
func (s *Store) Teardown(ctx context.Context, link string) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Immediate(ctx, func() error {
		if ok, err := c.Exists(ctx, Prefix+"link"); err != nil || !ok {
			return err
		}
		if err := c.dropLog(ctx, link); err != nil {
			return err
		}
		l, err := c.Link(ctx, link)
		if err != nil {
			return err
		}
		if l != nil {
			if err := c.dropKeys(ctx, l.Number); err != nil {
				return err
			}
		}
		_, err = c.Exec(ctx, `DROP TABLE IF EXISTS `+Quote(ConflictTable(link))+`;
		DELETE FROM _cdcsync_marker WHERE link = (SELECT id FROM _cdcsync_link WHERE link = `+quoteText(link)+`);
		DELETE FROM _cdcsync_link WHERE link = `+quoteText(link))
		if err != nil {
			return err
		}
		if n, err := c.Int(ctx, `SELECT count(*) FROM _cdcsync_link`); err != nil || n > 0 {
			return err
		}
		_, err = c.Exec(ctx, `DROP TABLE _cdcsync_link; DROP TABLE _cdcsync_marker`)
		return err
	})
	return Classify("tear down link "+link, err)
}
