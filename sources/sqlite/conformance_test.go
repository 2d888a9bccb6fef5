package sqlite_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/sources/sourcetest"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

func TestSource(t *testing.T) { sqlitetest.Each(t, sourcetest.Run) }
