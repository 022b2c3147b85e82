package policy

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/index"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// A request is one SPA packet under evaluation. The engine has one and reuses it.
type request struct {
	now    time.Time
	judged time.Time // by which the message is fresh or not: that of its claim if another gateway has claimed it, else now
	ev     *parse.Event
	text   []byte
	info   spa.CarrierInfo
	keyed  spa.Packet // text, as the keys need it
	msg    spa.Message
	seen   replay.Packet
	trace  *Trace // nil: not explained
	dry    bool   // nothing is recorded
	worked int    // how often it may have caused public-key work, if dry

	announced *Announcement // nil: it came here

	ahead  *Opened // what was found out before the evaluation; nil: nothing
	opener int     // index into Engine.spa of a stanza that opens the packet, as its tag told; none: unknown

	found   index.Lists // stanzas, among them all that match it
	matched bool        // some stanza does
	opened  bool        // some stanza opened it, so that the store knows it
	ended   bool        // the store ended it: no stanza can help

	formless bool // no key can open a packet that begins like this
	openedBy int  // index into Engine.spa, if opened

	codes []codeCheck // one-time codes, by secret

	packet     packetID // valid iff identified
	identified bool     // its copies can be recognised
}

// allow returns the address that is to get access.
func (r *request) allow() netip.Addr {
	if r.msg.Allow.IsUnspecified() {
		return r.client()
	}
	return r.msg.Allow
}

// client returns the address of the client: the source of the packet, or the address
// given by a proxy.
func (r *request) client() netip.Addr {
	if from := r.info.Forwarded(); from.IsValid() {
		return from
	}
	return r.src()
}

// src returns the source of the packet.
func (r *request) src() netip.Addr { return r.ev.Src.Addr() }

// maxLag is how far the time of a record may be from now, for a rate to be judged by it.
const maxLag = 5 * time.Second

// recorded is the time that rates are judged by: that of the record, so that how long a
// packet waited for the daemon changes nothing and a replay decides the same. A record
// that was written long ago, or by another clock, counts as one of now: a backlog is
// work of this moment.
func (r *request) recorded() time.Time {
	if r.now.Sub(r.ev.Time).Abs() > maxLag {
		return r.now
	}
	return r.ev.Time
}

// A refusal is why a check failed. It does not change.
type refusal struct {
	reason Reason
	detail Detail
}

func refuse(reason Reason, text string) *refusal {
	return &refusal{reason, Detail{Text: text}}
}

// decideSPA evaluates a captured packet in the stanzas in file order up to the first
// that grants. If none does, the refusal with the most checks passed is the decision,
// the first one of equals.
//
// Shadow stanzas are evaluated too. Their decisions do not end the evaluation and go
// into Others; the first is the decision if no other stanza has one.
//
// admit must have returned true.
func (e *Engine) decideSPA(out *Decision) {
	r := &e.request
	switch {
	case !r.matched:
		e.traceSources(r)
		r.deny(out, nil, refuse(NoStanza, ""))
	case e.server.Blacklist.Contains(r.src()):
		r.trace.stage("blacklist", false, TextSourceBlacklist)
		r.deny(out, nil, refuse(SPASource, TextSourceBlacklist))
	case r.ev.Whole != 0:
		text := cutText(r.ev) + ", too few to open it"
		r.trace.stage("packet", false, text)
		r.deny(out, nil, refuse(SPACut, text))
	default:
		e.evaluate(r, out)
	}
}

