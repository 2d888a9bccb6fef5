package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/cdcsync/cdcsync/change"
)

// suspect is a row that differed, with what was last seen of it.
type suspect struct {
	key  change.Row
	seen [2]row
	// looks is how many looks in a row showed that.
	looks int
}

// A row that differs in so many looks in a row, and is the same in all of them, is different. Two
// are enough, with a barrier between them, unless a row goes back and forth between two values:
// of that, a third look tells more.
const (
	looksLive  = 3
	looksAlone = 2
)

// settle looks at the suspects until each is the same on both sides, or stands still and
// differs, or has been looked at too often; then it repairs what differs, if it is to.
func (w *walk) settle(ctx context.Context) error {
	for len(w.suspects) > 0 {
		n := min(len(w.suspects), w.Suspects)
		if err := w.settleSome(ctx, w.suspects[:n]); err != nil {
			return err
		}
		w.suspects = w.suspects[n:]
	}
	w.suspects = nil
	return nil
}

func (w *walk) settleSome(ctx context.Context, keys []change.Row) error {
	different, busy, err := w.watch(ctx, keys)
	if err != nil {
		return err
	}
	moving := len(keys) - len(different) - len(busy)
	different = w.dropKept(different)
	if w.Repair && w.result.Paused == "" {
		if different, busy, err = w.repair(ctx, different, busy); err != nil {
			return err
		}
	}
	w.result.Moving += int64(moving)
	return w.report(ctx, different, busy)
}

// watch looks at rows again and again. A row that differs, and does not change, is different:
// between two looks everything that the first showed was to be brought to the other side.
func (w *walk) watch(ctx context.Context, keys []change.Row) (different, busy []suspect, err error) {
	enough := looksAlone
	if w.Live != nil {
		enough = looksLive
	}
	open := make([]suspect, len(keys))
	for i, key := range keys {
		open[i].key = key
	}
	for round := 0; round < w.Rounds && len(open) > 0; round++ {
		waited, err := w.wait(ctx, round)
		if err != nil {
			return nil, nil, err
		}
		if !waited {
			break
		}
		looks, err := w.lookBoth(ctx, open)
		if err != nil {
			return nil, nil, err
		}
		still := open[:0]
		for i, x := range open {
			now := suspect{key: x.key, seen: [2]row{looks[0][i], looks[1][i]}, looks: 1}
			if x.looks > 0 && x.seen[0].native.Equal(now.seen[0].native) && x.seen[1].native.Equal(now.seen[1].native) {
				now.looks = x.looks + 1
			}
			switch {
			case w.same(&now.seen[0], &now.seen[1]):
			case now.looks == enough:
				different = append(different, now)
			default:
				still = append(still, now)
			}
		}
		open = still
	}
	return different, open, nil
}

// wait lets what is on its way arrive, before each round of looks. It is false if that takes too
// long. Without a link there is nothing to wait for before the first.
func (w *walk) wait(ctx context.Context, round int) (bool, error) {
	if w.Live == nil && round == 0 {
		return true, nil
	}
	if w.Live == nil {
		return true, sleep(ctx, w.Pause)
	}
	limited, cancel := context.WithTimeout(ctx, w.Barrier)
	defer cancel()
	err := w.Live.Barrier(limited)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("wait for what is on its way: %w", err)
	}
	return true, nil
}

// lookBoth reads rows on both sides.
func (w *walk) lookBoth(ctx context.Context, suspects []suspect) (looks [2][]row, err error) {
	keys := make([]change.Row, len(suspects))
	for i := range suspects {
		keys[i] = suspects[i].key
	}
	for s := range looks {
		if looks[s], err = w.look(ctx, change.Side(s), keys); err != nil {
			return looks, err
		}
	}
	return looks, nil
}

// dropKept takes out the rows that differ in nothing but how a store keeps what it was sent,
// and counts them by column.
func (w *walk) dropKept(different []suspect) []suspect {
	rest := different[:0]
	for _, x := range different {
		if columns, ok := w.kept(&x); ok {
			w.countKept(columns)
			continue
		}
		rest = append(rest, x)
	}
	return rest
}

func (w *walk) countKept(columns []int) {
	if w.result.Kept == nil {
		w.result.Kept = map[string]int64{}
	}
	for _, i := range columns {
		w.result.Kept[w.pair.Columns[i].Name]++
	}
}

// repair has rows made the same, and returns those that still differ. One that has no form cannot
// be.
func (w *walk) repair(ctx context.Context, different, busy []suspect) (still, moving []suspect, err error) {
	var keys []change.Row
	for _, x := range different {
		if x.seen[0].bad != nil || x.seen[1].bad != nil {
			still = append(still, x)
			continue
		}
		keys = append(keys, x.key)
	}
	if len(keys) == 0 {
		return still, busy, nil
	}
	if err := w.Live.Repair(ctx, w.pair.Name, keys, w.By); err != nil {
		return nil, nil, fmt.Errorf("repair rows: %w", err)
	}
	again, moving, err := w.watch(ctx, keys)
	again = w.dropKept(again)
	w.result.Repaired += int64(len(keys) - len(again) - len(moving))
	return append(still, again...), append(busy, moving...), err
}

// report notes rows that differ, and rows that were too busy to tell.
func (w *walk) report(ctx context.Context, different, busy []suspect) error {
	if len(different)+len(busy) == 0 {
		return nil
	}
	var parked map[string]string
	if w.Live != nil {
		var err error
		if parked, err = w.Live.Parked(ctx, w.pair.Name); err != nil {
			return fmt.Errorf("list parked rows: %w", err)
		}
	}
	for i := range different {
		d := w.difference(&different[i])
		if reason, ok := parked[string(change.AppendRow(nil, d.Key))]; ok {
			w.result.Parked++
			d.Note = "parked: " + reason
		}
		w.result.Different++
		w.list(d)
	}
	for i := range busy {
		d := w.difference(&busy[i])
		d.What = "busy"
		w.result.Busy++
		w.list(d)
	}
	return nil
}

// list lists a difference, if there is room.
func (w *walk) list(d Difference) {
	if len(w.result.Differences) < w.Listed {
		w.result.Differences = append(w.result.Differences, d)
	}
}

// difference describes a row that differs.
func (w *walk) difference(x *suspect) Difference {
	d := Difference{Key: x.key, What: "differs"}
	left, right := &x.seen[change.Left], &x.seen[change.Right]
	switch {
	case left.bad != nil:
		d.Note = "the left row has no form on the right: " + left.bad.Error()
	case right.bad != nil:
		d.Note = "the right row has no form of the pair: " + right.bad.Error()
	case right.canon == nil && left.canon != nil:
		d.What = "left only"
	case left.canon == nil && right.canon != nil:
		d.What = "right only"
	case left.canon != nil:
		for _, i := range w.differing(left.canon, right.canon) {
			d.Columns = append(d.Columns, w.pair.Columns[i].Name)
		}
	}
	if w.Values {
		d.Left, d.Right = left.canon, right.canon
	}
	return d
}
