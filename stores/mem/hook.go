package mem

import (
	"context"
	"fmt"
)

// Hook is a place for faults. It is called around every operation of a source, a looker or
// a sink: with the operation's name before it, and with the name and " done" after it had
// its effect. The error that it returns is the operation's, so an effect whose answer was
// lost is an error from, say, "apply done". A nil Hook does nothing.
type Hook func(op string) error

// Around runs one operation with the hook around it. An operation that fails is not done,
// and none is begun once ctx has ended.
func (h Hook) Around(ctx context.Context, op string, run func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if h == nil {
		return run()
	}
	if err := h(op); err != nil {
		return err
	}
	if err := run(); err != nil {
		return err
	}
	return h(op + " done")
}
