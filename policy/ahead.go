package policy

import (
	"bytes"

	"fwknopd/parse"
	"fwknopd/policy/index"
	"fwknopd/policy/spa"
)

// maxAhead is on how many stanzas a packet is tried before it is decided.
const maxAhead = 8

// An Opened is what the symmetric keys of some stanzas made of one packet before it was
// decided. It is filled in by [Opener.Open] and keeps its buffers.
type Opened struct {
	text  []byte
	msg   spa.Message // of the last outcome, if that is no error
	tried [maxAhead]outcome
	n     int

	// What the tag of the packet showed, if it was looked for.
	found  index.Lists // among these stanzas
	opener int         // see [Engine.findOpener]; none: there is none
}

// An outcome is that of one key.
type outcome struct {
	stanza *stanza
	err    error
}

// An Opener opens packets for an [Engine] that decides them later, so that this can be done
// in another goroutine. What it finds changes no decision.
type Opener struct {
	e       *Engine // only what does not change
	cursor  index.Cursor
	keyed   spa.Packet // not in each Opened: there are so many that their buffers fit into no cache
	httpBuf []byte
}

// NewOpener returns an Opener for one goroutine.
func (e *Engine) NewOpener() *Opener { return &Opener{e: e, httpBuf: make([]byte, spa.MaxText)} }

// Open tries a packet on the keys of the stanza whose tag it has, else of the first stanzas that
// match it, up to one that opens it. It reports whether there was anything to try.
func (p *Opener) Open(ev *parse.Event, o *Opened) bool {
	e := p.e
	o.n, o.found = 0, index.Lists{}
	if ev.Whole != 0 || !mayCarry(ev, e.minLen, nil) {
		return false
	}
	text, _, ok := spa.Carrier(ev.Proto, ev.Payload, e.carrier, p.httpBuf)
	if !ok {
		return false
	}
	o.text = append(o.text[:0], text...)
	p.keyed.Set(o.text)
	if !p.keyed.Valid(e.keys.perl19) {
		return false
	}
	found := e.finder.Find(ev.Src.Addr(), ev.Dst.Addr())
	if found.Size() >= e.minTagged {
		if e.findOpener(&p.cursor, &p.keyed, ev, found, o); o.opener != none {
			return true
		}
	}
	p.cursor.Start(found)
	for i, more := p.cursor.Next(); more && o.n < maxAhead; i, more = p.cursor.Next() {
		st := &e.spa[i]
		if st.symmetric == nil || st.matches(ev) != "" {
			continue
		}
		err := st.symmetric.Open(&p.keyed, &o.msg)
		o.tried[o.n] = outcome{st, err}
		if o.n++; err == nil {
			break
		}
	}
	return o.n > 0
}

// take returns what the key of the stanza made of the text. The message is exchanged for msg.
func (o *Opened) take(st *stanza, text []byte, msg *spa.Message) (err error, tried bool) {
	for _, t := range o.tried[:o.n] {
		if t.stanza != st {
			continue
		}
		if !bytes.Equal(o.text, text) {
			return nil, false
		}
		if t.err == nil {
			*msg, o.msg, o.n = o.msg, *msg, 0
		}
		return t.err, true
	}
	return nil, false
}

// lookedFor reports whether the tag of the text was looked for among these stanzas, and the
// message was not taken.
func (o *Opened) lookedFor(text []byte, found index.Lists) bool {
	return o.found == found && (o.opener == none || o.n > 0) && bytes.Equal(o.text, text)
}

// openedAhead returns what an [Opener] made of the current packet, nil if there is nothing.
func (e *Engine) openedAhead() *Opened {
	if e.opts.Ahead == nil {
		return nil
	}
	return e.opts.Ahead()
}

// openSymmetric tries the symmetric key of a stanza, if that was not done before and the
// result is not known without.
func (e *Engine) openSymmetric(r *request, i int) error {
	st := &e.spa[i]
	if r.ahead != nil {
		if err, tried := r.ahead.take(st, r.text, &r.msg); tried {
			return err
		}
	}
	if e.missed(r, i) {
		if err, known := st.symmetric.Misses(&r.keyed, e.spa[r.opener].symmetric); known {
			return err
		}
	}
	return st.symmetric.Open(&r.keyed, &r.msg)
}
