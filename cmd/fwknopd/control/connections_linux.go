package control

import (
	"context"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
)

// cut ends the connections through grants that were closed, but for those through one of the
// open ones. rejecter rejects what they send, unless it is nil.
func cut(ctx context.Context, rejecter enforce.Rejecter, closed []enforce.Grant, open func() []enforce.Grant, guard enforce.Guard) (sum enforce.Connections, err error) {
	table := tableOf(rejecter, guard)
	defer table.Close()
	counts, err := table.Cut(ctx, closed, open) // lookAt finds what is left
	for _, n := range counts {
		sum.Add(n)
	}
	return sum, err
}

func tableOf(rejecter enforce.Rejecter, guard enforce.Guard) *conntrack.Table {
	table := &conntrack.Table{Guard: guard}
	if rejecter != nil {
		table.Reject = rejecter.Reject
	}
	return table
}

// lookAt finds the connections through grants that were closed, and with cut ends them. rejecter is
// that of cut.
func lookAt(ctx context.Context, rejecter enforce.Rejecter, closed []enforce.Grant, cut bool, guard enforce.Guard) *Connections {
	table := tableOf(rejecter, guard)
	defer table.Close()
	c := new(Connections)
	found, err := table.Find(ctx, closed)
	switch {
	case err != nil:
		c.Error = "they could not be looked up: " + err.Error()
		return c
	case !cut:
		c.Open = len(found)
		return c
	}
	left, err := table.End(ctx, found)
	if err != nil {
		c.Error = err.Error()
	}
	c.Connections = conntrack.Count(found, left)
	c.Rejected = c.Cut > 0 && rejecter != nil && err == nil
	return c
}
