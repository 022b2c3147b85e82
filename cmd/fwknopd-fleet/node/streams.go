package node

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Stream returns a stream for what else the fleet stores, with the settings of want but for its
// replicas, of which there are as many as of claims. It is made where there is none.
func (n *Node) Stream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	want.Replicas = n.replicas()
	return FindOrMake(ctx, n.js, want)
}

// Name returns the name of this member.
func (n *Node) Name() string { return n.cfg.Name }

// Members returns the members that are known, by their names.
func (n *Node) Members() []fleetlink.Member { return n.alive.members() }
