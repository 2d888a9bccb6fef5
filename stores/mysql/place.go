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

// Place is a place in the log of a server, between transactions.
type Place struct {
	// GTIDs are those of the transactions before the place, as the server writes a set of them.
	// They are what counts unless there is a File.
	GTIDs string
	// File and Offset are the place in a log without GTIDs.
	File   string
	Offset uint64
}

const (
	placeGTIDs = "gtid:"
	placeFile  = "file:"
)

// String returns p as text, which [ParsePlace] reads.
func (p Place) String() string {
	if p.File != "" {
		return placeFile + p.File + ":" + strconv.FormatUint(p.Offset, 10)
	}
	return placeGTIDs + p.GTIDs
}

// ErrPlace is returned for text that is no place.
var ErrPlace = errors.New("malformed place in a log")

// ParsePlace reads what [Place.String] returned.
func ParsePlace(text string) (Place, error) {
	if gtids, ok := strings.CutPrefix(text, placeGTIDs); ok {
		return Place{GTIDs: gtids}, nil
	}
	rest, ok := strings.CutPrefix(text, placeFile)
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon <= 0 {
		return Place{}, fmt.Errorf("%w: %q", ErrPlace, text)
	}
	offset, err := strconv.ParseUint(rest[colon+1:], 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("%w: %q", ErrPlace, text)
	}
	return Place{File: rest[:colon], Offset: offset}, nil
}

// owner is the session that has a GTID, behind the number, with what follows. The server puts
// nothing between a session and the next UUID, which may begin with a digit too.
var owner = regexp.MustCompile(`#[0-9]+?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[^0-9A-Fa-f]|$)`)

// withoutOwners makes a set of GTIDs of what @@global.gtid_owned says.
func withoutOwners(text string) string {
	return owner.ReplaceAllStringFunc(text, func(match string) string {
		next := owner.FindStringSubmatch(match)[1]
		if len(next) > 1 {
			return "," + next
		}
		return next
	})
}

// HasGTIDs tells whether every transaction in the log has a GTID.
func (c *Conn) HasGTIDs(ctx context.Context) (bool, error) {
	if c.MariaDB {
		return true, nil
	}
	mode, err := c.Text(ctx, "SELECT @@global.gtid_mode")
	return mode == "ON", err
}

// LogEnd returns a place that has everything behind it that anybody can see by now.
func (c *Conn) LogEnd(ctx context.Context) (Place, error) {
	place, err := c.logEnd(ctx)
	if err != nil {
		return Place{}, fmt.Errorf("read end of the log: %w", err)
	}
	return place, nil
}

func (c *Conn) logEnd(ctx context.Context) (Place, error) {
	if c.MariaDB {
		gtids, err := c.Text(ctx, "SELECT @@global.gtid_binlog_pos")
		return Place{GTIDs: gtids}, err
	}
	named, err := c.HasGTIDs(ctx)
	if err != nil {
		return Place{}, err
	}
	if !named {
		return c.fileEnd(ctx)
	}
	var sets []string
	err = c.SeenGTIDs(ctx, func(set string) error {
		if set != "" {
			sets = append(sets, set)
		}
		return nil
	})
	if err != nil {
		return Place{}, err
	}
	gtids, err := c.Text(ctx, "SELECT GTID_SUBTRACT("+Literal(strings.Join(sets, ","))+", '')") // in order, each once
	return Place{GTIDs: strings.ReplaceAll(gtids, "\n", "")}, err
}

// SeenGTIDs calls add with the sets of GTIDs, of a MySQL that has them, whose transactions
// anybody can see by now. A transaction is seen a moment before it is among those executed.
// Until then a session owns it, so the owned are read first.
func (c *Conn) SeenGTIDs(ctx context.Context, add func(set string) error) error {
	return c.Query(ctx, "SELECT @@global.gtid_owned; SELECT @@global.gtid_executed", func(v []driver.Value) error {
		return add(withoutOwners(String(v[0])))
	})
}

func (c *Conn) fileEnd(ctx context.Context) (Place, error) {
	var place Place
	err := c.Query(ctx, c.LogStatus(), func(v []driver.Value) error {
		place = Place{File: String(v[0]), Offset: uint64(Number(v[1]))}
		return nil
	})
	if err == nil && place.File == "" {
		err = errors.New("the server writes none")
	}
	return place, err
}

// LogStatus is the statement that shows where the log of the server ends: file, offset, the
// databases that alone are logged, those that are not.
func (s Server) LogStatus() string {
	switch {
	case s.MariaDB && s.Version >= 100502:
		return "SHOW BINLOG STATUS"
	case !s.MariaDB && s.Version >= 80200:
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}
