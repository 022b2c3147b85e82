package policy

import (
	"bytes"
	"net/netip"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
)

// newTracker returns nil if no stanza has a sequence.
func (e *Engine) newTracker() *knock.Tracker {
	for i := range e.opts.Access.Stanzas {
		if st := &e.opts.Access.Stanzas[i]; st.Mode != conf.ModeSPA && e.takesPart(st) {
			return knock.New(knock.Options{Stanzas: e.opts.Access.Stanzas, Server: e.server, Matcher: e.opts.Signatures, MaxSources: e.server.KnockSources, Spent: e.spent})
		}
	}
	return nil
}

// trackKnock evaluates the packet as a knock and reports whether there are results.
func (e *Engine) trackKnock(now time.Time, ev *parse.Event) bool {
	if e.tracker == nil {
		return false
	}
	e.results = e.tracker.Step(now, ev, e.results[:0])
	return len(e.results) > 0
}

// decideKnock decides by the results of trackKnock. Every stanza whose sequence is
// complete grants: the first is the decision, the others are in Others. If none grants,
// the refusal furthest in its sequence is the decision. dryRun does not change the
// store.
func (e *Engine) decideKnock(now time.Time, ev *parse.Event, dryRun bool) Decision {
	var best Decision
	var others, shadows []Decision
	furthest := -1
	replays := e.recordKnocks(now, ev, dryRun)
	for i := range e.results {
		res := &e.results[i]
		d := e.knockDecision(now, ev, res, replays[i])
		if d.Verdict == Allow {
			e.countUse(&e.opts.Access.Stanzas[res.Stanza], now, dryRun)
		}
		switch {
		case d.Shadow:
			shadows = append(shadows, d)
		case d.Verdict == Allow && best.Verdict == Allow:
			others = append(others, d)
		case d.Verdict == Allow:
			best = d
		case best.Verdict != Allow && res.Step > furthest:
			best, furthest = d, res.Step
		}
	}
	if best.Verdict == Ignore && len(shadows) > 0 {
		best, shadows = shadows[0], shadows[1:]
	}
	best.Others = append(others, shadows...)
	return best
}

// recordKnocks adds the cipher texts that this packet completed to the store, each once,
// and returns the refusal for each result, nil if the store has none.
func (e *Engine) recordKnocks(now time.Time, ev *parse.Event, dryRun bool) []*refusal {
	replays := make([]*refusal, len(e.results))
	for i := range e.results {
		res := &e.results[i]
		if res.Cipher == nil || Reason(res.Reason) == KnockReplay {
			continue
		}
		same := func(j int) bool { return bytes.Equal(e.results[j].Cipher, res.Cipher) }
		first := 0
		for !same(first) {
			first++
		}
		if first < i {
			replays[i] = replays[first]
			continue
		}
		ref, err := e.record(&replay.Packet{Plaintext: res.Cipher, Time: now, Src: ev.Src, Dst: ev.Dst, Proto: uint8(ev.Proto)}, dryRun)
		switch {
		case err != nil:
			replays[i] = refuse(KnockStore, err.Error())
		case ref != nil:
			ref.reason = KnockReplay
			replays[i] = ref
		}
	}
	return replays
}

// knockDecision converts a result to a decision.
func (e *Engine) knockDecision(now time.Time, ev *parse.Event, res *knock.Result, replay *refusal) Decision {
	st := &e.opts.Access.Stanzas[res.Stanza]
	d := Decision{Verdict: Deny, Reason: Reason(res.Reason), Mode: ModeKnock, Src: ev.Src.Addr(),
		Stanza: st.Pos.Line, Number: st.Number, User: res.User, Shadow: st.Shadow, Detail: knockDetail(res)}
	switch {
	case replay != nil:
		d.Reason, d.Detail = replay.reason, replay.detail
	case res.Granted:
		if ref := e.checkKnocker(ev, res, st); ref != nil {
			d.Reason, d.Detail = KnockSource, ref.detail
			break
		}
		if e.opts.Claim != nil && st.Mode == conf.ModeEncrypted && !st.Shadow {
			d.Reason, d.Detail.Text = KnockFleet, textSequence
			break
		}
		d.Verdict, d.Grant = Allow, e.knockGrant(now, ev, res, st)
	}
	return d
}

// checkKnocker checks the addresses that a sequence opens for, where they are others than
// the one that the tracker has checked.
func (e *Engine) checkKnocker(ev *parse.Event, res *knock.Result, st *conf.Stanza) *refusal {
	if !st.GrantsPacket() && st.GrantPrefix.IsZero() {
		return nil
	}
	first, second := choose(st, res.Allow, ev.Src.Addr())
	for _, a := range [...]netip.Addr{first, second} {
		if !a.IsValid() {
			continue
		}
		if ref := e.checkClient(a, st, true); ref != nil {
			if first != res.Allow || second.IsValid() {
				ref.detail.Text += ": the sequence has " + res.Allow.String() + ", the packet came from " + ev.Src.Addr().String()
			}
			return ref
		}
	}
	return nil
}

func (e *Engine) knockGrant(now time.Time, ev *parse.Event, res *knock.Result, st *conf.Stanza) enforce.Grant {
	g := enforce.Grant{Ports: res.Ports, Stanza: st.Pos.Line, User: res.User, Output: e.server.Output && st.OutputAccess}
	first, second := choose(st, res.Allow, ev.Src.Addr())
	setSources(&g, st, first, second)
	if res.Timeout > 0 {
		g.Expires = now.Add(res.Timeout)
	}
	g.Expires = st.Windows.Until(now, g.Expires)
	e.setDestination(&g, ev.Dst.Addr())
	return g
}

// knockDetail returns the numbers that the reason needs.
func knockDetail(res *knock.Result) Detail {
	d := Detail{Port: res.Port.String(), Want: res.Want, Got: res.Got, Text: res.Text}
	if res.Steps > 0 {
		step, steps := res.Step, res.Steps
		d.Step, d.Steps = &step, &steps
	}
	switch {
	case res.Text == knock.NoTime: // and so no gap
	case res.Reason == knock.Timeout, res.Reason == knock.TooFast, res.Reason == knock.TooSlow:
		gap, bound := res.Gap.Seconds(), res.Bound.Seconds()
		if d.GapS = &gap; gap >= 0 { // else no bound was asked
			d.LimitS = &bound
		}
	case res.Reason == knock.Limit, res.Reason == knock.Uses:
		limit := res.MaxUses
		d.Limit = &limit
	}
	if !res.FirstSeen.IsZero() {
		seen := res.FirstSeen
		d.FirstSeen = &seen
	}
	if res.FirstSrc.IsValid() {
		d.FirstSrc = res.FirstSrc.String()
	}
	return d
}
