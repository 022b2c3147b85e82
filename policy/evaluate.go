package policy

import (
	"fwknopd/parse"
	"fwknopd/policy/index"
)

// fewStanzas is up to how many stanzas it is faster to look at each than to look the
// source up.
const fewStanzas = 8

func newFinder(stanzas []stanza) *index.Finder {
	f := new(index.Finder)
	for i := range stanzas {
		st := &stanzas[i]
		if len(stanzas) <= fewStanzas || st.everyPacket {
			f.AddEvery(i, &st.Destination)
		} else {
			f.Add(i, &st.Source, &st.Destination)
		}
	}
	f.Link()
	return f
}

// find sets the cursor to stanzas among which are all that match the packet.
func (e *Engine) find(ev *parse.Event) *index.Cursor {
	e.cursor.Start(e.finder.Find(ev.Src.Addr(), ev.Dst.Addr()))
	return &e.cursor
}

// matchesAny reports whether a stanza matches the packet.
func (e *Engine) matchesAny(ev *parse.Event) bool {
	c := e.find(ev)
	for i, ok := c.Next(); ok; i, ok = c.Next() {
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

// evaluate evaluates the packet in each stanza that matches it. A stanza that does not
// open it allocates nothing.
func (e *Engine) evaluate(r *request, out *Decision) {
	r.keyed.Set(r.text)
	var v evaluation
	if r.trace != nil {
		e.explainAll(r, &v, out)
	} else {
		c := e.find(r.ev)
		for i, ok := c.Next(); ok; i, ok = c.Next() {
			if e.spa[i].matches(r.ev) == "" && e.evaluateStanza(r, i, &v, out) {
				break
			}
		}
	}
	if out.Verdict == Ignore && len(v.shadows) > 0 {
		*out, v.shadows = v.shadows[0], v.shadows[1:]
	}
	out.Others = v.shadows
}

// explainAll looks at each stanza, to say why it does not match.
func (e *Engine) explainAll(r *request, v *evaluation, out *Decision) {
	for i := range e.spa {
		r.trace.begin(&e.spa[i])
		why := e.spa[i].matches(r.ev)
		if r.trace.stage("source", why == "", why) && e.evaluateStanza(r, i, v, out) {
			return
		}
	}
}

// evaluateStanza evaluates the packet in one stanza, sets out if its decision is the best
// so far, and reports whether that ends the evaluation.
func (e *Engine) evaluateStanza(r *request, i int, v *evaluation, out *Decision) bool {
	st, d := &e.spa[i], &e.scratch
	if v.furthest == atNothing && !st.Shadow {
		d = out // has no decision yet
	}
	ref, at := e.decideStanza(r, st, d)
	granted := ref == nil && at != atNothing
	if !granted && !st.Shadow && (len(e.refused) < maxRefused || at >= atStore) {
		e.refused = append(e.refused, refused{ref, int32(i)})
	}
	ends := r.ended || granted && !st.Shadow
	decides := ends || st.Shadow && at != atNothing || at > v.furthest
	if !decides {
		return false
	}
	if ref != nil {
		r.deny(d, st, ref)
	}
	switch {
	case st.Shadow && !ends:
		d.Shadow = true
		v.shadows = append(v.shadows, *d)
		return false
	case d != out:
		*out = *d
	}
	v.furthest = at
	return ends
}

// decideStanza opens the packet with the keys of one stanza and applies its rules. d is
// set if it grants. Without a refusal it does, unless the step is atNothing: the packet is
// not for these keys.
func (e *Engine) decideStanza(r *request, st *stanza, d *Decision) (*refusal, step) {
	ref, at := e.open(r, st)
	if at == atNothing || ref != nil {
		return ref, at
	}
	if ref = e.recordMessage(r); ref != nil {
		return ref, at
	}
	return e.checkRules(r, st, d)
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
