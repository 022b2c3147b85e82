package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// settleEvery is how often the member that leads looks whether what is stored follows FLEET_PEERS.
const settleEvery = 3 * time.Second

// administrator is the user by which this process speaks to its server as one of the system account.
const administrator = "fwknopd"

// settles has what is stored follow FLEET_PEERS, until ctx ends.
func (n *Node) settles(ctx context.Context) {
	if n.server == nil || len(n.alive.all) == 1 {
		return
	}
	for pause(ctx, settleEvery) {
		if !n.alive.agreed() {
			continue
		}
		if err := n.settle(ctx); err != nil && ctx.Err() == nil {
			n.logSome("FLEET_PEERS has changed, what is stored does not follow yet: %v", err)
		}
	}
}

// settle takes those members out of the count of votes that are not in FLEET_PEERS any more, and then gives each
// stream as many replicas as there are to be. The member that leads does so, and only while all are there
// and have the same members in their lines: until then one may be about to be added.
func (n *Node) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	former, leads := n.server.former(n.alive.all)
	for _, m := range former {
		if err := n.server.remove(ctx, m); err != nil {
			return fmt.Errorf("%s stays a member: %w", m.Name, err)
		}
		n.log(fmt.Sprintf("%s is not in FLEET_PEERS any more: its vote is not counted from now on", m.Name))
	}
	if !leads || len(former) > 0 { // first those that are there no more
		return nil
	}
	list := n.js.ListStreams(ctx)
	for s := range list.Info() {
		c := s.Config
		if c.Replicas == n.replicas() {
			continue
		}
		c.Replicas = n.replicas()
		if _, err := n.js.UpdateStream(ctx, c); err != nil {
			return fmt.Errorf("%s on %d members in place of %d: %w", c.Name, s.Config.Replicas, c.Replicas, err)
		}
		n.log(fmt.Sprintf("%s is stored on %d members from now on", c.Name, c.Replicas))
	}
	return list.Err()
}

// admit adds the administrator to the settings of a server. Clients are this process alone, and without a name
// they are those of the fleet.
func (e *embedded) admit(o *server.Options) {
	e.secret = rand.Text()
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	o.Accounts, o.SystemAccount = []*server.Account{system}, system.Name
	o.Users = []*server.User{{Username: administrator, Password: e.secret, Account: system}}
}

// former returns the members with a vote that are not among all, if this member leads those that have one.
func (e *embedded) former(all []fleetlink.Peer) (list []*server.PeerInfo, leads bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why != "" || !e.server.JetStreamIsLeader() {
		return nil, false
	}
	info, err := e.server.Jsz(nil)
	if err != nil || info.Meta == nil {
		return nil, false
	}
	known := 1 // this one
	for _, p := range info.Meta.Replicas {
		if slices.ContainsFunc(all, func(m fleetlink.Peer) bool { return m.Name == p.Name }) {
			known++
		} else {
			list = append(list, p)
		}
	}
	// A member whose name is not known yet looks like a former one.
	if known < len(all) {
		return nil, false
	}
	return list, true
}

// votes counts the members that have a vote, with those that are not in FLEET_PEERS any more; 0: not known, or there is one alone.
func (e *embedded) votes() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	info, err := e.server.Jsz(nil)
	if e.why != "" || err != nil || info.Meta == nil {
		return 0
	}
	return info.Meta.Size
}

// remove takes a member out of those that have a vote.
func (e *embedded) remove(ctx context.Context, m *server.PeerInfo) error {
	e.mu.Lock()
	secret := e.secret
	e.mu.Unlock()
	nc, err := nats.Connect("", nats.InProcessServer(e), nats.UserInfo(administrator, secret))
	if err != nil {
		return err
	}
	defer nc.Close()
	request, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Peer: m.Peer})
	if err != nil {
		return err
	}
	answer, err := nc.RequestWithContext(ctx, server.JSApiRemoveServer, request)
	if err != nil {
		return err
	}
	var done server.JSApiMetaServerRemoveResponse
	if err := json.Unmarshal(answer.Data, &done); err != nil {
		return err
	}
	if done.Error != nil {
		return errors.New(done.Error.Description)
	}
	return nil
}
