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
	hbInterval = 200 * time.Millisecond
	minElectionTimeout, maxElectionTimeout = 800*time.Millisecond, 1600*time.Millisecond
	lostQuorumInterval, lostQuorumCheck = 3*time.Second, time.Second
}
