package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cdcsync/cdcsync/stores/sqlite"
)

// application is a connection that a script holds open.
type application struct{ conn *sqlite.Conn }

// alone has an application use a database for itself: alone FILE. Without a file it goes.
func (a *application) alone(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Check(a.conn.Close())
		a.conn = nil
		return
	}
	ts.Defer(func() {
		if a.conn != nil {
			_ = a.conn.Close() // the script has failed
		}
	})
	path := ts.MkAbs(args[0])
	db, err := sqlite.Open("file:" + path + "?_pragma=locking_mode(exclusive)")
	ts.Check(err)
	conn, err := db.Connect(context.Background())
	ts.Check(err)
	a.conn = conn
	ts.Check(conn.Do(context.Background(), "CREATE TABLE alone(id INTEGER PRIMARY KEY)"))
}

// encrypt makes a database what an application that encrypts its pages leaves of it, but for the
// bytes from FROM to TO of its header: encrypt FILE [FROM TO]
func encrypt(ts *testscript.TestScript, neg bool, args []string) {
	path, plain := ts.MkAbs(args[0]), [2]int{}
	for i := range args[1:] {
		n, err := strconv.Atoi(args[1+i])
		ts.Check(err)
		plain[i] = n
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("%s is not alone: %v", path, err)
	}
	pages, err := os.ReadFile(path)
	ts.Check(err)
	block, err := aes.NewCipher(make([]byte, 32))
	ts.Check(err)
	head := append([]byte{}, pages[plain[0]:plain[1]]...)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(pages, pages)
	copy(pages[plain[0]:], head)
	ts.Check(os.WriteFile(path, pages, 0o600))
}
