package mysql

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// Load runs LOAD DATA LOCAL with the data that is given, where into is the statement from INTO
// on, and returns how many rows the server took, and how many warnings it has. What it would
// refuse of an INSERT it changes or leaves out, and warns.
func (c *Conn) Load(ctx context.Context, into string, data io.Reader) (rows, warnings int64, err error) {
	// The driver knows readers by name, in all sessions of the process.
	name := fmt.Sprintf("cdcsync-%p", c)
	mysql.RegisterReaderHandler(name, func() io.Reader { return data })
	defer mysql.DeregisterReaderHandler(name)
	rows, err = c.Exec(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' "+into)
	if err != nil {
		return 0, 0, err
	}
	warnings, err = c.Int(ctx, "SELECT @@warning_count")
	return rows, warnings, err
}

// IsNoLoad tells whether err says that the server takes no LOAD DATA LOCAL.
func IsNoLoad(err error) bool { return slices.Contains([]uint16{1148, 3948, 4166}, Code(err)) }
