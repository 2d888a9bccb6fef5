package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a file says of its tables may be anything: what does not declare the table is an error for
// that table, also where there is no statement at all (a find of FuzzTracker), and none of it
// reaches another file.
func TestScratchRefuses(t *testing.T) {
	s, err := NewScratch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := filepath.Join(t.TempDir(), "other")
	for _, create := range []string{
		"",
		" ",
		"-- CREATE TABLE t(k INTEGER PRIMARY KEY)",
		"\x00REATE TABLE t(k INTEGER PRIMARY KEY)",
		"CREATE TABLE u(k INTEGER PRIMARY KEY)",
		"SELECT 1",
		"ATTACH '" + other + "' AS o; CREATE TABLE o.t(k INTEGER PRIMARY KEY)",
		"VACUUM INTO '" + other + "'",
	} {
		if st, err := s.Declare(t.Context(), "t", create); err == nil || !strings.Contains(err.Error(), "declare table t") {
			t.Errorf("%q declares %+v (%v)", create, st, err)
		}
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a declaration made another file")
	}
	if _, err := s.Declare(t.Context(), "t", "CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT DEFAULT 'a')"); err != nil {
		t.Error(err)
	}
}
