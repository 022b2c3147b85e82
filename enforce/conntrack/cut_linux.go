package conntrack

import (
	"context"
	"slices"

	"fwknopd/enforce"
)

// Cut ends the connections that go through grants which have ended and through none of those
// that open returns; it is called when the connections are found, since a client may have
// another grant by then. The counts are by ended grant: a connection through several counts for
// the first. An error with counts is that of [Table.End].
func (t *Table) Cut(ctx context.Context, ended []enforce.Grant, open func() []enforce.Grant) ([]enforce.Connections, error) {
	found, err := t.Find(ctx, ended)
	if err != nil {
		return nil, err
	}
	here, err := t.host()
	if err != nil {
		return nil, err
	}
	still := newClients(open(), here)
	found = slices.DeleteFunc(found, func(c Connection) bool { return still.carry(&c) })
	left, err := t.End(ctx, found)
	counts := make([]enforce.Connections, len(ended))
	count(found, left, func(c *Connection) *enforce.Connections { return &counts[c.grant] })
	return counts, err
}

// Count returns what became of connections, of which some are left, see [Table.End].
func Count(found, left []Connection) (n enforce.Connections) {
	count(found, left, func(*Connection) *enforce.Connections { return &n })
	return n
}

func count(found, left []Connection, of func(*Connection) *enforce.Connections) {
	for i := range found {
		of(&found[i]).Add(found[i].over(1))
	}
	for i := range left {
		n := of(&left[i])
		n.Add(left[i].over(-1))
		n.Open++
	}
}

// over counts a connection as over by how it ends.
func (c *Connection) over(n int) enforce.Connections {
	if c.Local {
		return enforce.Connections{Ended: n}
	}
	return enforce.Connections{Cut: n}
}
