package mysql_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/stores/mysql/mysqltest"
)

func TestSink(t *testing.T) { mysqltest.Each(t, &pool, sinktest.Run) }
