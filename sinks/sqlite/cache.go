package sqlite

import (
	"context"
	"fmt"

	store "github.com/cdcsync/cdcsync/stores/sqlite"
)

// cache makes room for the pages that a batch changes, where they do not fit in the cache of the
// connection: SQLite writes them to its log before the end then, and reads and writes them again. Where
// rows go to the end of their tables nothing is read, and memory is not to be had for nothing.
type cache struct {
	conn *store.Conn
	// size is in KiB; 0: the dsn says how large the cache is to be.
	size int
}

const (
	// cacheLeast is what SQLite gives who asks for nothing, by its manual on PRAGMA cache_size.
	cacheLeast = 2000
	// cacheMost has room for the pages of most batches: a row changes one or two of 4 KiB.
	cacheMost = 16_000
	// manyPages in a batch are worth it, half of what cacheLeast holds.
	manyPages = 250
)

func newCache(ctx context.Context, conn *store.Conn) (*cache, error) {
	c := &cache{conn: conn}
	size, err := conn.Int(ctx, "PRAGMA cache_size")
	if size == -cacheLeast {
		c.size = cacheLeast
	}
	return c, err
}

// fit is called after each batch.
func (c *cache) fit(ctx context.Context) error {
	if c.size == 0 || c.size == cacheMost {
		return nil
	}
	spilled, missed, err := c.conn.Paging()
	if err != nil || spilled < manyPages || missed < manyPages {
		return err
	}
	c.size = min(2*c.size, cacheMost)
	_, err = c.conn.Exec(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", c.size))
	return err
}
