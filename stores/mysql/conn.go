package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/cdcsync/cdcsync/stores/liveness"
)

// Conn is one session. It is used by one goroutine at a time. A context that ends in the
// middle of a statement closes it.
type Conn struct {
	Server
	// PacketMax is max_allowed_packet of the server, in bytes.
	PacketMax int

	raw      driver.Conn
	watched  *liveness.Conn // below raw
	database string
}

// Close ends the session.
func (c *Conn) Close() error { return c.raw.Close() }

// Database returns the name of the database that the session is in.
func (c *Conn) Database() string { return c.database }

// Broken tells whether the session has ended.
func (c *Conn) Broken() bool { return !c.raw.(driver.Validator).IsValid() }

// Query runs statements and calls row with each row of their results. What is in the values
// is valid during the call. After an error of row the rest is read and dropped.
func (c *Conn) Query(ctx context.Context, sql string, row func(values []driver.Value) error) (err error) {
	rows, err := c.raw.(driver.QueryerContext).QueryContext(ctx, sql, nil)
	if err != nil {
		return c.ended(ctx, err)
	}
	defer func() { err = c.ended(ctx, errors.Join(err, rows.Close())) }()
	results := rows.(driver.RowsNextResultSet)
	var failed error
	for {
		values := make([]driver.Value, len(rows.Columns()))
		for {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return errors.Join(err, failed)
			}
			if failed == nil && row != nil {
				failed = row(values)
			}
		}
		if !results.HasNextResultSet() {
			return failed
		}
		if err := results.NextResultSet(); errors.Is(err, io.EOF) {
			return failed
		} else if err != nil {
			return errors.Join(err, failed)
		}
	}
}

// ended returns the end of ctx, or that the server is dead, instead of what the driver makes of
// it.
func (c *Conn) ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case c.watched != nil && c.watched.Silent() != nil:
		return c.watched.Silent()
	case ctx.Err() != nil && c.raw != nil && c.Broken():
		return ctx.Err()
	}
	return err
}

// ExecAll runs statements, the next only if the one before succeeded, and returns how many
// rows each changed. An UPDATE of a row to what it is changes none.
func (c *Conn) ExecAll(ctx context.Context, sql string) ([]int64, error) {
	result, err := c.raw.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	if err != nil {
		return nil, c.ended(ctx, err)
	}
	return result.(mysql.Result).AllRowsAffected(), nil
}

// Exec is ExecAll for the last statement.
func (c *Conn) Exec(ctx context.Context, sql string) (int64, error) {
	all, err := c.ExecAll(ctx, sql)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[len(all)-1], nil
}

// Do runs statements.
func (c *Conn) Do(ctx context.Context, sql string) error {
	_, err := c.ExecAll(ctx, sql)
	return err
}

// String returns a value as text, "" for NULL.
func String(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// Number returns a value as an integer, 0 for NULL and for what is none.
func Number(v driver.Value) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case uint64:
		return int64(v)
	default:
		n, _ := strconv.ParseInt(String(v), 10, 64)
		return n
	}
}

// Text returns the first value of the first row, "" if there is none or it is NULL.
func (c *Conn) Text(ctx context.Context, sql string) (text string, err error) {
	seen := false
	err = c.Query(ctx, sql, func(v []driver.Value) error {
		if !seen {
			text, seen = String(v[0]), true
		}
		return nil
	})
	return text, err
}

// Int is Text for a number; 0 if there is none.
func (c *Conn) Int(ctx context.Context, sql string) (n int64, err error) {
	seen := false
	err = c.Query(ctx, sql, func(v []driver.Value) error {
		if !seen {
			n, seen = Number(v[0]), true
		}
		return nil
	})
	return n, err
}

// Atomic runs f in a transaction, and rolls it back if f fails.
func (c *Conn) Atomic(ctx context.Context, f func() error) error {
	if err := c.Do(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	if err := f(); err != nil {
		if c.Broken() {
			return err
		}
		return errors.Join(err, c.Do(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	return c.Do(ctx, "COMMIT")
}
