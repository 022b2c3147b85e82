package policy

import (
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/index"
	"fwknopd/policy/spa"
)

func newFinder(stanzas []stanza) *index.Finder {
	f := new(index.Finder)
	for i := range stanzas {
		st := &stanzas[i]
		if len(stanzas) <= index.Few || st.everyPacket {
			f.AddEvery(i, &st.Destination)
		} else {
			f.Add(i, &st.Source, &st.Destination)
		}
	}
	f.Link()
	return f
}

// matchesAny reports whether one of the stanzas found for the packet matches it.
func (e *Engine) matchesAny(found index.Lists, ev *parse.Event) bool {
	e.cursor.Start(found)
	for i, ok := e.cursor.Next(); ok; i, ok = e.cursor.Next() {
		if e.spa[i].matches(ev) == "" {
			return true
		}
	}
	return false
}

// matches returns "" if the stanza applies to the packet, otherwise why not. It does not
// allocate.
func (st *stanza) matches(ev *parse.Event) string {
	switch a := ev.Src.Addr(); {
	case st.everyPacket && a.IsValid() && a.Zone() == "":
		return ""
	case !st.Source.Contains(a):
		return "the source is not in SOURCE"
	case !st.Destination.IsZero() && !st.Destination.Contains(ev.Dst.Addr()):
		return "the destination is not in DESTINATION"
	case st.Interface != "" && ev.In != nil && string(ev.In) != st.Interface:
		return "not from RESTRICT_INTF"
	}
	return ""
}

// refused is the refusal by one stanza; nil: the packet is not for its keys.
type refused struct {
	*refusal
	stanza int32 // index into Engine.spa
}

// maxRefused bounds the refusals kept of stanzas whose keys do not open the packet: there
// may be thousands for a packet of junk.
const maxRefused = 64

// An evaluation is the state of the evaluation of one packet.
type evaluation struct {
	furthest step       // of the decision so far
	shadows  []Decision // of shadow stanzas
}

// tooManyTrials is the refusal of a packet for which there is no budget.
var tooManyTrials = refuse(SPARateLimited, "too many packets that no stanza opens")

// evaluate evaluates the packet in each stanza that matches it. A stanza that does not
// open it allocates nothing.
func (e *Engine) evaluate(r *request, out *Decision) {
	r.keyed.Set(r.text)
	if r.trace == nil && !r.keyed.Valid(e.keys.perl19) && !e.mayBeGPG(r) {
		r.formless = true
		return // no key opens it
	}
	var looked, work trial
	hopeless := e.isHopeless(r, r.found.Size())
	r.ahead, r.opener = nil, none
	if !hopeless {
		r.ahead = e.openedAhead()
		looked = e.lookForTag(r)
		var ok bool
		if work, ok = e.permit(r, r.found.Size()); !ok {
			r.trace.check("budget", tooManyTrials)
			r.deny(out, nil, tooManyTrials)
			return
		}
	}
	var v evaluation
	if r.trace != nil {
		e.explainAll(r, &v, out)
	} else {
		e.cursor.Start(r.found)
		for i, ok := e.cursor.Next(); ok && !(hopeless && v.furthest > atNothing); i, ok = e.cursor.Next() {
			if !e.passesOver(r, i) && e.spa[i].matches(r.ev) == "" && e.evaluateStanza(r, i, &v, out) {
				break
			}
		}
	}
	e.settle(r, looked, work)
	if len(r.codes) > 0 {
		e.countGuess(r)
	}
	if out.Verdict == Ignore && len(v.shadows) > 0 {
		*out, v.shadows = v.shadows[0], v.shadows[1:]
	}
	out.Others = v.shadows
}

// keyKinds are the kinds of keys in a configuration.
type keyKinds struct {
	symmetric     spa.Kinds
	perl19        bool // some stanza is of a 1.9 file
	gpgs, shadows int  // stanzas with OpenPGP keys, and shadow stanzas
}

