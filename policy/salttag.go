package policy

import (
	"fwknopd/parse"
	"fwknopd/policy/index"
	"fwknopd/policy/spa"
)

const (
	// minTagged is among how many stanzas the one is looked for whose tag a packet has:
	// with fewer it is as fast to try their keys.
	minTagged = 16
	// tagsPerTrial is how many tags are looked at for each trial that is allowed. A tag costs
	// 12 ns, and a trial of a key with an HMAC 25 times as much; both budgets together fit
	// on one processor.
	tagsPerTrial = 64
)

// none is in place of the index of a stanza.
const none = -1

// textTagFits is the note of explain.
const textTagFits = "the tag fits: the salt was made with these keys"

// lookForTag looks for the stanza whose tag the packet has, and sets r.opener if it opens the
// packet. It takes the work from the budget of tags.
func (e *Engine) lookForTag(r *request) (looked trial) {
	r.opener = none
	stanzas := r.found.Size()
	if stanzas < e.minTagged || !r.keyed.Valid(e.keys.perl19) {
		return trial{}
	}
	if stanzas >= freeTrials && r.announced == nil {
		t := trial{spa.SourceOf(r.src()), stanzas, e.limiter.tags}
		if !t.from.allows(t.source, t.work, r.recorded()) {
			return trial{}
		}
		if looked = t; !r.dry {
			t.from.take(t.source, t.work)
		}
	}
	if r.ahead == nil || !r.ahead.lookedFor(r.text, r.found) {
		r.ahead = &e.ahead
		r.ahead.text = append(r.ahead.text[:0], r.text...)
		e.findOpener(&e.cursor, &r.keyed, r.ev, r.found, r.ahead)
	}
	r.opener = r.ahead.opener
	return looked
}

// findOpener sets o to what is known of the packet by its tag: the first stanza that has it
// and opens the packet. A shadow stanza is none. It does not allocate but for the message.
func (e *Engine) findOpener(c *index.Cursor, p *spa.Packet, ev *parse.Event, found index.Lists, o *Opened) {
	o.n, o.opener, o.found = 0, none, found
	salt, ok := p.Salt()
	if !ok {
		return
	}
	c.Start(found)
	for i, more := c.Next(); more; i, more = c.Next() {
		if !e.salts[i].Tags(&salt) {
			continue
		}
		st := &e.spa[i]
		if st.symmetric != nil && !st.Shadow && st.matches(ev) == "" && st.symmetric.Open(p, &o.msg) == nil {
			o.opener, o.tried[0], o.n = i, outcome{st, nil}, 1
			return
		}
	}
}

// missed reports whether the symmetric key of a stanza cannot open the packet, as one with
// another does.
func (e *Engine) missed(r *request, i int) bool {
	return r.opener != none && e.salts[i] != e.salts[r.opener]
}

// passesOver reports whether it changes nothing what the stanza makes of the packet: its key
// cannot open it, and no room is left for its refusal.
func (e *Engine) passesOver(r *request, i int) bool {
	if !e.missed(r, i) || len(e.refused) < maxRefused {
		return false
	}
	return !(e.keys.shadows > 0 && e.spa[i].Shadow) && !(e.mayBeGPG(r) && e.spa[i].gpg != nil)
}

// leastWork is on how many stanzas a packet is tried at most whose opener is known, but for
// those with the same keys.
func (e *Engine) leastWork(r *request, stanzas int) int {
	n := maxRefused + e.keys.shadows
	if e.mayBeGPG(r) {
		n += e.keys.gpgs
	}
	return min(n, stanzas)
}

// traceTag says that the packet has the tag of the stanza.
func (e *Engine) traceTag(r *request, i int) {
	if e.spa[i].symmetric == nil || !r.keyed.Valid(e.keys.perl19) {
		return
	}
	if salt, ok := r.keyed.Salt(); ok && e.salts[i].Tags(&salt) {
		r.trace.stage("tag", true, textTagFits)
	}
}
