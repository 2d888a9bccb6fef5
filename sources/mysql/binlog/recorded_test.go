package binlog_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// recording is a file of testdata: events one after the other.
type recording struct {
	name   string
	events [][]byte
}

// recorded returns the files of testdata that match a pattern.
func recorded(t testing.TB, pattern string) []recording {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("there is no file %s in testdata", pattern)
	}
	var all []recording
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, recording{name, cut(content)})
	}
	return all
}

// cut splits events by the sizes in their headers. A rest that is no whole event is one too.
func cut(content []byte) [][]byte {
	var events [][]byte
	for len(content) > 0 {
		size := len(content)
		if size >= 19 {
			size = max(19, int(min(uint32(size), binary.LittleEndian.Uint32(content[9:]))))
		}
		events = append(events, content[:size:size])
		content = content[size:]
	}
	return events
}
