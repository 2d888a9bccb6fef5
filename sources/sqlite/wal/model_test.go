package wal

import (
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// take checks the changes of one commit. Where no table was declared anew, as in a VACUUM, a commit
// that changed the schema is like any other.
func (h *history) take(schema bool, found []RowChange) error {
	if !schema {
		return h.model(found)
	}
	was := h.know()
	for _, name := range h.names {
		a, b := was[name], h.known[name]
		if (a == nil) != (b == nil) || a != nil && a.SQL != b.SQL {
			return h.remodel(found, was)
		}
	}
	return h.model(found)
}

// model applies changes of one commit, which must fit to what the rows were.
func (h *history) model(found []RowChange) error {
	for _, r := range found {
		if r.Before == nil {
			continue
		}
		rows, key := h.rows[r.Was.Name], rowKey(r.Was, r.Before)
		if was, ok := rows[key]; !ok || !was.Equal(r.Before) {
			return fmt.Errorf("table %s: row %v was %v", r.Was.Name, short(r.Before), short(was))
		}
		if r.Before.Equal(r.After) {
			return fmt.Errorf("table %s: row %v did not change", r.Was.Name, short(r.Before))
		}
		delete(rows, key)
	}
	for _, r := range found {
		if r.After == nil {
			continue
		}
		rows, key := h.rows[r.Is.Name], rowKey(r.Is, r.After)
		if was, ok := rows[key]; ok {
			return fmt.Errorf("table %s: row %v was there as %v", r.Is.Name, short(r.After), short(was))
		}
		rows[key] = r.After
	}
	return nil
}

// remodel applies changes of a commit that changed the schema, in which tables were as was has them. A row
// that it did not report is in the new columns what SQLite reads, and in the others as it was.
func (h *history) remodel(found []RowChange, was map[string]*Table) error {
	told := map[string]map[string]change.Row{}
	for _, name := range h.names {
		told[name] = map[string]change.Row{}
		if h.known[name] == nil { // its rows are gone with it, untold
			h.rows[name] = map[string]change.Row{}
		}
	}
	for _, r := range found {
		if r.Before == nil {
			continue
		}
		rows, key := h.rows[r.Was.Name], rowKey(r.Was, r.Before)
		if old, ok := rows[key]; !ok || !old.Equal(r.Before) {
			return fmt.Errorf("table %s: row %v was %v", r.Was.Name, short(r.Before), short(old))
		}
		delete(rows, key)
	}
	for _, r := range found {
		if r.After == nil {
			continue
		}
		key := rowKey(r.Is, r.After)
		if old, ok := h.rows[r.Is.Name][key]; ok {
			return fmt.Errorf("table %s: row %v was there as %v", r.Is.Name, short(r.After), short(old))
		}
		told[r.Is.Name][key] = r.After
	}
	for _, name := range h.names {
		content := h.content(name)
		if table := h.known[name]; table != nil {
			if err := h.sameRows(table, was[name], content, told[name]); err != nil {
				return err
			}
		}
		h.rows[name] = content
	}
	return nil
}

// sameRows checks that a table holds the rows that were told, as they were told, and of the others those
// that it held, as they were.
func (h *history) sameRows(table, was *Table, content, told map[string]change.Row) error {
	rows := h.rows[table.Name]
	if len(content) != len(rows)+len(told) {
		return fmt.Errorf("table %s: %d rows, %d were told and %d untold", table.Name, len(content), len(told), len(rows))
	}
	for key, row := range told {
		if is := content[key]; !is.Equal(row) {
			return fmt.Errorf("table %s: row %v is %v", table.Name, short(row), short(is))
		}
	}
	if was == nil {
		return nil // then there were none
	}
	from := table.from(was)
	for key, row := range rows {
		is, ok := content[key]
		for i := range is {
			ok = ok && (from[i] < 0 || is[i] == row[from[i]])
		}
		if !ok {
			return fmt.Errorf("table %s: row %v became %v untold", table.Name, short(row), short(is))
		}
	}
	return nil
}

// from returns for each column which one it was, by its name or, if only names changed, its place: -1
// where it was none.
func (t *Table) from(was *Table) (list []int) {
	for i := range t.Columns {
		n := was.Column(t.Columns[i].Name)
		if n < 0 && len(t.Columns) == len(was.Columns) && t.likely(i, was) {
			n = i
		}
		list = append(list, n)
	}
	return list
}

// likely tells whether a column is the one that was at its place, under another name. One that was dropped
// and another that was added look the same, if they are declared alike.
func (t *Table) likely(i int, was *Table) bool {
	return t.Columns[i].Generated == was.Columns[i].Generated && t.Columns[i].Nullable == was.Columns[i].Nullable &&
		t.Affinity[i] == was.Affinity[i] && t.Defaults[i] == was.Defaults[i]
}

func short(r change.Row) string { return fmt.Sprintf("%.120s", r.String()) }

// matches compares what was found of a table with what it holds.
func (h *history) matches(name string, found map[string]change.Row) error {
	content := h.content(name)
	if len(content) != len(found) {
		return fmt.Errorf("table %s: %d rows, %d were found", name, len(content), len(found))
	}
	for key, row := range content {
		if got := found[key]; !got.Equal(row) {
			return fmt.Errorf("table %s: row %v was found as %v", name, short(row), short(got))
		}
	}
	return nil
}

// check compares what the changes add up to with what the tables hold, and what is known of
// the pages with what a tracker finds that starts now.
func (h *history) check() error {
	for _, name := range h.names {
		if err := h.matches(name, h.rows[name]); err != nil {
			return err
		}
	}
	return h.checkOwners()
}

func (h *history) checkOwners() error {
	fresh, err := NewTracker(images{h.images}, h.tracker.size, h.names)
	if err != nil {
		return err
	}
	defer fresh.Close()
	name := func(t *Tracker, o owner) string {
		if o.role == nobodys || t.trees[o.tree] == nil {
			return ""
		}
		return t.trees[o.tree].name
	}
	for p := range max(len(fresh.owners.pages), len(h.tracker.owners.pages)) {
		want, got := fresh.owners.of(uint32(p)), h.tracker.owners.of(uint32(p))
		stale := want.role == nobodys && got.role != inTree // chains are not forgotten
		if !stale && (want.role != got.role || want.up != got.up || name(fresh, want) != name(h.tracker, got)) {
			return fmt.Errorf("page %d is known as %+v of %q, not %+v of %q", p, got, name(h.tracker, got), want, name(fresh, want))
		}
	}
	return nil
}
