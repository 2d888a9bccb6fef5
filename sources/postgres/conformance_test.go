package postgres_test

import (
	"flag"
	"os"
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
	"github.com/cdcsync/cdcsync/stores/postgres/postgrestest"
)

var pool servers.Pool

func TestMain(m *testing.M) {
	// Tests that run side by side wait most of the time, whatever the number of processors.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(pool.Main(m))
}

func TestSource(t *testing.T) { postgrestest.Each(t, &pool, sourcetest.Run) }
