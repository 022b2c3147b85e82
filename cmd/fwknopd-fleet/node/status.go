package node

import (
	"context"
	"strings"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Status returns what this member knows of the fleet. It asks the fleet, for two seconds at most.
func (n *Node) Status() fleetlink.Status {
	n.examine(context.Background(), true)
	use, why := n.claims.current()
	s := fleetlink.Status{
		V: 1, Name: n.cfg.Name, Group: n.cfg.Group, Fleet: "embedded", Asked: n.now(), Quorum: why == "", Why: why, Members: n.alive.members(),
		Claims: fleetlink.Tally{
			First: n.claims.tally[fleetlink.First].Load(), Taken: n.claims.tally[fleetlink.Taken].Load(),
			Unavailable: n.claims.tally[fleetlink.Unavailable].Load() + n.claims.tally[fleetlink.Unclaimable].Load(),
		},
	}
	if n.server == nil {
		s.Fleet = strings.Join(n.cfg.Servers, ",")
	} else {
		there := n.server.connected()
		for i := range s.Members {
			s.Members[i].Connected = s.Members[i].Self || there[s.Members[i].Name]
		}
	}
	if use.terms != nil {
		s.Bound, s.Beginning = use.terms.Bound.Seconds(), use.terms.beginning
	}
	if use.bucket == nil {
		return s
	}
	info := use.bucket.CachedInfo()
	s.Bucket = fleetlink.Bucket{Claims: info.State.Msgs, Bytes: info.State.Bytes, Replicas: info.Config.Replicas}
	for i := range s.Members {
		s.Members[i].Leader = s.Quorum && info.Cluster != nil && info.Cluster.Leader == s.Members[i].Name
	}
	return s
}
