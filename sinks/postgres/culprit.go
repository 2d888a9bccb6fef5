package postgres

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// keyDetail finds the columns and the values in the detail of an error about a unique index
// or a foreign key, in whatever language it is.
var keyDetail = regexp.MustCompile(`(?s)\((.*?)\)=\((.*)\)`)

// culprits returns which of the rows has the values that a constraint was violated with, by
// their place; none if that cannot be told.
func (w *writer) culprits(err error, rows []failure) []int {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return nil
	}
	detail := keyDetail.FindStringSubmatch(refused.Detail)
	if detail == nil {
		return nil
	}
	names := strings.Split(detail[1], ", ")
	var places []int
	for n, f := range rows {
		write := &w.batch.Writes[f.index]
		if write.New == nil || f.form.have.Relation != refused.TableName && !f.form.have.Partitioned {
			continue
		}
		var values []string
		for _, name := range names {
			if i := f.form.table.Column(strings.Trim(name, `"`)); i >= 0 && !write.New[i].IsNull() && !write.New[i].IsUnset() {
				values = append(values, string(store.AppendText(nil, write.New[i])))
			}
		}
		if len(values) == len(names) && strings.Join(values, ", ") == detail[2] {
			places = append(places, n)
		}
	}
	return places
}

// without returns the rows without those at places, and those.
func without(rows []failure, places []int) (rest, taken []failure) {
	next := 0
	for n, f := range rows {
		if next < len(places) && places[next] == n {
			taken = append(taken, f)
			next++
			continue
		}
		rest = append(rest, f)
	}
	return rest, taken
}
