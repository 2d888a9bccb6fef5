package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the man pages")

// TestManPages makes the man pages of all commands, which have to be those in packaging/man.
func TestManPages(t *testing.T) {
	const pages = "../../packaging/man"
	root := newRoot()
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	dir := t.TempDir()
	begun := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC) // the same pages on every day
	header := &doc.GenManHeader{Section: "1", Source: "cdcsync", Manual: "cdcsync", Date: &begun}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(pages); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(pages, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return
	}
	made, there := files(t, dir), files(t, pages)
	for name, text := range made {
		if !bytes.Equal(there[name], text) {
			t.Errorf("%s is not what the command says: make man writes it anew", name)
		}
	}
	for name := range there {
		if made[name] == nil {
			t.Errorf("%s is of no command: make man takes it away", name)
		}
	}
	if len(made) < 10 {
		t.Errorf("only %d pages were made", len(made))
	}
}

// files reads the man pages in a folder.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(path)] = text
	}
	return found
}
