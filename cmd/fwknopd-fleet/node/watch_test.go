package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
)

// leaderless is the answer of a member while none leads.
const leaderless = `{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`

// TestAsksAgain: what was asked while no member led, and is never answered, is asked again. Where a claim has
// failed meanwhile, what was asked before no longer counts.
func TestAsksAgain(t *testing.T) {
	t.Parallel()
	s := fleetlab.Start(t, server.Options{})
	for _, fails := range []bool{false, true} {
		cfg := outsideConfig("gw1", s.Addr().String())
		n := &Node{cfg: cfg, now: time.Now, alive: newAlive(cfg, time.Now), claims: newClaims(nil)}
		var err error
		if n.nc, err = nats.Connect(s.ClientURL()); err != nil {
			t.Fatal(err)
		}
		defer n.nc.Close()
		if n.js, err = jetstream.New(n.nc); err != nil {
			t.Fatal(err)
		}
		var first *nats.Msg
		answering, err := n.nc.Subscribe("$JS.API.STREAM.INFO.>", func(m *nats.Msg) {
			switch {
			case first == nil:
				if first = m; fails {
					n.claims.fail(NoQuorum)
				}
			case fails:
				_ = first.Respond([]byte(leaderless))
			default:
				_ = m.Respond([]byte(leaderless))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.ask(t.Context(), false); errors.Is(err, context.DeadlineExceeded) != fails || Reason(err) != NoQuorum {
			t.Errorf("a claim fails: %v: %v", fails, err)
		}
		if err := answering.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}
