package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"

	msqlite "modernc.org/sqlite"

	"github.com/cdcsync/cdcsync/change"
)

// Conn is one connection to a store. It is used by one goroutine at a time. It is the
// driver's connection itself: database/sql would cost as much as a small write.
type Conn struct {
	raw   driver.Conn
	store *Store
	file  os.FileInfo
	// short is the statements without arguments that come again and again.
	short map[string]*Stmt
}

// Stmt is a prepared statement of one connection. Its arguments stay set from one
// execution to the next.
type Stmt struct {
	raw   driver.Stmt
	args  []driver.NamedValue
	row   []driver.Value
	store *Store
	text  string
}

// errMissing is the cause when a store's file is not there.
var errMissing = errors.New("no such file")

// Connect opens a connection. The file has to exist. Errors have their class and a hint.
func (s *Store) Connect(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := s.stat()
	if err != nil {
		return nil, err
	}
	raw, err := (&msqlite.Driver{}).Open(s.dsn)
	if err != nil {
		return nil, s.openError(err)
	}
	c := &Conn{raw: raw, store: s, file: file, short: map[string]*Stmt{}}
	// The first read shows whether it is a database and whether its directory lets us
	// make the -shm file that WAL mode needs.
	if _, err := c.Int(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
		return nil, errors.Join(s.openError(err), c.Close())
	}
	return c, nil
}

// Moved tells whether the path now leads to another file than the one that this
// connection has open, or to none. What is written to such a connection is lost.
func (c *Conn) Moved() bool {
	now, err := os.Stat(c.store.path)
	return err != nil || !os.SameFile(c.file, now)
}

// JournalMode returns the journal mode of the database as SQLite names it: "wal", "delete", …
func (c *Conn) JournalMode(ctx context.Context) (mode string, err error) {
	err = c.Query(ctx, "PRAGMA journal_mode", func(row []change.Value) error {
		mode = row[0].Str()
		return nil
	})
	return mode, err
}

// Close releases the connection and its statements.
func (c *Conn) Close() error {
	var errs []error
	for _, s := range c.short {
		errs = append(errs, s.Close())
	}
	errs = append(errs, c.raw.Close())
	return errors.Join(errs...)
}

// Prepare compiles one statement.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	raw, err := c.raw.Prepare(query)
	if err != nil {
		return nil, err
	}
	return &Stmt{raw: raw, store: c.store, text: query}, nil
}

// Exec runs the statements of query and returns the rows changed by the last one: 0 if it has
// none, as a text of comments. ctx also bounds waiting for a lock.
func (c *Conn) Exec(ctx context.Context, query string, args ...change.Value) (int64, error) {
	named, err := namedValues(args)
	if err != nil {
		return 0, err
	}
	var res driver.Result
	err = c.store.run(query, func() (err error) {
		res, err = c.raw.(driver.ExecerContext).ExecContext(ctx, query, named)
		return err
	})
	if err != nil || res == nil { // the driver has no result of no statement
		return 0, err
	}
	return res.RowsAffected()
}

// Do runs a short statement without arguments and keeps it compiled.
func (c *Conn) Do(ctx context.Context, query string) error {
	s, err := c.kept(query)
	if err != nil {
		return err
	}
	return c.store.run(query, func() error {
		_, err := s.raw.(driver.StmtExecContext).ExecContext(ctx, nil)
		return err
	})
}

// kept returns the compiled statement for query, compiling it the first time.
func (c *Conn) kept(query string) (*Stmt, error) {
	if s := c.short[query]; s != nil {
		return s, nil
	}
	s, err := c.Prepare(query)
	if err != nil {
		return nil, err
	}
	c.short[query] = s
	return s, nil
}

// Query runs a query and calls each for every row. The slice is reused.
func (c *Conn) Query(ctx context.Context, query string, each func(row []change.Value) error, args ...change.Value) error {
	named, err := namedValues(args)
	if err != nil {
		return err
	}
	rows, err := c.raw.(driver.QueryerContext).QueryContext(ctx, query, named)
	if err != nil {
		return err
	}
	raw := make([]driver.Value, len(rows.Columns()))
	row := make([]change.Value, len(raw))
	return walk(rows, raw, func(raw []driver.Value) error {
		for i := range raw {
			row[i] = Decode(raw[i])
		}
		return each(row)
	})
}

