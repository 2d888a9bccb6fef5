package main

import (
	"io"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// What is kept of the log follows the level, also when that is changed.
func TestTailFollowsTheLevel(t *testing.T) {
	tail := &logTail{}
	log := newTailedLogger(io.Discard, hclog.Info, tail)
	child := log.With("link", "shop")
	child.Debug("left out")
	child.Info("kept")
	log.SetLevel(hclog.Debug)
	child.Debug("kept, too")
	log.SetLevel(hclog.Error)
	child.Warn("left out")
	if got := tail.last(10); len(got) != 2 {
		t.Errorf("kept %s", got)
	}
}
