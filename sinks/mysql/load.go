package mysql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

const (
	// loadMin is from how many new rows on they are loaded, and not inserted.
	loadMin = 1000
)

// errLoad: LOAD DATA did not take the rows as they are. It changes values that do not fit, and
// leaves rows out that are there, where an INSERT would refuse them.
var errLoad = errors.New("the rows were not loaded as they are")

// loads tells whether a group is loaded.
func (w *writer) loads(g *group) bool {
	if !w.load || g.verb != verbInsert || len(g.rows) < loadMin {
		return false
	}
	columns := g.inserted()
	return g.suffices(columns) && !slices.ContainsFunc(g.rows, func(i int) bool { return !g.loadable(&w.batch.Writes[i], columns) })
}

// suffices tells whether rows with these columns have all that they need. LOAD DATA makes up what is
// missing, where an INSERT refuses the row.
func (t *target) suffices(columns []int) bool {
	return !t.missing && !slices.ContainsFunc(t.required, func(i int) bool { return !slices.Contains(columns, i) })
}

// loadable tells whether the values of a new row are of the kinds that their columns are read as.
func (f *form) loadable(w *sinks.Write, columns []int) bool {
	for n, i := range columns {
		if v := f.value(w, n, i); !v.IsNull() && (v.Kind() == change.Bytes) != f.isBytes(i) {
			return false
		}
	}
	return true
}

func (f *form) isBytes(i int) bool { return f.types[i].Kind() == change.Bytes }

// inserted are the columns of an INSERT: those of the key first.
func (f *form) inserted() []int { return append(slices.Clone(f.table.Key), f.sets...) }

// value is the value of column i, the n-th of those inserted.
func (f *form) value(w *sinks.Write, n, i int) change.Value {
	if n < len(w.Key) {
		return w.Key[n]
	}
	return w.New[i]
}

// loadRows loads the rows of a group. What was collected before goes first.
func (w *writer) loadRows(ctx context.Context, g *group) error {
	if _, err := w.packet.send(ctx); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	columns := g.inserted()
	lines := &sinks.Lines{Rows: g.rows, Buffer: w.session.buffer[:0], Append: func(b []byte, i int) []byte {
		return g.appendLine(b, &w.batch.Writes[i], columns)
	}}
	taken, warnings, err := w.session.conn.Load(ctx, g.loading(columns), lines)
	w.session.buffer, w.loaded = lines.Buffer, true
	switch {
	case store.IsNoLoad(err), err == nil && (taken != int64(len(g.rows)) || warnings > 0):
		return errors.Join(errLoad, err)
	case err != nil:
		return fmt.Errorf("load rows of table %s: %w", g.table.Name, err)
	}
	return nil
}

// loading is the statement that loads rows, from INTO on. Bytes are in hexadecimal digits, because
// a line is text.
func (f *form) loading(columns []int) string {
	var fields, set []string
	for n, i := range columns {
		switch {
		case f.isBytes(i):
			fields = append(fields, fmt.Sprintf("@v%d", n))
			set = append(set, fmt.Sprintf("%s = UNHEX(@v%d)", f.names[i], n))
		case f.types[i].Name == "bit":
			fields = append(fields, fmt.Sprintf("@v%d", n))
			set = append(set, fmt.Sprintf("%s = CAST(@v%d AS UNSIGNED)", f.names[i], n))
		default:
			fields = append(fields, f.names[i])
		}
	}
	sql := f.target.into(fields)
	if set != nil {
		sql += " SET " + strings.Join(set, ", ")
	}
	return sql
}

// into is the statement that loads lines with these fields, from INTO on.
func (t *target) into(fields []string) string {
	return "INTO TABLE " + t.name + ` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (` +
		strings.Join(fields, ", ") + ")"
}

// appendLine appends a new row as a line.
func (f *form) appendLine(b []byte, w *sinks.Write, columns []int) []byte {
	for n, i := range columns {
		if n > 0 {
			b = append(b, '\t')
		}
		switch v := f.value(w, n, i); v.Kind() {
		case change.Null:
			b = append(b, '\\', 'N')
		case change.Bytes:
			b = hex.AppendEncode(b, []byte(v.Str()))
		case change.Bool, change.Int64, change.Uint64, change.Float64:
			b = f.types[i].AppendLiteral(b, v)
		case change.TimestampUTC:
			b = append(b, strings.TrimSuffix(v.Str(), "Z")...)
		default:
			b = store.AppendEscaped(b, v.Str(), '\t', '\n')
		}
	}
	return append(b, '\n')
}
