package postgres_test

import (
	"testing"

	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/stores/postgres/postgrestest"
)

func TestSinkWithOrigins(t *testing.T) {
	postgrestest.Each(t, &pool, sinktest.Run, sink.WithTag(sink.Origins))
}

func TestSinkWithMessages(t *testing.T) {
	postgrestest.Each(t, &pool, sinktest.Run, sink.WithTag(sink.Messages))
}
