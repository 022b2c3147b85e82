package node

import (
	"time"
	_ "unsafe" // for the variables of the server
)

// The server waits 4 to 9 seconds for a leader that says nothing before another one is elected,
// which no option changes. Members are few and near each other; knocks do not wait that long.

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var lostQuorumInterval time.Duration

//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var lostQuorumCheck time.Duration

// init sets them before a server can start.
func init() {
	hbInterval = 250 * time.Millisecond
	minElectionTimeout, maxElectionTimeout = 1*time.Second, 2*time.Second
	lostQuorumInterval, lostQuorumCheck = 3*time.Second, time.Second
}
