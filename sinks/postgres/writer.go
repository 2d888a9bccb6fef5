package postgres

import (
	"cmp"
	"context"

	"fmt"
	"slices"

	"github.com/cdcsync/cdcsync/sinks"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// writer writes the rows of one batch inside its transaction.
type writer struct {
	sink     *Sink
	batch    *sinks.Batch
	outcomes []sinks.Outcome
	groups   []*group
	// changed is how many rows were changed, as far as it shows in the log.
	changed int64
	// progress counts the statements that succeeded in careful mode.
	progress int
	aside    []failure
}

// group is rows of one form, in the order of the batch and then of their keys.
type group struct {
	*form
	phase, rank int
	rows        []int
}

// failure is a row that the store did not take, for now.
type failure struct {
	form  *form
	index int
	err   error
	// progress is that of the writer when it failed.
	progress int
}

// newWriter groups the writes of a batch.
func newWriter(s *Sink, batch *sinks.Batch) *writer {
	w := &writer{sink: s, batch: batch, outcomes: make([]sinks.Outcome, batch.Size())}
	groups := map[*form]*group{}
	var roles []byte
	for i := range batch.Writes {
		write := &batch.Writes[i]
		t := s.catalogue.target(write.Table)
		if t.refused != nil {
			w.refuse(i, t.refused)
			continue
		}
		roles = slices.Grow(roles[:0], len(t.columns))[:len(t.columns)]
		verb, err := t.plan(write, roles)
		if err != nil {
			w.refuse(i, err)
			continue
		}
		f := t.form(verb, roles)
		g := groups[f]
		if g == nil {
			g = &group{form: f}
			g.phase, g.rank = f.place()
			groups[f] = g
			w.groups = append(w.groups, g)
		}
		g.rows = append(g.rows, i)
	}
	if s.catalogue != nil && s.catalogue.related {
		slices.SortStableFunc(w.groups, func(a, b *group) int {
			return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.rank, b.rank))
		})
	}
	for _, g := range w.groups {
		g.sortKeys(batch, g.rows)
		g.form = g.narrow(batch, g.rows)
	}
	return w
}

// place says when a form's turn is: deletes children first, then the others parents first.
// Deletes of rows that take children with them come last, when children that were moved to
// another parent are safe.
func (f *form) place() (phase, rank int) {
	switch {
	case f.verb != verbDelete && f.verb != verbErase && f.verb != verbGone:
		return 1, f.rank
	case f.cascades:
		return 2, -f.rank
	default:
		return 0, -f.rank
	}
}

// narrow returns the form that does not set the columns that none of the rows changes. If no
// row changes at all, they are written as they are, so that the log shows them.
func (f *form) narrow(batch *sinks.Batch, rows []int) *form {
	if f.verb != verbUpdate || len(f.forms) >= formsMax {
		return f
	}
	roles := slices.Clone(f.roles)
	changes := false
	for c, r := range roles {
		if r&sets == 0 {
			continue
		}
		if r&expects != 0 && !slices.ContainsFunc(rows, func(i int) bool {
			return batch.Writes[i].New[c] != batch.Writes[i].Expect.Row[c]
		}) {
			roles[c] &^= sets
			continue
		}
		changes = true
	}
	if !changes {
		return f
	}
	return f.target.form(f.verb, roles)
}

func (w *writer) refuse(i int, err error) {
	w.outcomes[i] = sinks.Outcome{Verdict: sinks.Refused, Err: refusal(w.batch.Writes[i].Table.Name, err)}
}

// isSilent tells whether rows are Done and the log shows nothing of it.
func (w *writer) isSilent() bool {
	return w.changed == 0 && sinks.AnyDone(w.outcomes)
}

// write writes all rows after the statements of head: in one round trip, with one more for
// each group that goes in by COPY.
func (w *writer) write(ctx context.Context, head []step) error {
	steps, heads := head, len(head)
	var sent []*part
	flush := func() error {
		if len(steps) == 0 {
			return nil
		}
		failed, err := w.sink.session.run(ctx, steps...)
		if err != nil {
			if failed < heads {
				return w.sink.headError(failed, err)
			}
			return fmt.Errorf("write rows of table %s: %w", sent[failed-heads].table.Name, err)
		}
		if err := w.settle(ctx, sent); err != nil {
			return err
		}
		steps, heads, sent = nil, 0, nil
		return nil
	}
	for _, g := range w.groups {
		if g.copies(len(g.rows)) {
			if err := flush(); err != nil {
				return err
			}
			if err := w.copy(ctx, g); err != nil {
				return err
			}
			continue
		}
		for _, p := range g.split(w.batch, g.rows) {
			steps, sent = append(steps, w.step(p)), append(sent, p)
		}
	}
	return flush()
}

// headError is the error of a statement before the rows.
func (s *Sink) headError(failed int, err error) error {
	if code := store.Code(err); failed == 1 && (code == store.UndefinedTable || code == store.InvalidSchema) {
		return s.gone()
	}
	return fmt.Errorf("%s: %w", [...]string{"begin", "check epoch", "tag transaction"}[min(failed, 2)], err)
}

// settle notes the outcomes of parts.
func (w *writer) settle(ctx context.Context, sent []*part) error {
	for _, p := range sent {
		failures, err := w.verdicts(ctx, p)
		if err != nil {
			return err
		}
		if len(failures) > 0 {
			return errUnclear // it may be taken after the others
		}
	}
	return nil
}

// verdicts notes the outcomes of a part, and returns the rows that the store did not take
// without saying so.
func (w *writer) verdicts(ctx context.Context, p *part) ([]failure, error) {
	open, err := w.judge(p)
	if err != nil || open == nil {
		return nil, err
	}
	if _, err := w.sink.session.run(ctx, w.step(open.part)); err != nil {
		return nil, fmt.Errorf("look at rows of table %s: %w", p.table.Name, err)
	}
	return open.convict(), nil
}
