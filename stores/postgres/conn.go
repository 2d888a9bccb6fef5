package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is one session. It is used by one goroutine at a time. A context that ends in the
// middle of a statement closes it.
type Conn struct {
	*pgconn.PgConn
	prepared map[string]*pgconn.StatementDescription
}

// Close ends the session. It does not wait for a server that does not answer.
func (c *Conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.PgConn.Close(ctx)
	<-c.CleanupDone()
	if err != nil && (pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)) {
		return nil // the server will notice
	}
	return err
}

// Query runs one statement and calls row with the text of each row's values, nil for NULL,
// which are valid during the call. Arguments are text; [Null] is NULL.
func (c *Conn) Query(ctx context.Context, sql string, row func(values [][]byte) error, args ...string) error {
	result := c.ExecParams(ctx, sql, texts(args), nil, nil, nil)
	var failed error
	for result.NextRow() {
		if failed == nil && row != nil {
			failed = row(result.Values())
		}
	}
	_, err := result.Close()
	return errors.Join(err, failed)
}

// Null is an argument that is NULL. No text holds the byte zero.
const Null = "\x00"

func texts(args []string) [][]byte {
	values := make([][]byte, len(args))
	for i, a := range args {
		if a != Null {
			values[i] = []byte(a)
		}
	}
	return values
}

// Exec runs one statement and returns how many rows it was about.
func (c *Conn) Exec(ctx context.Context, sql string, args ...string) (int64, error) {
	result := c.ExecParams(ctx, sql, texts(args), nil, nil, nil)
	for result.NextRow() {
	}
	tag, err := result.Close()
	return tag.RowsAffected(), err
}

// Rows runs statements that take no arguments in one message, and calls row with the values of each row
// that one of them returns. They are one transaction unless they say otherwise.
func (c *Conn) Rows(ctx context.Context, sql string, row func(values [][]byte) error) error {
	return eachRow(c.PgConn.Exec(ctx, sql), func(_ int, values [][]byte) error { return row(values) })
}

// Batch is Rows for statements that take arguments. It tells row the number of the statement, from 0 on.
func (c *Conn) Batch(ctx context.Context, batch *pgconn.Batch, row func(statement int, values [][]byte) error) error {
	return eachRow(c.ExecBatch(ctx, batch), row)
}

func eachRow(results *pgconn.MultiResultReader, row func(statement int, values [][]byte) error) error {
	var failed error
	for n := 0; results.NextResult(); n++ {
		for result := results.ResultReader(); result.NextRow(); {
			if failed == nil {
				failed = row(n, result.Values())
			}
		}
	}
	return errors.Join(results.Close(), failed)
}

// Do runs statements that take no arguments, as one transaction unless they say otherwise.
func (c *Conn) Do(ctx context.Context, sql string) error {
	return c.PgConn.Exec(ctx, sql).Close()
}

// doAll runs statements in one message. On an error it returns which one it was at.
func (c *Conn) doAll(ctx context.Context, statements []string) (at int, err error) {
	if len(statements) == 0 {
		return 0, nil
	}
	results := c.PgConn.Exec(ctx, strings.Join(statements, "; "))
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err == nil {
			at++
		}
	}
	return min(at, len(statements)-1), results.Close()
}

// Text returns the first value of the first row, "" if there is none or it is NULL.
func (c *Conn) Text(ctx context.Context, sql string, args ...string) (text string, err error) {
	seen := false
	err = c.Query(ctx, sql, func(values [][]byte) error {
		if !seen {
			text, seen = string(values[0]), true
		}
		return nil
	}, args...)
	return text, err
}

// Int is Text for a number; 0 if there is none.
func (c *Conn) Int(ctx context.Context, sql string, args ...string) (int64, error) {
	text, err := c.Text(ctx, sql, args...)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read number: %w", err)
	}
	return n, nil
}

// Bool is Text for a truth value; false if there is none.
func (c *Conn) Bool(ctx context.Context, sql string, args ...string) (bool, error) {
	text, err := c.Text(ctx, sql, args...)
	return text == "t", err
}

// Count returns how many rows a table has, which the config calls name.
func (c *Conn) Count(ctx context.Context, name string) (int64, error) {
	table, err := qualify(name)
	if err != nil {
		return 0, err
	}
	return c.Int(ctx, "SELECT count(*) FROM "+table)
}

// Atomic runs f in a transaction, and rolls it back if f fails.
func (c *Conn) Atomic(ctx context.Context, f func() error) error {
	return c.within(ctx, "BEGIN", f)
}

// Snapshot runs f in a transaction that sees the database as it is at one moment and writes
// nothing.
func (c *Conn) Snapshot(ctx context.Context, f func() error) error {
	return c.within(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f)
}

func (c *Conn) within(ctx context.Context, begin string, f func() error) error {
	if err := c.Do(ctx, begin); err != nil {
		return err
	}
	if err := f(); err != nil {
		return c.Rollback(ctx, err)
	}
	return c.Do(ctx, "COMMIT")
}

// Rollback ends the transaction that failed with err, if there is one, and returns err.
func (c *Conn) Rollback(ctx context.Context, err error) error {
	if c.IsClosed() {
		return err
	}
	return errors.Join(err, c.Do(context.WithoutCancel(ctx), "ROLLBACK"))
}

// statementsMax bounds the prepared statements of a session; beyond it they are all dropped.
const statementsMax = 500

// Prepared returns a prepared statement for sql, of this session.
func (c *Conn) Prepared(ctx context.Context, sql string) (*pgconn.StatementDescription, error) {
	if d := c.prepared[sql]; d != nil {
		return d, nil
	}
	if len(c.prepared) >= statementsMax {
		if err := c.Do(ctx, "DEALLOCATE ALL"); err != nil {
			return nil, err
		}
		clear(c.prepared)
	}
	d, err := c.Prepare(ctx, "s"+strconv.Itoa(len(c.prepared)), sql, nil)
	if err == nil {
		c.prepared[sql] = d
	}
	return d, err
}

// Version returns the server's version as server_version_num, for example 150018.
func (c *Conn) Version(ctx context.Context) (int, error) {
	n, err := c.Int(ctx, "SELECT current_setting('server_version_num')")
	return int(n), err
}
