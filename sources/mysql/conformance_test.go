package mysql_test

import (
	"os"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	"github.com/cdcsync/cdcsync/stores/mysql/mysqltest"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }

func TestSource(t *testing.T) { mysqltest.Each(t, &pool, sourcetest.Run) }