func (k *keyKinds) add(st *stanza) {
	if st.symmetric != nil {
		k.symmetric |= st.symmetric.Kind()
	}
	k.perl19 = k.perl19 || st.Dialect == conf.Perl19
	if st.gpg != nil {
		k.gpgs++
	}
	if st.Shadow {
		k.shadows++
	}
}

// mayBeGPG reports whether the packet is tried on OpenPGP keys.
func (e *Engine) mayBeGPG(r *request) bool {
	return e.keys.gpgs > 0 && len(r.text) >= e.server.MinGPGLen
}

// isHopeless reports whether the form of a packet shows that no key opens it, where there
// are many: the refusal of the first stanza then stands for all. Keys with and without HMAC
// fail differently, and a shadow stanza reports for itself.
func (e *Engine) isHopeless(r *request, stanzas int) bool {
	k := &e.keys
	return stanzas >= freeTrials && k.shadows == 0 && !k.symmetric.Mixed() && !e.mayBeGPG(r) &&
		r.keyed.Valid(k.perl19) && !r.keyed.Fits(k.symmetric)
}

// explainAll looks at each stanza, to say why it does not match.
func (e *Engine) explainAll(r *request, v *evaluation, out *Decision) {
	for i := range e.spa {
		r.trace.begin(&e.spa[i])
		why := e.spa[i].matches(r.ev)
		if !r.trace.stage("source", why == "", why) {
			continue
		}
		e.traceTag(r, i)
		if e.evaluateStanza(r, i, v, out) {
			return
		}
	}
}

// evaluateStanza evaluates the packet in one stanza, sets out if its decision is the best
// so far, and reports whether that ends the evaluation.
func (e *Engine) evaluateStanza(r *request, i int, v *evaluation, out *Decision) bool {
	st, d := &e.spa[i], &e.scratch
	if st.Shadow {
		return e.evaluateShadow(r, i, v, out)
	}
	if v.furthest == atNothing {
		d = out // has no decision yet
	}
	ref, at := e.decideStanza(r, i, d)
	granted := ref == nil && at != atNothing
	if !granted && (len(e.refused) < maxRefused || at >= atStore) {
		e.refused = append(e.refused, refused{ref, int32(i)})
	}
	ends := r.ended || granted
	if !ends && at <= v.furthest {
		return false
	}
	if ref != nil {
		r.deny(d, st, ref)
	}
	if d != out {
		*out = *d
	}
	v.furthest = at
	return ends
}

// evaluateShadow is evaluateStanza for a shadow stanza, whose decision is the packet's only
// if nothing can follow it.
func (e *Engine) evaluateShadow(r *request, i int, v *evaluation, out *Decision) bool {
	st, d := &e.spa[i], &e.scratch
	ref, at := e.decideStanza(r, i, d)
	if at == atNothing && !r.ended {
		return false
	}
	if ref != nil {
		r.deny(d, st, ref)
	}
	if r.ended {
		*out, v.furthest = *d, at
		return true
	}
	d.Shadow = true
	v.shadows = append(v.shadows, *d)
	return false
}

// decideStanza opens the packet with the keys of one stanza and applies its rules. d is
// set if it grants. Without a refusal it does, unless the step is atNothing: the packet is
// not for these keys.
func (e *Engine) decideStanza(r *request, i int, d *Decision) (*refusal, step) {
	ref, at := e.open(r, i)
	if at == atNothing || ref != nil {
		return ref, at
	}
	if ref = e.recordMessage(r, i); ref != nil {
		return ref, at
	}
	if r.announced != nil {
		if ref = e.checkAnnounced(r); ref != nil {
			return ref, at
		}
	}
	return e.checkRules(r, &e.spa[i], d)
}

// deny sets d to the decision of a failed check; st is nil if it is not of a stanza.
func (r *request) deny(d *Decision, st *stanza, ref *refusal) {
	*d = Decision{Verdict: Deny, Reason: ref.reason, Detail: ref.detail, Mode: ModeSPA, Src: r.src()}
	if st != nil {
		d.Stanza, d.Number = st.Pos.Line, st.Number
	}
	if r.opened {
		d.User = r.msg.User
	}
}
