package keymap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"pgregory.net/rapid"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/keymap"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/router"
	"github.com/cdcsync/cdcsync/sinks"
	memsink "github.com/cdcsync/cdcsync/sinks/mem"
	memsource "github.com/cdcsync/cdcsync/sources/mem"
	"github.com/cdcsync/cdcsync/stores/mem"
)

// family is two stores of parents and children that count their keys up by themselves.
type family struct {
	t      *rapid.T
	stores [2]*mem.Store
	tables [2][2]*change.Table // by side: parents, children
	pairs  []*mapping.Pair
	writes [2]bool
	// names gives every row a name, by which it is known on both sides.
	names int
	// left is how many operations of the link go well before one fails; below 0: all do.
	left atomic.Int64
}

func newFamily(t *rapid.T, writes [2]bool) *family {
	f := &family{t: t, writes: writes}
	f.left.Store(-1)
	for s, prefix := range []string{"l_", "r_"} {
		parents := &change.Table{Name: prefix + "parents", Key: []int{0}, Columns: []change.Column{
			{Name: "id", Kind: change.Int64}, {Name: "name", Kind: change.Text}, {Name: "note", Kind: change.Int64}}}
		children := &change.Table{Name: prefix + "children", Key: []int{0}, Columns: []change.Column{
			{Name: "id", Kind: change.Int64}, {Name: "name", Kind: change.Text}, {Name: "note", Kind: change.Int64},
			{Name: "parent", Kind: change.Int64}, {Name: "elder", Kind: change.Int64, Nullable: true}}}
		f.tables[s] = [2]*change.Table{parents, children}
		f.stores[s] = mem.New(parents, children)
		f.stores[s].Foreign(children.Name, "parent", parents.Name)
		f.stores[s].Foreign(children.Name, "elder", children.Name)
		f.stores[s].Unique(parents.Name, "name")
		f.stores[s].BareEchoes = true
	}
	f.stores[1].Draw(f.tables[1][0].Name, 100) // the counts are not in step
	for i, name := range []string{"parents", "children"} {
		spec := mapping.Spec{Name: name, Tables: [2]*change.Table{f.tables[0][i], f.tables[1][i]}, Writes: writes,
			Columns: []mapping.ColumnSpec{{Name: "id", KeyOf: name}}}
		if name == "children" {
			spec.Columns = append(spec.Columns, mapping.ColumnSpec{Name: "parent", KeyOf: "parents"}, mapping.ColumnSpec{Name: "elder", KeyOf: "children"})
		}
		pair, problems := mapping.Compile(spec)
		if problems != nil {
			t.Fatal(problems)
		}
		f.pairs = append(f.pairs, pair)
	}
	return f
}

var errCrash = errors.New("the process is gone")

func (f *family) hook(string) error {
	if f.left.Load() >= 0 && f.left.Add(-1) < 0 {
		f.left.Store(0)
		return errCrash
	}
	return nil
}

// link returns a new instance of the link.
func (f *family) link() *router.Link {
	cfg := router.Config{Name: "link", Log: hclog.NewNullLogger(), Limits: router.Limits{Rows: 1000, Bytes: 1 << 20, Chunk: 3}}
	for _, p := range f.pairs {
		cfg.Pairs = append(cfg.Pairs, router.Pair{Pair: p})
	}
	for s := range cfg.Stores {
		side := change.Side(s)
		var keys sinks.Keys
		if f.writes[s] {
			drawn := memsink.NewKeys(f.stores[s], "link")
			drawn.Hook = f.hook
			keys = drawn
		}
		m := keymap.New(side, f.pairs, keys)
		looker := memsource.NewLooker(f.stores[s])
		looker.Hook = f.hook
		cfg.Stores[s].Looker = keymap.NewLooker(looker, m)
		if f.writes[s] {
			sink := memsink.New(f.stores[s], "link")
			sink.Hook = f.hook
			cfg.Stores[s].Sink = keymap.NewSink(sink, m)
		}
		if f.writes[1-s] {
			source, err := memsource.New(f.stores[s], "link", f.pairs[0].Tables[s], f.pairs[1].Tables[s])
			if err != nil {
				f.t.Fatal(err)
			}
			source.Hook = f.hook
			cfg.Stores[s].Source = keymap.NewSource(source, m)
		}
	}
	return router.NewLink(cfg)
}

