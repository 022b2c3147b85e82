package daemon

import (
	"context"
	"errors"

	"fwknopd/enforce"
)

// established reports for each grant whether a connection through it is alive.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// openConntrack returns an error: with ipfw, keep-state rules keep connections alive.
func openConntrack([]uint16) (_ established, done func(), err error) {
	return nil, nil, errors.New("not on freebsd, where keep-state does this")
}
