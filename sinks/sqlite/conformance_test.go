package sqlite_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/stores/sqlite/sqlitetest"
)

func TestSink(t *testing.T) { sqlitetest.Each(t, sinktest.Run) }
