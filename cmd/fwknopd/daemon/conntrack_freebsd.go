package daemon

import (
	"context"
	"errors"

	"fwknopd/enforce"
)

// established tells of each grant whether a connection through it lives.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// openConntrack is refused: with ipfw, connections live by the state that hangs on a rule.
func openConntrack([]uint16) (_ established, done func(), err error) {
	return nil, nil, errors.New("not on freebsd, where keep-state does this")
}
