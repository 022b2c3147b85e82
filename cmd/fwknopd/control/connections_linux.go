package control

import (
	"context"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
)

// lookAt finds the connections through grants that were closed, and with cut ends them.
func lookAt(ctx context.Context, closed []enforce.Grant, cut bool) *Connections {
	table := new(conntrack.Table)
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
	c.Open = len(left)
	for _, f := range found {
		if f.Local {
			c.Ended++
		} else {
			c.Cut++
		}
	}
	for _, l := range left {
		if l.Local {
			c.Ended--
		} else {
			c.Cut--
		}
	}
	return c
}
