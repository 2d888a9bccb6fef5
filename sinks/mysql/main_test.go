package mysql_test

import (
	"os"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }
