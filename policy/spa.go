package policy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// A request is one SPA packet under evaluation. The engine has one and reuses it.
type request struct {
	now   time.Time
	ev    *parse.Event
	text  []byte
	info  spa.CarrierInfo
	keyed spa.Packet // text, as the keys need it
	msg   spa.Message
	seen  replay.Packet
	trace *Trace // nil: not explained, and the store is written

	matched bool // some stanza is meant for it
	opened  bool // some stanza opened it, so that the store knows it
	ended   bool // the store ended it: no stanza can help

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

// refused is the refusal by one stanza; nil: the packet is not for its keys.
type refused struct {
	*refusal
	stanza int32 // index into Engine.spa
}

// maxRefused bounds the refusals kept of stanzas whose keys do not open the packet: there
// may be thousands for a packet of junk.
const maxRefused = 64

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
func (e *Engine) admit(now time.Time, ev *parse.Event, trace *Trace) bool {
	if len(e.spa) == 0 || !e.candidate(ev, trace) {
		return false
	}
	r := &e.request
	r.now, r.ev, r.trace, r.opened, r.ended = now, ev, trace, false, false
	r.matched = e.matchesAny(ev)
	if !r.matched && trace == nil && (len(ev.Payload) < minUnmatchedLen || ev.Whole != 0) {
		return false
	}
	limits := e.carrier
	if ev.Whole != 0 {
		limits.MinLen = minCaptured
	}
	var ok bool
	r.text, r.info, ok = spa.Carrier(ev.Proto, ev.Payload, limits, e.httpBuf)
	trace.stage("carrier", ok, carrierText(r, ok))
	switch {
	case !ok:
		return false
	case ev.Whole != 0: // no key can open it, but it may be worth a log line
		n := len(r.text) + int(ev.Whole-ev.Captured)
		ok = r.matched && n <= e.carrier.MaxLen && looksLikeStartOfSPA(r.text, n)
	default:
		ok = r.matched && !e.server.Blacklist.Contains(ev.Src.Addr()) || looksLikeSPA(r.text)
	}
	return ok && !e.isCopy(ev, trace)
}

// minCaptured is how much of an SPA packet that the capture cut short is recognised.
const minCaptured = 16

// candidate reports whether ev can carry SPA at all.
func (e *Engine) candidate(ev *parse.Event, trace *Trace) bool {
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
	case ev.Len < e.minLen:
		return trace.stage("packet", false, "shorter than MIN_SPA_PKT_LEN")
	case e.opts.Filter != nil && !e.opts.Filter(ev):
		return trace.stage("filter", false, "PCAP_FILTER does not match")
	}
	return true
}

// cutText describes how much of a packet was captured.
func cutText(ev *parse.Event) string {
	return fmt.Sprintf("the capture holds %d of %d bytes", ev.Captured, ev.Whole)
}

// matchesAny reports whether a stanza matches the packet.
func (e *Engine) matchesAny(ev *parse.Event) bool {
	for i := range e.spa {
		if e.spa[i].matches(ev) == "" {
			return true
		}
	}
	return false
}

// evaluate evaluates the packet in each stanza. A stanza that does not open it allocates
// nothing.
func (e *Engine) evaluate(r *request, out *Decision) {
	r.keyed.Set(r.text)
	var furthest step
	var shadows []Decision
	for i := range e.spa {
		st := &e.spa[i]
		r.trace.begin(st)
		if why := st.matches(r.ev); why != "" {
			r.trace.stage("source", false, why)
			continue
		}
		r.trace.stage("source", true, "")
		d := &e.scratch
		if furthest == atNothing && !st.Shadow {
			d = out // has no decision yet
		}
		ref, at := e.evaluateStanza(r, st, d)
		granted := ref == nil && at != atNothing
		if !granted && !st.Shadow && (len(e.refused) < maxRefused || at >= atStore) {
			e.refused = append(e.refused, refused{ref, int32(i)})
		}
		if ref != nil && (st.Shadow || r.ended || at > furthest) {
			r.deny(d, st, ref)
		}
		switch {
		case r.ended, granted && !st.Shadow:
			if d != out {
				*out = *d
			}
			out.Others = shadows
			return
		case st.Shadow && at != atNothing:
			d.Shadow = true
			shadows = append(shadows, *d)
		case at > furthest:
			if furthest = at; d != out {
				*out = *d
			}
		}
	}
	if out.Verdict == Ignore && len(shadows) > 0 {
		*out, shadows = shadows[0], shadows[1:]
	}
	out.Others = shadows
}

// matches returns "" if the stanza applies to the packet, otherwise why not. It does not
// allocate.
func (st *stanza) matches(ev *parse.Event) string {
	switch {
	case !st.Source.Contains(ev.Src.Addr()):
		return "the source is not in SOURCE"
	case !st.Destination.IsZero() && !st.Destination.Contains(ev.Dst.Addr()):
		return "the destination is not in DESTINATION"
	case st.Interface != "" && ev.In != nil && string(ev.In) != st.Interface:
		return "not from RESTRICT_INTF"
	}
	return ""
}

// A step is the first check of a stanza that failed, in their order.
type step uint8

const (
	atNothing step = iota
	atRate         // not opened: too much public-key work
	atHMAC
	atDecrypt
	atDigest
	atSigner
	atMalformed
	atStore // opened from here on
	atPolicy
)

// evaluateStanza opens the packet with the keys of one stanza and applies its rules. d is
// set if it grants. Without a refusal it does, unless the step is atNothing: the packet is
// not for these keys.
func (e *Engine) evaluateStanza(r *request, st *stanza, d *Decision) (*refusal, step) {
	ref, at := e.open(r, st)
	if at == atNothing || ref != nil {
		return ref, at
	}
	if ref = e.recordMessage(r); ref != nil {
		return ref, at
	}
	return e.checkRules(r, st, d)
}

// open tries the keys of the stanza. Without a refusal r.msg is the message. The step is
// atNothing if the packet is not for these keys.
func (e *Engine) open(r *request, st *stanza) (*refusal, step) {
	var ref *refusal
	var at step
	if st.symmetric != nil {
		ref, at = e.classify(r, "rijndael", st.symmetric.Open(&r.keyed, &r.msg))
	}
	if st.gpg == nil || at == atStore || len(r.text) < e.server.MinGPGLen {
		return ref, at
	}
	if gref, gat := e.openGPG(r, st); gat > at {
		return gref, gat
	}
	return ref, at
}

// openGPG does public-key work only for packets that passed the cheap checks, and only
// at the allowed rate.
func (e *Engine) openGPG(r *request, st *stanza) (*refusal, step) {
	err := st.gpg.Gate(r.text)
	if r.trace != nil {
		if to := st.gpg.Recipients(r.text); len(to) > 0 {
			r.trace.stage("recipient", err == nil, "encrypted to key "+strings.Join(to, ", "))
		}
	}
	if err != nil {
		return e.classify(r, "gpg", err)
	}
	if r.trace == nil && e.opts.GPGAllowed != nil && !e.opts.GPGAllowed(r.src(), r.recorded()) {
		return refuse(SPARateLimited, ""), atRate
	}
	return e.classify(r, "gpg", st.gpg.Open(r.text, r.now, &r.msg))
}

// A failure is an error of an opener and what it means.
type failure struct {
	err error
	ref *refusal
	at  step
}

// classify converts the result of an opener. Most keys fail with the error of the key
// before them, for which nothing is computed.
func (e *Engine) classify(r *request, name string, err error) (*refusal, step) {
	if err == nil {
		r.trace.message(name, &r.msg)
		return nil, atStore
	}
	if r.trace != nil {
		r.trace.stage(name, false, err.Error())
	}
	if err != e.failure.err {
		e.failure = e.failureOf(err)
	}
	return e.failure.ref, e.failure.at
}

// failureOf returns what err means. The errors of package spa are constants, but those
// that name a signer.
func (e *Engine) failureOf(err error) failure {
	if f, known := e.failures[err]; known {
		return f
	}
	f := failure{err: err}
	for _, k := range openErrors {
		if errors.Is(err, k.err) {
			f.ref, f.at = refuse(k.reason, ruleOf(err)), k.at
			break
		}
	}
	var signer *spa.SignerError
	if errors.As(err, &signer) {
		if f.ref != nil {
			f.ref.detail.Signer = signer.ID
		}
		return f
	}
	e.failures[err] = f
	return f
}

