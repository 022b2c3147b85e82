package node

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Stream returns a stream of what the fleet stores, with the settings of want but for its replicas. It is
// made where there is none. Of those of an embedded fleet the number of replicas follows that of the
// members by and by, see [Node.settle]; in an outside cluster too few are an error.
func (n *Node) Stream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	want.Replicas = n.replicas()
	s, err := FindOrMake(ctx, n.js, want)
	if err != nil || n.server != nil {
		return s, err
	}
	if have := s.CachedInfo().Config.Replicas; have < want.Replicas {
		return nil, fmt.Errorf("stream %s has the wrong settings: %d replicas in place of %d", want.Name, have, want.Replicas)
	}
	return s, nil
}

// Name returns the name of this member.
func (n *Node) Name() string { return n.cfg.Name }

// Members returns the members that are known, by their names.
func (n *Node) Members() []fleetlink.Member { return n.alive.members() }
