package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// settleEvery is how often the member that leads looks whether what is stored follows FLEET_PEERS.
const settleEvery = 3 * time.Second

// settles has what is stored follow FLEET_PEERS, until ctx ends.
func (n *Node) settles(ctx context.Context) {
	if n.server == nil || len(n.alive.all) == 1 {
		return
	}
	for Pause(ctx, settleEvery) {
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
			return fmt.Errorf("a member that is not in it keeps its vote: %w", err)
		}
		// By then the server may know its id alone.
		n.log("the vote of a member that is not in FLEET_PEERS any more is not counted from now on")
	}
	if !leads || len(former) > 0 { // first those that are there no more
		return nil
	}
	for s := range n.js.ListStreams(ctx).Info() { // without a leader none: next time
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
	return nil
}

// admit adds an administrator to the settings of a server, whose key this process alone has. Clients
// without a key are those of the fleet.
func (e *embedded) admit(o *server.Options) error {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	if e.administrator, err = pair.PublicKey(); err != nil {
		return err
	}
	e.sign = pair.Sign
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	o.Accounts, o.SystemAccount = []*server.Account{system}, system.Name
	o.Nkeys = []*server.NkeyUser{{Nkey: e.administrator, Account: system}}
	return nil
}

// administer connects as the administrator.
func (e *embedded) administer() (*nats.Conn, error) {
	e.mu.Lock()
	key := nats.Nkey(e.administrator, e.sign)
	e.mu.Unlock()
	return nats.Connect("", nats.InProcessServer(e), key)
}

// holding asks all members what they have stored of a stream, until so many have all records up to last or ctx ends, and returns
// how many have.
func (e *embedded) holding(ctx context.Context, stream string, last uint64, all int) (n int) {
	nc, err := e.administer()
	if err != nil {
		return 0
	}
	defer nc.Close()
	request, err := json.Marshal(server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return 0
	}
	answers, err := nc.SubscribeSync(nats.NewInbox())
	if err != nil || nc.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", answers.Subject, request) != nil {
		return 0
	}
	for answered := 0; n < all && answered < len(members(e.cfg)); answered++ {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		var a struct{ Data server.JSInfo }
		if json.Unmarshal(m.Data, &a) == nil && hasStored(&a.Data, stream, last) {
			n++
		}
	}
	return n
}

// hasStored reports whether a server has stored the records of a stream up to last.
func hasStored(info *server.JSInfo, stream string, last uint64) bool {
	for _, account := range info.AccountDetails {
		for _, s := range account.Streams {
			if s.Name == stream {
				return s.State.LastSeq >= last
			}
		}
	}
	return false
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

// votes counts the members that have a vote, with those that are not in FLEET_PEERS any more; 0: not known,
// or there is one alone.
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
	nc, err := e.administer()
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
