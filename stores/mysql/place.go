package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Place is where a log ends, or begins: by GTIDs where the log has them, else by file and
// offset.
type Place struct {
	// GTIDs is a set of MySQL, maybe not in its shortest form, or a position of MariaDB.
	GTIDs  string
	File   string
	Offset uint64
}

// String prints p as "gtid:SET" or "file:NAME:OFFSET".
func (p Place) String() string {
	if p.File != "" {
		return "file:" + p.File + ":" + strconv.FormatUint(p.Offset, 10)
	}
	return "gtid:" + p.GTIDs
}

// ParsePlace reads what String prints.
func ParsePlace(text string) (Place, error) {
	if set, ok := strings.CutPrefix(text, "gtid:"); ok {
		return Place{GTIDs: set}, nil
	}
	rest, ok := strings.CutPrefix(text, "file:")
	at := strings.LastIndexByte(rest, ':')
	if !ok || at <= 0 {
		return Place{}, fmt.Errorf("%q is no place in a log", text)
	}
	offset, err := strconv.ParseUint(rest[at+1:], 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("%q is no place in a log: %w", text, err)
	}
	return Place{File: rest[:at], Offset: offset}, nil
}

// HasGTIDs tells whether the log has GTIDs.
func (c *Conn) HasGTIDs(ctx context.Context) (bool, error) {
	if c.MariaDB {
		return true, nil
	}
	mode, err := c.Text(ctx, "SELECT @@global.gtid_mode")
	return mode == "ON", err
}

var errNoLog = errors.New("the server has no binary log: set log_bin and start it again")

// LogEnd returns where the log ends. Every transaction whose changes anybody sees before the
// call is at or before it.
func (c *Conn) LogEnd(ctx context.Context) (Place, error) {
	if c.MariaDB {
		gtids, err := c.Text(ctx, "SELECT @@global.gtid_binlog_pos")
		return Place{GTIDs: gtids}, err
	}
	gtids, err := c.HasGTIDs(ctx)
	if err != nil {
		return Place{}, err
	}
	if gtids {
		// A transaction is owned until it is executed, so this order misses none.
		var owned, executed string
		err := c.Query(ctx, "SELECT @@global.gtid_owned, @@global.gtid_executed", func(v []driver.Value) error {
			owned, executed = String(v[0]), String(v[1])
			return nil
		})
		return Place{GTIDs: joinSets(executed, ownedSet(owned))}, err
	}
	return c.fileEnd(ctx)
}

// fileEnd returns the file and offset at which the log ends. The statement was renamed twice.
func (c *Conn) fileEnd(ctx context.Context) (Place, error) {
	var p Place
	var failed error
	for _, name := range []string{"BINARY LOG", "BINLOG", "MASTER"} {
		err := c.Query(ctx, "SHOW "+name+" STATUS", func(v []driver.Value) error {
			p = Place{File: String(v[0]), Offset: uint64(Number(v[1]))}
			return nil
		})
		switch {
		case err == nil && p.File == "":
			return p, errNoLog
		case err == nil:
			return p, nil
		case Code(err) != 1064:
			return p, err
		}
		failed = err
	}
	return p, failed
}

// owners are the threads in gtid_owned.
var owners = regexp.MustCompile(`#[0-9]+`)

// ownedSet makes a set of what @@gtid_owned prints, as in uuid:23#4:24#5,uuid:tag:7#9.
func ownedSet(owned string) string { return owners.ReplaceAllString(owned, "") }

func joinSets(a, b string) string {
	a, b = strings.ReplaceAll(a, "\n", ""), strings.ReplaceAll(b, "\n", "")
	if a == "" || b == "" {
		return a + b
	}
	return a + "," + b
}
