package daemon

import (
	"context"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
)

// established reports for each grant whether a connection through it is alive.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// openConntrack opens the kernel's connection tracking table.
func openConntrack(ports []uint16) (_ established, done func(), err error) {
	table, err := conntrack.Open(ports)
	if err != nil {
		return nil, nil, err
	}
	return table.Established, func() { table.Close() }, nil
}