// work is a transaction of an application on side s.
func (f *family) work(s int) {
	store, parents, children := f.stores[s], f.tables[s][0].Name, f.tables[s][1].Name
	var do []func(tx *mem.Tx) error
	for range rapid.IntRange(1, 4).Draw(f.t, "statements") {
		note := change.Int(rapid.Int64Range(0, 9).Draw(f.t, "note"))
		pick, kind := rapid.IntRange(0, 1<<20).Draw(f.t, "pick"), rapid.SampledFrom([]string{"parent", "child", "note", "move", "delete"}).Draw(f.t, "statement")
		f.names++
		label := change.TextValue(fmt.Sprintf("n%d", f.names))
		if pick%3 == 0 {
			label = change.TextValue(fmt.Sprintf("elder%d", f.names)) // is never deleted
		}
		var key change.Value
		switch kind {
		case "parent":
			key = change.Int(store.Draw(parents, 1)[0])
		case "child":
			key = change.Int(store.Draw(children, 1)[0])
		}
		do = append(do, func(tx *mem.Tx) error {
			all, kids := tx.Rows(parents), tx.Rows(children)
			elders := slices.DeleteFunc(tx.Rows(children), func(row change.Row) bool { return !strings.HasPrefix(row[1].Str(), "elder") })
			any := func(rows []change.Row) change.Value {
				if len(rows) == 0 {
					return change.NullValue()
				}
				return rows[pick%len(rows)][0]
			}
			switch {
			case kind == "parent":
				return tx.Insert(parents, change.Row{key, label, note})
			case kind == "child" && len(all) > 0:
				return tx.Insert(children, change.Row{key, label, note, any(all), any(elders)})
			case kind == "note" && len(all) > 0:
				return tx.Update(parents, change.Row{any(all)}, change.Row{{}, {}, note})
			case kind == "move" && len(kids) > 0:
				return tx.Update(children, change.Row{any(kids)}, change.Row{{}, {}, note, any(all), {}})
			case kind == "delete" && len(kids) > 0 && !strings.HasPrefix(kids[pick%len(kids)][1].Str(), "elder"):
				return tx.Delete(children, change.Row{any(kids)})
			}
			return nil
		})
	}
	err := store.Write(func(tx *mem.Tx) error {
		for _, d := range do {
			if err := d(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// run runs an instance of the link until do returns, and takes crashes for what they are.
func (f *family) run(do func(l *router.Link)) {
	ctx, cancel := context.WithCancel(context.Background())
	l := f.link()
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	do(l)
	cancel()
	if err := <-done; err != nil && !errors.Is(err, errCrash) {
		f.t.Fatal(err)
	}
}

// settle runs the link until everything is on both sides.
func (f *family) settle() {
	f.left.Store(-1)
	f.run(func(l *router.Link) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		for {
			if err := l.Barrier(ctx); err != nil {
				f.t.Fatal(err)
			}
			parked, err := l.Parked(ctx)
			if err != nil {
				f.t.Fatal(err)
			}
			if len(parked) == 0 {
				return
			}
			if ctx.Err() != nil {
				f.t.Fatalf("rows are still parked: %+v", parked)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// content is what a side has, by the names of its rows.
func (f *family) content(s int) map[string]string {
	names, content := map[string]string{}, map[string]string{}
	for i := range f.tables[s] {
		for _, row := range f.stores[s].Rows(f.tables[s][i].Name) {
			names[fmt.Sprint(i, row[0])] = row[1].Str()
		}
	}
	for i := range f.tables[s] {
		for _, row := range f.stores[s].Rows(f.tables[s][i].Name) {
			text := row[2].String()
			if i == 1 {
				text += " of " + names[fmt.Sprint(0, row[3])] + " after " + names[fmt.Sprint(1, row[4])]
			}
			if content[row[1].Str()] != "" {
				f.t.Errorf("side %d has %s twice", s, row[1])
			}
			content[row[1].Str()] = text
		}
	}
	return content
}

func (f *family) check() {
	left, right := f.content(0), f.content(1)
	if !maps.Equal(left, right) {
		f.t.Errorf("left  %v\nright %v", left, right)
	}
}

// Whatever the applications of both sides do, and whenever the link is killed, both have the same
// rows in the end, each once, that refer to the same ones.
func TestBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFamily(t, [2]bool{true, true})
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			f.work(rapid.IntRange(0, 1).Draw(t, "side"))
		}
		for range rapid.IntRange(1, 4).Draw(t, "instances") {
			f.left.Store(rapid.Int64Range(0, 60).Draw(t, "operations"))
			f.run(func(*router.Link) {
				for range rapid.IntRange(0, 6).Draw(t, "transactions") {
					f.work(rapid.IntRange(0, 1).Draw(t, "side"))
					if rapid.Bool().Draw(t, "wait") {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		f.settle()
		f.check()
	})
}

// A link that runs one way draws keys on the other side only.
func TestOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFamily(t, [2]bool{change.Right: true})
		f.work(0)
		for range rapid.IntRange(1, 3).Draw(t, "instances") {
			f.left.Store(rapid.Int64Range(0, 60).Draw(t, "operations"))
			f.run(func(*router.Link) {
				for range rapid.IntRange(0, 6).Draw(t, "transactions") {
					f.work(0)
				}
			})
		}
		f.settle()
		f.check()
	})
}
