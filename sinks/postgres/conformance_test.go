package postgres_test

import (
	"testing"

	"github.com/cdcsync/cdcsync/integration/servers"
	sink "github.com/cdcsync/cdcsync/sinks/postgres"
	"github.com/cdcsync/cdcsync/sinks/sinktest"
	"github.com/cdcsync/cdcsync/sources/sourcetest"
)

func TestSink(t *testing.T) {
	for _, version := range servers.Versions() {
		for mode, name := range map[sink.Tagging]string{sink.Origins: "origins", sink.Messages: "messages"} {
			t.Run(version+"/"+name, func(t *testing.T) {
				server := pool.Postgres(t, version)
				sinktest.Run(t, func(t *testing.T) *sourcetest.Store { return newStore(t, server.Database(t).DSN, sink.WithTag(mode)) })
			})
		}
	}
}
