package policy

import (
	"crypto/sha256"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/spa"
)

// An Announcement says that another gateway of the group has honoured a message. By, Holder and
// Claimed are what the fleet knows; the rest is the word of that gateway.
type Announcement struct {
	By      string            // the gateway that announces it
	Digest  [sha256.Size]byte // of the plaintext, under which the claim was looked for
	Holder  string            // the gateway that has claimed it; "": no claim is stored
	Claimed time.Time         // when, by the clock of the fleet
	End     time.Time         // of the grant there
}

// ClockSkew is by how much the clocks of the gateways of a fleet may differ.
const ClockSkew = 30 * time.Second

// ClaimLife returns how long a claim is stored, in a fleet whose gateways accept messages for maxAge.
func ClaimLife(maxAge time.Duration) time.Duration { return 2*maxAge + ClockSkew }

// Texts of [Detail] of announcements.
const (
	textOtherDigest  = "the message is not the one that was announced"
	textNoHolder     = "no claim on it is stored"
	textClaimTime    = "the claim is of another time than the message can be"
	textPacketSource = "the message does not hold the address that it opens, and the word of another gateway is not taken for that of a packet"
	textInsideSource = "the address in the message is not in SOURCE, and the word of another gateway is not taken for where the packet came from"
	textInterface    = "the stanza has RESTRICT_INTF, and the word of another gateway is not taken for the interface"
	textBlacklisted  = "the address in the message is in BLACKLIST"
	textNoCommands   = "no command is run for a message that came to another gateway"
)

// DecideAnnounced decides a message that another gateway of the group has honoured, as [Engine.Decide]
// does a packet that came here, with ev as that gateway has described the packet. What differs:
//
//   - no sequences are looked for, and no commands are run;
//   - the message has to hold the address that it opens, in SOURCE and not in BLACKLIST, as no other
//     gateway may choose it, and a stanza with RESTRICT_INTF opens nothing;
//   - nothing is claimed: the claim has to be that of the gateway that announces the message. The
//     age of the message, and a one-time code, are judged by its time;
//   - the grant ends when that of the other gateway does, and no later than one of this gateway that
//     began with the claim;
//   - the limits on packets of strangers are left alone. The caller bounds announcements.
//
// A use of ACCESS_USES is counted where the message opens, at this gateway too, so that a message is
// one use at each gateway; one that is refused is none.
func (e *Engine) DecideAnnounced(now time.Time, ev *parse.Event, a *Announcement) (d Decision) {
	e.request.announced = a
	defer func() { e.request.announced = nil }()
	e.decideMessage(now, ev, &d)
	d.setAnnounced(a.By)
	e.syncFor(&d)
	return d
}

func (d *Decision) setAnnounced(by string) {
	d.Announced = by
	for i := range d.Others {
		d.Others[i].Announced = by
	}
}

// checkAnnounced checks what no stanza can change about an announcement. The store has the message
// already, so that what is refused here is never granted later.
func (e *Engine) checkAnnounced(r *request) (ref *refusal) {
	a, limit := r.announced, e.server.MaxAge
	switch {
	case sha256.Sum256(r.msg.Plaintext) != a.Digest:
		ref = refuse(FleetHolder, textOtherDigest)
	case a.Holder == "":
		ref = refuse(FleetHolder, textNoHolder)
	case a.Holder != a.By:
		ref = &refusal{FleetHolder, Detail{Want: a.Holder, Got: a.By}}
	case !e.server.Aging:
		ref = refuse(FleetHolder, textNoAging)
	case a.Claimed.After(r.now.Add(ClockSkew)) || a.Claimed.Before(r.now.Add(-ClaimLife(limit))):
		ref = refuse(FleetHolder, textClaimTime)
	case !a.End.After(r.now):
		ref = refuseEnded(a)
	case e.server.Blacklist.Contains(r.msg.Allow): // as it would be if the packet had come here, from there
		ref = refuse(SPASource, textBlacklisted)
	default:
		return nil
	}
	r.ended = true
	return ref
}

func refuseEnded(a *Announcement) *refusal {
	return refuse(FleetEnded, "since "+a.End.UTC().Format(time.RFC3339))
}

// checkStanza checks what a stanza may do about an announcement.
func (a *Announcement) checkStanza(r *request, st *stanza) *refusal {
	first, second := r.addresses(st.Stanza)
	switch {
	case r.msg.Type == spa.Command || st.external != nil:
		return refuse(FleetCommand, textNoCommands)
	case r.msg.Allow.IsUnspecified() || first != r.msg.Allow || second.IsValid():
		return refuse(FleetAddress, textPacketSource)
	case st.Interface != "":
		return refuse(FleetAddress, textInterface)
	case !st.Source.Contains(r.msg.Allow):
		return &refusal{FleetAddress, Detail{Got: r.msg.Allow.String(), Text: textInsideSource}}
	}
	return nil
}

// shorten ends a grant when that of the other gateway ends, and when one of life, 0 for ever, would
// that began with the claim.
func (a *Announcement) shorten(g *enforce.Grant, now time.Time, life time.Duration) *refusal {
	if own := a.Claimed.Add(life); life > 0 && own.Before(g.Expires) {
		g.Expires = own
	}
	if g.Expires.IsZero() || a.End.Before(g.Expires) {
		g.Expires = a.End
	}
	if !g.Expires.After(now) {
		return refuseEnded(&Announcement{End: g.Expires})
	}
	return nil
}
