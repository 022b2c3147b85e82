package daemon

import (
	"context"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
)

// established tells of each grant whether a connection through it lives.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// openConntrack opens the kernel's table of connections.
func openConntrack(ports []uint16) (_ established, done func(), err error) {
	table, err := conntrack.Open(ports)
	if err != nil {
		return nil, nil, err
	}
	return table.Established, func() { table.Close() }, nil
}