// Int returns the integer in the only column of the first row that query gives, and 0 if
// there is no row or it is NULL. The statement is kept compiled.
func (c *Conn) Int(ctx context.Context, query string) (int64, error) {
	s, err := c.kept(query)
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.query(ctx, func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, err
}

// Immediate runs f in one write transaction. It takes the write lock at once, because a
// transaction that reads first and is overtaken can never write. If f or the commit
// fails, nothing is written.
func (c *Conn) Immediate(ctx context.Context, f func() error) error {
	if err := c.Do(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		c.store.written.Add(1)
		err = c.Do(context.Background(), "COMMIT") // bounded by the busy timeout
		c.store.written.Add(1)
	}
	if err != nil {
		c.Rollback()
	}
	return err
}

// Snapshot runs f in one read transaction, which sees one state of the database.
func (c *Conn) Snapshot(ctx context.Context, f func() error) error {
	if err := c.Do(ctx, "BEGIN"); err != nil {
		return err
	}
	defer c.Rollback() // nothing was written; never fails on an open transaction
	return f()
}

// Rollback ends the transaction, if there is one. Its only error, that there is none, is
// of no interest: an error may have ended it.
func (c *Conn) Rollback() {
	_ = c.Do(context.Background(), "ROLLBACK")
}

// DeferredKeys returns whether the transaction leaves foreign keys unresolved at this
// moment, so that COMMIT would fail.
func (c *Conn) DeferredKeys() (bool, error) {
	n, _, err := c.raw.(msqlite.DBStatus).Status(msqlite.DBStatusDeferredFKs, false)
	return n != 0, err
}

// Paging returns how many pages were written to the log before the end of their transactions, for want
// of room in the page cache, and how many had to be read from the file, since it was last asked.
func (c *Conn) Paging() (spilled, missed int, err error) {
	status := c.raw.(msqlite.DBStatus)
	if spilled, _, err = status.Status(msqlite.DBStatusCacheSpill, true); err != nil {
		return 0, 0, err
	}
	missed, _, err = status.Status(msqlite.DBStatusCacheMiss, true)
	return spilled, missed, err
}

// Mute makes the statements inside triggers do nothing on this connection, where muted says
// so of the trigger's name. It is asked when a statement is compiled, which may be again at
// any execution. Cascades are no triggers.
func (c *Conn) Mute(muted func(trigger string) bool) error {
	return c.raw.(msqlite.AuthorizerRegisterer).RegisterAuthorizer(
		func(action msqlite.AuthorizerActionCode, _, _, _, trigger string) msqlite.AuthorizerReturnCode {
			switch action {
			case msqlite.AuthInsert, msqlite.AuthUpdate, msqlite.AuthDelete, msqlite.AuthSelect:
				if trigger != "" && muted(trigger) {
					return msqlite.AuthorizerIgnore
				}
			}
			return msqlite.AuthorizerOK
		})
}

func namedValues(args []change.Value) ([]driver.NamedValue, error) {
	if len(args) == 0 {
		return nil, nil
	}
	named := make([]driver.NamedValue, len(args))
	for i := range args {
		v, err := Encode(args[i])
		if err != nil {
			return nil, err
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return named, nil
}

// Set sets the argument at index, which counts from 0.
func (s *Stmt) Set(index int, v change.Value) error {
	raw, err := Encode(v)
	if err != nil {
		return err
	}
	for len(s.args) <= index {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1})
	}
	s.args[index].Value = raw
	return nil
}

// Exec runs the statement and returns how many rows it changed. It waits for nothing but
// locks, up to the busy timeout.
func (s *Stmt) Exec() (int64, error) {
	if s.store.around != nil {
		return s.passed()
	}
	return s.exec()
}

func (s *Stmt) exec() (int64, error) {
	res, err := s.raw.(driver.StmtExecContext).ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// passed is exec for a store with something around its statements.
func (s *Stmt) passed() (n int64, err error) {
	err = s.store.around(s.text, func() error {
		n, err = s.exec()
		return err
	})
	return n, err
}

// Query runs the statement and calls each for every row, as the driver has it: see
// [Decode]. The slice is reused, the values are not.
func (s *Stmt) Query(each func(row []driver.Value) error) error {
	return s.query(context.Background(), each)
}

func (s *Stmt) query(ctx context.Context, each func(row []driver.Value) error) error {
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(ctx, s.args)
	if err != nil {
		return err
	}
	if n := len(rows.Columns()); len(s.row) != n {
		s.row = make([]driver.Value, n)
	}
	return walk(rows, s.row, each)
}

// walk reads rows to their end, or until each returns an error, and closes them.
func walk(rows driver.Rows, row []driver.Value, each func([]driver.Value) error) (err error) {
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for {
		if err := rows.Next(row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// Close releases the statement.
func (s *Stmt) Close() error { return s.raw.Close() }

func (s *Store) stat() (os.FileInfo, error) {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &change.Error{Op: "open " + s.path, Err: errMissing,
			Hint: "check the dsn of the store; cdcsync does not create the database"}
	case err != nil:
		return nil, &change.Error{Op: "open " + s.path, Err: err, Hint: "the user that runs cdcsync must be able to reach the file"}
	case info.IsDir():
		return nil, &change.Error{Op: "open " + s.path, Err: errors.New("is a directory"), Hint: "the dsn must name the database file"}
	}
	return info, nil
}

// openError gives an error of the first access its class and a remedy.
func (s *Store) openError(err error) error {
	err = Classify(fmt.Sprintf("open %s", s.path), err)
	if e, ok := errors.AsType[*change.Error](err); ok && e.Hint == "" && IsBusy(err) {
		e.Hint = "another program has it for itself: end its transaction, and take PRAGMA locking_mode = EXCLUSIVE out of it, beside which no capture can read"
	}
	return err
}
