package node

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
		s.Votes = n.server.votes()
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
	info, have := n.complete(use.bucket)
	s.Bucket = fleetlink.Bucket{Claims: info.State.Msgs, Bytes: info.State.Bytes, Replicas: info.Config.Replicas, Current: have}
	for i := range s.Members {
		s.Members[i].Leader = s.Quorum && info.Cluster != nil && info.Cluster.Leader == s.Members[i].Name
	}
	return s
}

// complete returns what is known of a bucket, and how many members have all of it. A member that has not stored the last record yet,
// but does so soon, counts as one that has. The one that leads knows what it gave to the others, but not whether they still get the
// records in front of it: that they say themselves.
func (n *Node) complete(bucket jetstream.Stream) (info *jetstream.StreamInfo, have int) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	for info = bucket.CachedInfo(); ; {
		if have = current(info); have == info.Config.Replicas && have > 1 && n.server != nil {
			have = n.server.holding(ctx, streamName, info.State.LastSeq, have)
		}
		if have == info.Config.Replicas || !Pause(ctx, completeTime/20) {
			return info, have
		}
		if later, err := bucket.Info(ctx); err == nil {
			info = later
		}
	}
}

// completeTime is for the last record to get to all members.
const completeTime = time.Second

// current counts the members to which the one that leads has given all that a stream stores.
func current(info *jetstream.StreamInfo) int {
	if info.Cluster == nil {
		return 1
	}
	n := 1 // the one that leads
	for _, p := range info.Cluster.Replicas {
		if p.Current && !p.Offline {
			n++
		}
	}
	return n
}
