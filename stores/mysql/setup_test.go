package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

func teardown(t *testing.T, s *Store, link string) {
	t.Helper()
	if err := s.Teardown(t.Context(), link); err != nil {
		t.Fatal(err)
	}
}

func footprintOf(t *testing.T, s *Store, n Need) Footprint {
	t.Helper()
	f, err := s.Footprint(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A link is set up once, whoever says it again and when; it has the place where the log was;
// and nothing of it is left behind the last.
func TestSetup(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		c := connect(t, s)
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		n := Need{Link: "l", Tables: tables(t, s), Reads: true, Writes: true}
		if f := footprintOf(t, s, n); f.Existing != nil || len(f.Create) != 4 {
			t.Errorf("before there are %q", f.Existing)
		}
		setup(t, s, Need{Link: "l", Writes: true})
		if f := footprintOf(t, s, n); len(f.Existing) != 3 || len(f.Create) != 1 {
			t.Errorf("of a link that writes there are %q", f.Existing)
		}
		setup(t, s, n)
		rows := "SELECT link, epoch, tag, applied, generation, began, marker IS NULL FROM cdcsync_link ORDER BY link"
		first := db.SQL(t, rows)
		began, err := ParsePlace(db.SQL(t, "SELECT began FROM cdcsync_link"))
		if err != nil || began.GTIDs == "" || !strings.HasPrefix(first, "l|0|0|0|") {
			t.Errorf("the link is %s, its place %s (%v)", first, began, err)
		}
		db.SQL(t, "INSERT INTO a VALUES (1)")
		end, err := c.fileEnd(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		setup(t, s, n)
		setup(t, s, Need{Link: "l"})
		if got := db.SQL(t, rows); got != first {
			t.Errorf("the second time it is %s, was %s", got, first)
		}
		if events := eventsOf(t, db, end); len(events) != 0 {
			t.Errorf("the second time it wrote %q", events)
		}
		db.SQL(t, "INSERT INTO a VALUES (2)")
		if eventsOf(t, db, end) == nil {
			t.Error("what is written is not found in the log")
		}
		if f := footprintOf(t, s, n); f.Create != nil || len(f.Existing) != 4 {
			t.Errorf("then there are %q, and %q are missing", f.Existing, f.Create)
		}

		setup(t, s, Need{Link: "m'\\\"☃", Reads: true})
		db.SQL(t, "INSERT INTO cdcsync_conflict (link, body) VALUES ('l', 'x'), ('m''\\\\\"☃', 'y')")
		teardown(t, s, "l")
		if got := db.SQL(t, "SELECT l.link, body FROM cdcsync_link l JOIN cdcsync_conflict c ON c.link = l.link"); got != "m'\\\"☃|y" {
			t.Errorf("of the other link there is %s", got)
		}
		for range 2 {
			teardown(t, s, "m'\\\"☃")
		}
		if got := db.SQL(t, "SHOW TABLES"); got != "a" {
			t.Errorf("left are %s", got)
		}
	})
}

// eventsOf returns the events that name the database, from a place in the log of its server on.
// Other tests write to that log as well.
func eventsOf(t *testing.T, db *servers.Database, from Place) []string {
	t.Helper()
	var events []string
	for line := range strings.Lines(db.SQL(t, fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d", from.File, from.Offset))) {
		if strings.Contains(line, db.Name) {
			events = append(events, line)
		}
	}
	return events
}

// Links that are set up and taken down at once leave what they should.
func TestSetupAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		names := []string{"a", "b", "c", "d"}
		done := make(chan error)
		for _, name := range append(names, names...) {
			go func() { done <- s.Setup(t.Context(), Need{Link: name, Reads: true}) }()
		}
		for range 2 * len(names) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := db.SQL(t, "SELECT GROUP_CONCAT(link ORDER BY link), COUNT(DISTINCT generation) FROM cdcsync_link"); got != "a,b,c,d|4" {
			t.Errorf("there are %s", got)
		}
		for _, name := range names {
			go func() { done <- s.Teardown(t.Context(), name) }()
			go func() { done <- s.Setup(t.Context(), Need{Link: "kept"}) }()
		}
		for range 2 * len(names) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := db.SQL(t, "SELECT link FROM cdcsync_link"); got != "kept" {
			t.Errorf("there are %s", got)
		}
	})
}