// openErrors maps the errors of openers. Any other means that the packet is not for
// these keys.
var openErrors = []struct {
	err    error
	reason Reason
	at     step
}{
	{spa.ErrHMAC, SPAHMACMismatch, atHMAC},
	{spa.ErrDecrypt, SPADecryptFailed, atDecrypt},
	{spa.ErrDigest, SPADigestMismatch, atDigest},
	{spa.ErrSigner, SPAGPGSigner, atSigner},
	{spa.ErrMalformed, SPAMalformed, atMalformed},
}

// ruleOf returns the rule in an error of package spa: no packet data.
func ruleOf(err error) string {
	if f, ok := err.(interface{ Rule() string }); ok {
		return f.Rule()
	}
	return ""
}

// recordMessage adds the message to the store, once per packet: after the first stanza
// has opened it and before any rule is checked. A replay ends the evaluation.
func (e *Engine) recordMessage(r *request) *refusal {
	if r.opened {
		return nil
	}
	r.opened = true
	r.seen = replay.Packet{Plaintext: r.msg.Plaintext, Wire: r.text, Time: r.now, Sent: time.Unix(r.msg.Time, 0),
		Src: r.ev.Src, Dst: r.ev.Dst, Proto: uint8(r.ev.Proto)}
	ref, err := e.record(&r.seen, r.trace != nil)
	switch {
	case errors.Is(err, replay.ErrForgotten):
		if ref = e.checkAge(r, nil); ref == nil {
			ref = refuse(SPAReplay, err.Error())
		}
	case err != nil:
		ref = refuse(SPAStore, err.Error())
	}
	r.ended = ref != nil
	r.trace.check("replay", ref)
	return ref
}

// record adds p to the store, or only looks it up in a dry run, and returns the refusal
// if it was there. The answer of the store is passed on in registers.
func (e *Engine) record(p *replay.Packet, dryRun bool) (*refusal, error) {
	if dryRun {
		first, seen, err := e.opts.Store.Seen(p)
		return refuseSeen(first, !seen, err)
	}
	ref, err := refuseSeen(e.opts.Store.Add(p))
	e.unsynced = e.unsynced || ref == nil && err == nil
	return ref, err
}

func refuseSeen(first replay.First, fresh bool, err error) (*refusal, error) {
	if fresh || err != nil {
		return nil, err
	}
	ref := refuse(SPAReplay, "")
	if at := first.Time; !at.IsZero() {
		ref.detail.FirstSeen = &at
	}
	if first.Src.IsValid() {
		ref.detail.FirstSrc = first.Src.String()
	}
	return ref, nil
}

// deny sets d to the decision of a failed check; st is nil if it is not of a stanza.
func (r *request) deny(d *Decision, st *stanza, ref *refusal) {
	*d = Decision{Verdict: Deny, Reason: ref.reason, Detail: ref.detail, Mode: ModeSPA, Src: r.src()}
	if st != nil {
		d.Stanza = st.Pos.Line
	}
	if r.opened {
		d.User = r.msg.User
	}
}

// looksLikeSPA reports whether text, which is base64, looks like an SPA packet. If not,
// a packet that no stanza matches is ignored without a log line.
func looksLikeSPA(text []byte) bool { return looksLikeStartOfSPA(text, len(text)) }

// looksLikeStartOfSPA is looksLikeSPA for the beginning of a text of n characters.
func looksLikeStartOfSPA(text []byte, n int) bool {
	return n >= minUnmatchedGPGLen || n >= minUnmatchedLen &&
		(bytes.IndexByte([]byte(firstChars), text[0]) >= 0 || bytes.HasPrefix(text, []byte("U2FsdGVkX1")))
}

// firstChars are the first characters of Rijndael packets: they hold the last four bits
// of "Salted__".
const firstChars = "89+/"

// Least lengths of a text that is reported although no stanza matches.
const (
	minUnmatchedLen    = 140
	minUnmatchedGPGLen = 400
)
