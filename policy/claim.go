package policy

import (
	"crypto/sha256"
	"time"

	"fwknopd/policy/conf"
)

// A Claim asks the gateways of a fleet that a message is this one's alone.
type Claim struct {
	Digest [sha256.Size]byte // of the plaintext, as in package replay
	Sent   time.Time         // the message's own time
	Until  time.Time         // when this gateway stops to accept it
	Stanza string            // that grants it
}

// A ClaimAnswer says what became of a [Claim]. The zero value: it is not known.
type ClaimAnswer struct {
	First bool      // it is this gateway's
	Taken bool      // it was claimed before
	By    string    // Taken: the gateway that did; "" if it is not known
	At    time.Time // Taken: when; zero if it is not known
	Never bool      // the fleet answers, and cannot tell whether it was claimed before; Why
	Why   string    // neither first nor taken: the reason
}

// Texts of [Detail] of claims.
const (
	textNoAging  = "without ENABLE_SPA_PACKET_AGING a claim on it would have no end"
	textSequence = "an encrypted sequence has no time, so that a claim on it would have no end"
)

// claim claims a message that all rules of a stanza allow, as the last step before it is granted: nothing
// is claimed that is refused anyway, or that the store knows. The store has the message already, so
// that what is refused here is never granted later. No other stanza can help: a refusal ends the
// evaluation. Nothing is claimed for what opens nothing.
func (e *Engine) claim(r *request, st *stanza, d *Decision) *refusal {
	if st.Shadow || r.dry {
		return nil
	}
	var ref *refusal
	if !e.server.Aging {
		ref = refuse(SPAFleet, textNoAging)
	} else {
		sent := time.Unix(r.msg.Time, 0)
		a := e.opts.Claim(Claim{Digest: sha256.Sum256(r.msg.Plaintext), Sent: sent, Until: sent.Add(e.server.MaxAge), Stanza: st.Title()})
		switch {
		case a.First:
		case a.Taken:
			ref = refuseTaken(&a)
		case !a.Never && e.server.FleetOnPartition == conf.PartitionLocal:
			d.Degraded = true
		default:
			ref = refuse(SPAFleet, a.Why)
		}
	}
	r.ended = ref != nil
	return ref
}

// refuseTaken returns the refusal of a message that another gateway has honoured or may have.
func refuseTaken(a *ClaimAnswer) *refusal {
	ref := refuse(SPAReplay, "claimed by another gateway of the fleet")
	if a.By != "" {
		ref.detail.Text = "claimed by the gateway " + a.By
	}
	if at := a.At; !at.IsZero() {
		ref.detail.FirstSeen = &at
	}
	return ref
}