// admit reports whether a packet needs a decision, and sets the request. Packets of a
// flood get no further. It does not allocate.
func (e *Engine) admit(now time.Time, ev *parse.Event, trace *Trace, dry bool) bool {
	if len(e.spa) == 0 || !e.candidate(ev, trace) {
		return false
	}
	r := &e.request
	r.now, r.ev, r.trace, r.dry, r.worked, r.opened, r.ended = now, ev, trace, dry, 0, false, false
	r.judged = now
	if r.announced != nil {
		r.judged = r.announced.Claimed
	}
	r.codes = r.codes[:0]
	r.found = e.finder.Find(ev.Src.Addr(), ev.Dst.Addr())
	r.matched = e.matchesAny(r.found, ev)
	if !r.matched && trace == nil && (len(ev.Payload) < minUnmatchedLen || ev.Whole != 0) {
		return false
	}
	var ok bool
	r.text, r.info, ok = spa.Carrier(ev.Proto, ev.Payload, carrierOf(ev, e.carrier), e.httpBuf)
	trace.stage("carrier", ok, carrierText(r, ok))
	switch {
	case !ok:
		return false
	case ev.Whole != 0: // no key can open it, but it may be worth a log line
		n := len(r.text) + int(ev.Whole-ev.Captured)
		ok = r.matched && n <= e.carrier.MaxLen && looksLikeSPA(r.text, n)
	default:
		ok = r.matched && !e.server.Blacklist.Contains(ev.Src.Addr()) || looksLikeSPA(r.text, len(r.text))
	}
	return ok && !e.isCopy(r)
}

// carrierOf returns the options for an event: of a packet that was cut short less is enough.
func carrierOf(ev *parse.Event, o spa.CarrierOptions) spa.CarrierOptions {
	if ev.Whole != 0 {
		o.MinLen = minCaptured
	}
	return o
}

// minCaptured is how much of an SPA packet that the capture cut short is recognised.
const minCaptured = 16

// checkFilter is the name of the failed [Check] of a packet that PCAP_FILTER leaves out.
const checkFilter = "filter"

// candidate reports whether ev can carry SPA and PCAP_FILTER matches it.
func (e *Engine) candidate(ev *parse.Event, trace *Trace) bool {
	if !mayCarry(ev, e.minLen, trace) {
		return false
	}
	if e.opts.Filter != nil && !e.opts.Filter(ev) {
		return trace.stage(checkFilter, false, "PCAP_FILTER does not match")
	}
	return true
}

// mayCarry reports whether ev, of minLen bytes or more, can carry SPA at all.
func mayCarry(ev *parse.Event, minLen uint16, trace *Trace) bool {
	switch {
	case ev.Origin < parse.OriginFrame:
		return trace.stage("packet", false, "a log line carries no SPA message")
	case ev.Whole != 0 && len(ev.Payload) < minCaptured:
		if trace != nil {
			trace.stage("packet", false, cutText(ev))
		}
		return false
	case len(ev.Payload) == 0:
		return trace.stage("packet", false, "an empty packet carries no SPA message")
	case ev.Fragment:
		return trace.stage("packet", false, "a fragment is never taken for a message")
	case ev.Proto != parse.UDP && ev.Proto != parse.TCP && ev.Proto != parse.ICMP && ev.Proto != parse.ICMPv6:
		return trace.stage("packet", false, "protocol carries no SPA message")
	case ev.Len < minLen:
		return trace.stage("packet", false, "shorter than MIN_SPA_PKT_LEN")
	}
	return true
}

// cutText describes how much of a packet was captured.
func cutText(ev *parse.Event) string {
	return fmt.Sprintf("the capture holds %d of %d bytes", ev.Captured, ev.Whole)
}

// looksLikeSPA reports whether a text of n characters, which is base64 and of which this is the
// beginning, looks like an SPA packet. If not, a packet that no stanza matches is ignored
// without a log line.
func looksLikeSPA(text []byte, n int) bool {
	return n >= minUnmatchedGPGLen || n >= minUnmatchedLen &&
		(bytes.IndexByte([]byte(firstChars), text[0]) >= 0 || bytes.HasPrefix(text, []byte(saltedPrefix)))
}

// firstChars are the first characters of Rijndael packets: they hold the last four bits
// of "Salted__".
const firstChars = "89+/"

// saltedPrefix begins those that were sent with "Salted_" in front.
const saltedPrefix = "U2FsdGVkX1"

// Least lengths of a text that is reported although no stanza matches.
const (
	minUnmatchedLen    = 140
	minUnmatchedGPGLen = 400
)
