package enforce

import (
	"context"
	"net/netip"
)

// Connections counts what became of the connections through grants that have ended.
type Connections struct {
	Open  int `json:"open"`  // that go on
	Ended int `json:"ended"` // of sockets of this host
	Cut   int `json:"cut"`   // forwarded or by UDP: the firewall does not know them any more, or rejects them
}

// Add adds the counts of o.
func (c *Connections) Add(o Connections) {
	c.Open, c.Ended, c.Cut = c.Open+o.Open, c.Ended+o.Ended, c.Cut+o.Cut
}

// A Flow is a connection as a firewall can tell its packets from those of others. All
// addresses are of one family.
type Flow struct {
	Proto  Proto          // TCP or UDP
	Client netip.AddrPort // where it comes from, before any translation
	Dst    netip.AddrPort // what the client sends to
	Server netip.AddrPort // what answers: Dst, or what that is translated to
}

// A Rejecter is a firewall that can reject packets of connections which have ended, where the
// firewall would take them for those of a new one.
type Rejecter interface {
	// Reject rejects, for a bounded time, what belongs to the connections, in both directions
	// and whatever connection tracking says, but for those that an open grant lets in. Change
	// ends that for the client and the ports of a grant that it opens, in one transaction.
	// [ErrTooManyFlows], wrapped, comes when the others are rejected.
	Reject(ctx context.Context, flows []Flow) error
}
