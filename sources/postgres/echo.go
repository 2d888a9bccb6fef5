package postgres

import (
	"bytes"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// echo takes a change that the link made itself, of which nobody needs more than the key.
func (t *transaction) echo(r *relation, m *message) error {
	tuple := m.new
	if m.kind == 'D' {
		tuple = m.old
	}
	if m.kind == 'U' && m.image != 0 && !r.sameKey(m.old, m.new) {
		if err := t.addKey(r, m.old); err != nil {
			return err
		}
	}
	return t.addKey(r, tuple)
}

func (t *transaction) addKey(r *relation, tuple []field) error {
	key := t.slab.row(len(r.key))
	for i, at := range r.key {
		if at < 0 || at >= len(tuple) || tuple[at].kind != 't' {
			return fmt.Errorf("%w: a row without its key", errMalformed)
		}
		kind, data, text := r.table.Columns[r.table.Key[i]].Kind, tuple[at].data, ""
		if keepsText(kind) {
			text = string(data)
		}
		var err error
		if key[i], err = decodeField(kind, data, text); err != nil {
			return err
		}
	}
	t.bytes += 32 * len(key)
	t.part().Add(change.Change{Table: r.table, Key: key, Time: t.time})
	return nil
}

// sameKey tells whether two rows have one key.
func (r *relation) sameKey(a, b []field) bool {
	for _, at := range r.key {
		if at < 0 || at >= len(a) || at >= len(b) || !bytes.Equal(a[at].data, b[at].data) {
			return false
		}
	}
	return true
}
