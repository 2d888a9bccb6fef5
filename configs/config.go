package configs

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// Config is everything that the config files say. It is not written to after [Load] and
// safe for concurrent use.
type Config struct {
	// Stores and Links are in the order of the files.
	Stores []*Store
	Links  []*Link
	// Admin is nil where there is no admin block.
	Admin *Admin
	// DataDir is an absolute path: where links keep what has to be on the disk of this machine. Empty:
	// beside the file of the store.
	DataDir string

	files map[string]*hcl.File // with secrets masked
}

// Store returns the store called name, or nil.
func (c *Config) Store(name string) *Store {
	for _, s := range c.Stores {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Link returns the link called name, or nil.
func (c *Config) Link(name string) *Link {
	for _, l := range c.Links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Store is one database and how to reach it.
type Store struct {
	Name string
	// Engine is "sqlite", "postgres", "mysql" or "mariadb".
	Engine string
	DSN    Secret
	// Insecure allows connections that are not encrypted, or to a server that is not
	// verified; the sslmode or tls of the DSN then says which. Without it the server is always
	// verified. It is never set for SQLite.
	Insecure bool
	// Capture is how changes are captured.
	Capture Capture

	at    hcl.Range            // the header of the block
	attrs map[string]hcl.Range // the values of its attributes
}

// The engines.
const (
	engineSQLite   = "sqlite"
	enginePostgres = "postgres"
	engineMySQL    = "mysql"
	engineMariaDB  = "mariadb" // as mysql: the server says which it is
)

// Capture is how the changes of a store are captured: what its log says of a row that is
// changed. In SQLite triggers write it, in PostgreSQL it is the replica identity, and in MySQL
// the row image, which has to be full.
type Capture string

// The ways to capture. Keys is the key of the row, which in PostgreSQL leaves the replica
// identity as it is. Rows is also the row as it was before the change, in PostgreSQL by
// REPLICA IDENTITY FULL. WAL, of SQLite only, is to read both out of its write-ahead log. Auto takes rows where the link needs the row as it was before a
// change (see [BoundPair.NeedsBase]), and keys elsewhere.
const (
	CaptureAuto Capture = "auto"
	CaptureKeys Capture = "keys"
	CaptureRows Capture = "rows"
	CaptureWAL  Capture = "wal"
)

// Link is two stores and the tables kept the same between them.
type Link struct {
	Name string
	// Stores are the left and the right one, by [change.Side].
	Stores    [2]*Store
	Direction Direction
	Initial   Initial
	// Shadow tells for each side, by [change.Side], whether the link decides what would be written
	// to it, and writes nothing.
	Shadow [2]bool
	// SchemaChange is what happens when a table gets a column that the other side lacks.
	SchemaChange SchemaChange
	Conflict     Conflict
	// Tables are the table blocks.
	Tables []*Table
	// Include and Exclude are the lists of the tables block, as they are written: names, or
	// patterns in which * is any text and ? any character.
	Include, Exclude []Pattern
	// Verify is nil where there is no verify block.
	Verify *Verify
	// Breaker is when all tables are paused.
	Breaker Breaker
	// Watchdog is for how long the link may get nowhere before it counts as stalled; 0: any time.
	Watchdog time.Duration
	// KeepConflicts is how long conflicts stay on record; 0: as long as there is room for them.
	KeepConflicts time.Duration

	at    hcl.Range
	attrs map[string]hcl.Range
}

// Direction is which way a link runs.
type Direction string

// The directions.
const (
	Both        Direction = "both"
	LeftToRight Direction = "left_to_right"
	RightToLeft Direction = "right_to_left"
)

// Writes tells for each side, by [change.Side], whether the link writes to it.
func (l *Link) Writes() [2]bool {
	return [2]bool{
		change.Left:  l.Direction != LeftToRight,
		change.Right: l.Direction != RightToLeft,
	}
}

// Initial is what happens to rows that differ at first contact.
type Initial string

// The ways of first contact. A two-way link merges by default; a one-way link takes the
// side that it reads, or none.
const (
	InitialLeft  Initial = "left"
	InitialRight Initial = "right"
	InitialMerge Initial = "merge"
	InitialNone  Initial = "none"
)

// SchemaChange is what happens when a table gets a column that the other side lacks. Any other
// change of a table that the link uses lets it wait in any case.
type SchemaChange string

// Pause lets the table wait until somebody has decided. AddColumns adds to each side that is
// written to the columns that only the other one has, unless the config ignores them.
const (
	SchemaPause      SchemaChange = "pause"
	SchemaAddColumns SchemaChange = "add_columns"
)

// Conflict is how conflicts are decided.
type Conflict struct {
	Policy  resolver.Rule
	Deletes resolver.Deletes
	// Custom is what decides if the Policy is custom.
	Custom *Custom

	at    hcl.Range
	attrs map[string]hcl.Range
}

// Table is a table block: two tables that may have different names and columns.
type Table struct {
	// Name is the label of the block, and the name of the pair.
	Name string
	// Names are the names of the tables, by [change.Side], as the catalogues have them.
	Names   [2]string
	Columns []*Column
	// Where is true for the rows that are kept the same; nil for all.
	Where *Expression
	// Ignore lists columns that are neither read nor written.
	Ignore []Pattern
	// Conflict is the link's, with what the table says otherwise.
	Conflict Conflict

	at    hcl.Range
	attrs map[string]hcl.Range
}

// Column is a column block of a table.
type Column struct {
	// Name is the label of the block.
	Name string
	// Names are the columns by [change.Side], "" where the config does not say.
	Names [2]string
	// Values translates left values to right ones; nil for none.
	Values map[string]string
	// Convert is the expression that makes the value of that side (to_left, to_right).
	Convert [2]*Expression
	Merge   resolver.ColumnRule
	// Constant and Default are Unset where the config does not say.
	Constant, Default change.Value
	// Mask is how the value is hidden: "hash", "null", or "" for not at all.
	Mask string
	// Sensitive columns are not to be shown in logs, conflicts and over HTTP.
	Sensitive bool
	// KeyOf is the table block whose keys the column holds, if each store has others; "" for none.
	KeyOf string

	hide  mapping.Mask
	at    hcl.Range
	attrs map[string]hcl.Range
}

// Pattern is a name in a list, with its place in the file.
type Pattern struct {
	Text string
	at   hcl.Range
}