// The end of the log has all that can be seen in it, while others write.
func TestLogEnd(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		s := open(t, db.DSN)
		c, other := connect(t, s), connect(t, s)
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		before, err := c.LogEnd(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		do(t, other, "START TRANSACTION", "INSERT INTO a VALUES (1)")
		db.SQL(t, "INSERT INTO a VALUES (2)")
		after, err := c.LogEnd(t.Context())
		if err != nil || after == before {
			t.Errorf("%s and %s (%v)", before, after, err)
		}
		if !c.MariaDB {
			do(t, other, "ROLLBACK", "SET gtid_next = 'aaaaaaaa-0000-0000-0000-000000000001:7'", "INSERT INTO a VALUES (3)", "SET gtid_next = 'AUTOMATIC'")
			do(t, other, "SET gtid_next = 'aaaaaaaa-0000-0000-0000-000000000001:9'", "START TRANSACTION", "INSERT INTO a VALUES (4)")
			third := connect(t, s)
			do(t, third, "SET gtid_next = '11111111-0000-0000-0000-000000000001:5'", "START TRANSACTION", "INSERT INTO a VALUES (5)")
			end, err := c.LogEnd(t.Context())
			for _, owned := range []string{"11111111-0000-0000-0000-000000000001:5", "aaaaaaaa-0000-0000-0000-000000000001:7:9"} {
				if err != nil || !strings.Contains(end.GTIDs, owned) {
					t.Errorf("%s, which is owned, is not in %s (%v)", owned, end, err)
				}
			}
			do(t, third, "ROLLBACK", "SET gtid_next = 'AUTOMATIC'")
			do(t, other, "ROLLBACK", "SET gtid_next = 'AUTOMATIC'")
		}
		file, err := c.fileEnd(t.Context())
		if err != nil || !strings.HasPrefix(file.File, "binlog.") || file.Offset < 4 {
			t.Errorf("the file ends at %s (%v)", file, err)
		}
	})
}

// Servers own GTIDs of several origins when they have replicas' threads and sessions of their own.
func TestWithoutOwners(t *testing.T) {
	const a, b = "aaaaaaaa-0000-0000-0000-000000000001", "12345678-0000-0000-0000-000000000001"
	for text, want := range map[string]string{
		"":                               "",
		a + ":3#7":                       a + ":3",
		a + ":3#7:5#81":                  a + ":3:5",
		a + ":3#7" + b + ":1#20":         a + ":3," + b + ":1",
		b + ":3#123" + a + ":1#2:2#3":    b + ":3," + a + ":1:2",
		a + ":tag:3#7" + b + ":tag:9#12": a + ":tag:3," + b + ":tag:9",
	} {
		if got := withoutOwners(text); got != want {
			t.Errorf("%s is read as %s, not %s", text, got, want)
		}
	}
}

func TestParsePlace(t *testing.T) {
	for _, p := range []Place{{}, {GTIDs: "0-1-2,1-1-3"}, {File: "binlog.000001", Offset: 18446744073709551615}, {File: "a:b", Offset: 4}} {
		if got, err := ParsePlace(p.String()); err != nil || got != p {
			t.Errorf("%s is read as %+v (%v)", p, got, err)
		}
	}
	for _, text := range []string{"", "gtid", "file:", "file::4", "file:a", "file:a:", "file:a:-1", "x:a:4"} {
		if got, err := ParsePlace(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// One database is itself, through whatever dsn and by whatever user, and no other.
func TestIdentity(t *testing.T) {
	each(t, func(t *testing.T, db *servers.Database) {
		_, plain := user(t, db)
		db.SQL(t, "CREATE TABLE a (id int PRIMARY KEY)")
		name, granted := user(t, db)
		db.SQL(t, "GRANT SELECT ON a TO "+name)
		identity := func(s *Store) string {
			t.Helper()
			text, err := s.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		want := identity(open(t, db.DSN))
		if got := identity(granted); got != want {
			t.Errorf("%s and %s", want, got)
		}
		if got := identity(open(t, strings.Replace(db.DSN, "127.0.0.1", "localhost", 1))); got != want {
			t.Errorf("%s and %s", want, got)
		}
		if got := identity(open(t, strings.Replace(db.DSN, db.Name, "information_schema", 1))); got == want {
			t.Errorf("%s is that of two databases", got)
		}
		if _, err := plain.Identity(t.Context()); err == nil || !strings.Contains(err.Error(), "denied") {
			t.Errorf("a user who may not even enter the database is told %v", err)
		}
	})
}
