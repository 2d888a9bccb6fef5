package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// The kinds of conflict that are provoked, in the order in which they are.
const (
	sameColumn = iota
	differentColumns
	insertInsert
	updateDelete
	deleteUpdate
	deleteDelete
	counter
	keyChange
	uniqueClash
	kinds
)

var kindNames = [kinds]string{
	"update / update, same column", "update / update, different columns", "insert / insert, same key",
	"update / delete", "delete / update", "delete / delete", "counter + / counter -",
	"key change / update", "insert / insert, same unique e-mail",
}

var kindRules = [kinds]string{
	"the later commit wins", "both count", "column by column, the later commit wins",
	"the delete wins", "the delete wins", "gone", "the sum", "the new key stays, the old one is gone",
	"parked until one is changed, then both are there",
}

// expectation is how a provoked row has to be at the end.
type expectation struct {
	kind  int
	id    int64
	holds func(*shop) bool
}

// clash is a pair of customers with one address, of which the right one is changed later.
type clash struct {
	id   int64 // of the one on the right
	heal time.Time
}

// provoker makes conflicts that are certain: it opens a write transaction on both sides,
// writes, and then commits both, so neither can have seen the other. It uses rows that
// nobody else touches, and so knows how each has to end.
type provoker struct {
	*application // of the left side, for names and keys
	db           [2]*sql.DB
	ready        []int64 // customers made for it, oldest first
	clashes      []clash
	expected     []expectation
	// made counts what was provoked, and may be read from any goroutine.
	made [kinds]atomic.Int64
}

// How often a conflict is provoked, and when a clash is healed.
const (
	provokeEvery = 40 * time.Millisecond
	healAfter    = 700 * time.Millisecond
)

func newProvoker(paths [2]string, seed uint64) (*provoker, error) {
	p := &provoker{application: newApplication(left, 99, seed)}
	for s, path := range paths {
		db, err := openFile(path)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.db[s] = db
	}
	return p, nil
}

