package postgres_test

import (
	"os"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	"github.com/cdcsync/cdcsync/stores/postgres/postgrestest"
)

var pool servers.Pool

func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }

func TestSource(t *testing.T) { postgrestest.Each(t, &pool, sourcetest.Run) }
