package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// answerTime bounds a claim, and leaves some of fleetlink.ClaimTime to the way of the answer.
const answerTime = fleetlink.ClaimTime - 50*time.Millisecond

// Claim makes the message this gateway's unless it was claimed before, by this gateway too:
// what a claim that failed has left behind is a refusal. While there is no quorum it answers
// at once.
func (n *Node) Claim(ctx context.Context, c fleetlink.Claim) fleetlink.Answer {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	a := n.claim(ctx, c)
	n.claims.count(a.Verdict)
	return a
}

func (n *Node) claim(ctx context.Context, c fleetlink.Claim) fleetlink.Answer {
	now := n.now()
	use, why := n.claims.current()
	if why != "" {
		return refuse(why)
	}
	ttl, err := use.terms.admit(c, now)
	if err != nil {
		return fleetlink.Answer{Verdict: fleetlink.Unclaimable, Why: err.Error()}
	}
	value := encode(claimValue{1, now.UTC(), n.cfg.Name, c.Stanza[:min(len(c.Stanza), fleetlink.MaxStanza)]})
	key := claimKey(c)
	revision, err := n.create(ctx, key, value, ttl)
	if isTaken(err) {
		return use.holder(ctx, key)
	}
	if err == nil {
		err = n.confirm(ctx, use, revision, now)
	}
	if err != nil {
		why := Reason(err)
		n.claims.fail(why)
		return refuse(why)
	}
	return fleetlink.Answer{Verdict: fleetlink.First}
}

// claimKey is the subject of the record of a claim.
func claimKey(c fleetlink.Claim) string {
	return keys + base64.RawURLEncoding.EncodeToString(c.Digest[:])
}

// refuse returns that a claim is unavailable.
func refuse(why string) fleetlink.Answer {
	return fleetlink.Answer{Why: why[:min(len(why), fleetlink.MaxWhy)]}
}

// admit returns how long a claim has to live, 0 for ever, or an error if the bucket cannot
// promise that the message is claimed once.
func (t *terms) admit(c fleetlink.Claim, now time.Time) (ttl time.Duration, err error) {
	ahead := max(c.Sent.Sub(now), 0)
	switch {
	case c.Sent.IsZero():
		// Claims on it may have been lost with an earlier bucket, which its time would tell.
		return 0, errors.New("the message has no time of its own, so that the fleet cannot tell whether it is older than the claims it has")
	case c.Sent.Before(t.beginning.Add(skew)):
		return 0, fmt.Errorf("the message is older than the claims of the fleet, which begin at %s",
			t.beginning.Add(skew).UTC().Format(time.RFC3339))
	case ahead > skew:
		// Else it could outlive the bucket that it is claimed in, and be newer than the next one.
		return 0, fmt.Errorf("the message is dated %v ahead of the clock: a fleet takes %v at most", ahead.Round(time.Second), skew)
	case t.Bound == 0:
		return 0, nil
	case c.Until.IsZero():
		return 0, fmt.Errorf("the message is accepted for ever, the fleet keeps claims for messages of %v", t.Bound)
	}
	// Whole seconds are what a server counts in.
	ttl = (ahead + lifetime(t.Bound)).Truncate(time.Second) + time.Second
	if c.Until.After(now.Add(ttl)) {
		return 0, fmt.Errorf("the message is accepted for longer than the fleet keeps claims, for messages of %v", t.Bound)
	}
	return ttl, nil
}

// create stores a value under a key that has none. That the server's answer is lost is an
// error, whether the value is stored or not.
func (n *Node) create(ctx context.Context, key string, value []byte, ttl time.Duration) (revision uint64, err error) {
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0)}
	if ttl > 0 {
		options = append(options, jetstream.WithMsgTTL(ttl))
	}
	ack, err := n.js.Publish(ctx, key, value, options...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// isTaken reports whether the key of a create has a value, or is about to get one.
func isTaken(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// confirm returns an error unless the bucket is the one that was looked at, and the clock of
// the member that leads agrees with ours: ours was at asked before the claim.
func (n *Node) confirm(ctx context.Context, use usable, revision uint64, asked time.Time) error {
	var begun *jetstream.RawStreamMsg
	var lost error
	var second sync.WaitGroup
	second.Go(func() { begun, lost = use.bucket.GetLastMsgForSubject(ctx, termsKey) }) // both at once: they are on the way of a grant
	stored, err := use.bucket.GetMsg(ctx, revision)
	second.Wait()
	switch {
	case err != nil:
		return err
	case lost != nil && !errors.Is(lost, jetstream.ErrMsgNotFound):
		return lost
	case lost != nil || begun.Sequence != use.terms.revision || !begun.Time.Equal(use.terms.beginning):
		return errLost
	}
	return n.sameClock(stored.Time, asked)
}

// errLost says that the bucket of the claims is not the one that it was.
var errLost = errors.New("the fleet has lost its claims, and begins anew")

// sameClock returns an error if the fleet's clock, which was at stored between asked and now, is
// further away from ours than allowed.
func (n *Node) sameClock(stored, asked time.Time) error {
	if now := n.now(); stored.Before(asked.Add(-skew)) || stored.After(now.Add(skew)) {
		return fmt.Errorf("the clock of this gateway is %v away from that of the fleet, more than %v",
			now.Sub(stored).Abs().Round(time.Second), skew)
	}
	return nil
}

// holder says who has the message. A record that cannot be read, or is not there yet, was
// claimed all the same.
func (u usable) holder(ctx context.Context, key string) fleetlink.Answer {
	a := fleetlink.Answer{Verdict: fleetlink.Taken}
	record, err := u.bucket.GetLastMsgForSubject(ctx, key)
	if err != nil {
		return a
	}
	a.At = record.Time
	if v, err := decodeClaim(record.Data); err == nil {
		a.By = v.Gateway
	}
	return a
}