func (p *provoker) close() error {
	var errs []error
	for _, db := range p.db {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// run provokes conflicts of all kinds in turn until ctx ends, and heals what it broke.
func (p *provoker) run(ctx context.Context) error {
	work := context.WithoutCancel(ctx)
	for kind := 0; sleep(ctx, provokeEvery); {
		if err := p.prepare(work); err != nil {
			return fmt.Errorf("prepare a conflict: %w", err)
		}
		done, err := p.provoke(work, kind)
		if err != nil {
			return fmt.Errorf("provoke %q: %w", kindNames[kind], err)
		}
		if done {
			p.made[kind].Add(1)
			kind = (kind + 1) % kinds
		}
		if err := p.heal(work, time.Now()); err != nil {
			return err
		}
	}
	// The rows of the last clashes become known on both sides before they are changed.
	return p.heal(work, time.Now().Add(healAfter))
}

// prepare makes a customer to be fought over, on either side in turn.
func (p *provoker) prepare(ctx context.Context) error {
	id := p.key()
	s := int(id % 2)
	c := p.customer()
	c.cents = 0
	if _, err := p.db[s].ExecContext(ctx, dialects[s].insertCustomer("INSERT", id, c)); err != nil {
		return err
	}
	p.ready = append(p.ready, id)
	return nil
}

// heal changes the addresses of clashes that are due.
func (p *provoker) heal(ctx context.Context, now time.Time) error {
	for len(p.clashes) > 0 && !p.clashes[0].heal.After(now) {
		if _, err := p.db[right].ExecContext(ctx, modern.setMail(p.clashes[0].id, p.mail())); err != nil {
			return fmt.Errorf("give a customer another address: %w", err)
		}
		p.clashes = p.clashes[1:]
	}
	return nil
}

// provoke makes one conflict. It returns false if no row is ready for it yet.
func (p *provoker) provoke(ctx context.Context, kind int) (bool, error) {
	var txs [2]*sql.Tx
	for s := range txs {
		tx, err := p.db[s].BeginTx(ctx, nil)
		if err != nil {
			return false, err
		}
		defer func() { _ = tx.Rollback() }() // an error when it was committed, as it should be
		txs[s] = tx
	}
	var id int64
	if kind != insertInsert && kind != counter && kind != uniqueClash {
		var err error
		if id, err = p.draw(ctx, txs); id == 0 || err != nil {
			return false, err
		}
	}
	statements, holds, committed := p.fight(kind, id)
	for s, text := range statements {
		if _, err := txs[s].ExecContext(ctx, text); err != nil {
			return false, err
		}
	}
	// Whichever side commits last wins where commit times decide.
	order := [2]int{left, right}
	if p.rng.IntN(2) == 0 {
		order = [2]int{right, left}
	}
	for _, s := range order {
		if err := txs[s].Commit(); err != nil {
			return false, err
		}
	}
	if committed != nil {
		committed()
	}
	p.expected = append(p.expected, expectation{kind, id, holds})
	return true, nil
}

// draw takes the oldest prepared customer, if both sides have it by now.
func (p *provoker) draw(ctx context.Context, txs [2]*sql.Tx) (int64, error) {
	if len(p.ready) == 0 {
		return 0, nil
	}
	id := p.ready[0]
	for s, tx := range txs {
		var n int
		query := fmt.Sprintf("SELECT count(*) FROM %s WHERE %s = %d", dialects[s].customers, dialects[s].customerID, id)
		if err := tx.QueryRowContext(ctx, query).Scan(&n); err != nil || n == 0 {
			return 0, err
		}
	}
	p.ready = p.ready[1:]
	return id, nil
}

// fight returns what each side does in a conflict, how it has to end, and what to note when
// both did it.
func (p *provoker) fight(kind int, id int64) (statements [2]string, holds func(*shop) bool, committed func()) {
	gone := func(s *shop) bool { _, ok := s.customers[id]; return !ok }
	one, two, fresh := p.customer(), p.customer(), p.key()
	switch kind {
	case sameColumn:
		statements = [2]string{legacy.setName(id, one.name), modern.setName(id, two.name)}
		holds = func(s *shop) bool {
			got, ok := s.customers[id]
			return ok && (got.name == one.name || got.name == two.name)
		}
	case differentColumns:
		statements = [2]string{legacy.setName(id, one.name), modern.setCredit(id, two.cents)}
		holds = func(s *shop) bool {
			got := s.customers[id]
			return got.name == one.name && got.cents == two.cents
		}
	case insertInsert:
		statements = [2]string{legacy.insertCustomer("INSERT", fresh, one), modern.insertCustomer("INSERT", fresh, two)}
		holds = func(s *shop) bool {
			got := s.customers[fresh]
			return (got.name == one.name || got.name == two.name) && (got.mail == one.mail || got.mail == two.mail) &&
				(got.cents == one.cents || got.cents == two.cents)
		}
	case updateDelete:
		statements, holds = [2]string{legacy.setName(id, one.name), modern.deleteCustomer(id)}, gone
	case deleteUpdate:
		statements, holds = [2]string{legacy.deleteCustomer(id), modern.setCredit(id, two.cents)}, gone
	case deleteDelete:
		statements, holds = [2]string{legacy.deleteCustomer(id), modern.deleteCustomer(id)}, gone
	case keyChange:
		statements = [2]string{legacy.moveCustomer(id, fresh, one.mail), modern.setName(id, two.name)}
		holds = func(s *shop) bool { return gone(s) && s.customers[fresh].mail == one.mail }
	case uniqueClash:
		two.mail = one.mail
		other := p.key()
		statements = [2]string{legacy.insertCustomer("INSERT", fresh, one), modern.insertCustomer("INSERT", other, two)}
		holds = func(s *shop) bool {
			return s.customers[fresh] == one && s.customers[other].name == two.name && s.customers[other].mail != one.mail
		}
		committed = func() { p.clashes = append(p.clashes, clash{other, time.Now().Add(healAfter)}) }
	case counter:
		sku, plus, minus := p.hot(), 1+p.rng.Int64N(9), 1+p.rng.Int64N(9)
		statements = [2]string{legacy.addStock(sku, plus), modern.addStock(sku, -minus)}
		holds = func(*shop) bool { return true } // the ledger of stock tells
		committed = func() { p.ledger.stock[sku] += plus - minus }
	}
	return statements, holds, committed
}
