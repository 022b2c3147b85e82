package policy

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/policy/spa"
)

// A budget bounds the work on packets that no stanza opens, in all and for each source.
// Work is counted in stanzas that a packet is tried on.
//
// Time is cut into slots. What a slot has is spread among the sources that ask for work
// in it: a source gets an equal share, at most half, and the last quarter is kept for the
// first packets of sources. So a few sources that send junk without end leave room for
// one that was never seen before. Forged sources, each for one packet, cannot be
// distinguished from it; they share the slot in order of arrival.
//
// The time is that of the packets, so that a replay decides as the daemon did.
type budget struct {
	perSlot int                // 0: no limit
	slot    int64              // number of the slot, since 1970
	used    int                // work in the slot, and what is left of an excess before it
	sources map[netip.Addr]int // work for each source in the slot
	before  int                // sources in the slot before
}

const (
	// slotLength is short enough that work comes in no burst that fills the buffer of a
	// capture, and long enough for several packets to thousands of stanzas.
	slotLength = 250 * time.Millisecond
	// freeTrials is up to how many stanzas a packet is tried on without a budget.
	freeTrials = 64
	// gpgTrial is the work for a stanza with an OpenPGP key, to which a packet is long
	// enough.
	gpgTrial = 4
	// setBack is how far times may run back before the clock counts as set back; packets
	// of several inputs are out of order by less.
	setBack = 10 * time.Second
)

func newBudget(perSecond int) *budget {
	b := &budget{sources: make(map[netip.Addr]int)}
	if perSecond > 0 {
		b.perSlot = max(1, int(int64(perSecond)*int64(slotLength)/int64(time.Second)))
	}
	return b
}

// allows reports whether a packet of the source may cause so much work.
func (b *budget) allows(source netip.Addr, work int, at time.Time) bool {
	if b.perSlot == 0 {
		return true
	}
	b.advance(at)
	own, known := b.sources[source]
	if !known {
		return b.used < b.perSlot
	}
	share := b.perSlot / (max(b.before, len(b.sources)) + 1)
	return own+work <= share && b.used+work <= b.perSlot-b.perSlot/4
}

// take takes the work from the budget.
func (b *budget) take(source netip.Addr, work int) {
	if b.perSlot > 0 {
		b.used += work
		b.sources[source] += work
	}
}

// giveBack undoes take in the same slot.
func (b *budget) giveBack(source netip.Addr, work int) {
	if b.perSlot == 0 {
		return
	}
	b.used -= work
	if b.sources[source] -= work; b.sources[source] == 0 {
		delete(b.sources, source)
	}
}

// advance begins the slot of a time, if it is not the current one. Of an unknown time it
// is. A slot may begin with work that the one before had too much.
func (b *budget) advance(at time.Time) {
	if at.IsZero() {
		return
	}
	slot := at.UnixNano() / int64(slotLength)
	passed := slot - b.slot
	switch {
	case passed == 0, passed < 0 && passed >= -int64(setBack/slotLength):
		return
	case passed == 1:
		b.before = len(b.sources)
	default:
		b.before = 0
	}
	if passed < 0 || passed > int64(b.used/b.perSlot) {
		b.used = 0
	} else {
		b.used -= int(passed) * b.perSlot
	}
	b.slot = slot
	clear(b.sources)
}

// inherit takes over what was used of an older budget.
func (b *budget) inherit(old *budget) {
	b.slot, b.used, b.sources, b.before = old.slot, old.used, old.sources, old.before
}

// Bounds of what is remembered of sources that had a packet opened.
const (
	maxKnown    = 1 << 14
	maxOpenedBy = 8 // stanzas of one source: several users may share an address
)

// knownSources are the sources of packets that were opened lately, and the stanzas that did.
type knownSources struct {
	of   map[netip.Addr]*knownSource
	ring []netip.Addr // in the order in which they are looked at to make room
	hand int
}

type knownSource struct {
	openedBy []int32 // indices into Engine.spa, the latest last
	again    bool    // opened again since it was looked at
}

func newKnownSources() *knownSources { return &knownSources{of: make(map[netip.Addr]*knownSource)} }

// remember records that a stanza opened a packet of the source.
func (c *knownSources) remember(source netip.Addr, stanza int) {
	known := c.of[source]
	if known == nil {
		known = new(knownSource)
		c.add(source, known)
	} else {
		known.again = true
	}
	if n := len(known.openedBy); n > 0 && known.openedBy[n-1] == int32(stanza) {
		return
	}
	known.openedBy = slices.DeleteFunc(known.openedBy, func(i int32) bool { return i == int32(stanza) })
	if len(known.openedBy) == maxOpenedBy {
		known.openedBy = slices.Delete(known.openedBy, 0, 1)
	}
	known.openedBy = append(known.openedBy, int32(stanza))
}

// add adds a source. If there are too many, one goes that had nothing opened since the
// hand passed it.
func (c *knownSources) add(source netip.Addr, known *knownSource) {
	c.of[source] = known
	if len(c.ring) < maxKnown {
		c.ring = append(c.ring, source)
		return
	}
	for {
		at := &c.ring[c.hand]
		c.hand = (c.hand + 1) % maxKnown
		if old := c.of[*at]; old.again {
			old.again = false
			continue
		}
		delete(c.of, *at)
		*at = source
		return
	}
}

// translate replaces the indices of stanzas; those that place does not have are dropped.
func (c *knownSources) translate(place map[int32]int32) {
	for _, known := range c.of {
		kept := known.openedBy[:0]
		for _, i := range known.openedBy {
			if now, ok := place[i]; ok {
				kept = append(kept, now)
			}
		}
		known.openedBy = kept
	}
}

// A limiter decides which packets are tried on the stanzas, where there are many.
type limiter struct {
	strangers, known *budget
	tags             *budget // in tags
	sources          *knownSources
}

// knownShare is the part of the rate that sources have for themselves that had a packet
// opened.
const knownShare = 4

func newLimiter(perSecond int) *limiter {
	return &limiter{strangers: newBudget(perSecond), known: newBudget((perSecond + knownShare - 1) / knownShare),
		tags: newBudget(perSecond * tagsPerTrial), sources: newKnownSources()}
}

// A trial is the work for the packet of a request.
type trial struct {
	source netip.Addr
	work   int     // 0: nothing was taken
	from   *budget // nil: nothing was taken
}

// permit reports whether the packet may be tried on as many stanzas as match, and takes
// the work from a budget. A packet is always tried if its tag named a stanza that opens it, or
// a stanza opens it that opened one of its source before. Repeating one is work.
func (e *Engine) permit(r *request, stanzas int) (t trial, ok bool) {
	if stanzas < freeTrials || r.announced != nil {
		return trial{}, true
	}
	if r.opener != none {
		if e.isNew(r, &r.ahead.msg) {
			return trial{}, true
		}
		stanzas = e.leastWork(r, stanzas)
	}
	t = trial{source: spa.SourceOf(r.src()), work: stanzas}
	if e.mayBeGPG(r) {
		t.work *= gpgTrial
	}
	l, at := e.limiter, r.recorded()
	known := l.sources.of[t.source]
	switch {
	case known != nil && l.known.allows(t.source, t.work, at):
		t.from = l.known
	case l.strangers.allows(t.source, t.work, at):
		t.from = l.strangers
	default:
		return trial{}, known != nil && e.openedByAny(r, known.openedBy)
	}
	if !r.dry {
		t.from.take(t.source, t.work)
	}
	return t, true
}

// openedByAny reports whether one of the stanzas opens the packet, and no such message
// was seen before: repeating a recorded packet must not cause work.
func (e *Engine) openedByAny(r *request, stanzas []int32) bool {
	for _, i := range stanzas {
		st := &e.spa[i]
		if st.symmetric == nil || st.matches(r.ev) != "" || st.symmetric.Open(&r.keyed, &r.msg) != nil {
			continue
		}
		return e.isNew(r, &r.msg)
	}
	return false
}

// isNew reports whether the store has not seen the message.
func (e *Engine) isNew(r *request, m *spa.Message) bool {
	r.setSeen(m)
	_, seen, err := e.opts.Store.Seen(&r.seen)
	return err == nil && !seen
}

// settle gives the work back for a packet that a stanza opened and that was no replay,
// and remembers the stanza.
func (e *Engine) settle(r *request, taken ...trial) {
	if r.dry || !r.opened || r.ended || r.announced != nil {
		return
	}
	for _, t := range taken {
		if t.from != nil {
			t.from.giveBack(t.source, t.work)
		}
	}
	if len(e.spa) >= freeTrials {
		e.limiter.sources.remember(spa.SourceOf(r.src()), r.openedBy)
	}
}

// inheritLimiter takes over the state of the engine before a reload.
func (e *Engine) inheritLimiter(old *Engine) {
	l, o := e.limiter, old.limiter
	l.strangers.inherit(o.strangers)
	l.known.inherit(o.known)
	l.tags.inherit(o.tags)
	l.sources = o.sources
	if len(l.sources.of) == 0 {
		return
	}
	keys := make(map[string]int32, len(e.spa))
	for i := range slices.Backward(e.spa) { // the first of equals
		keys[keysOf(&e.spa[i])] = int32(i)
	}
	place := make(map[int32]int32, len(old.spa))
	for i := range old.spa {
		if now, ok := keys[keysOf(&old.spa[i])]; ok {
			place[int32(i)] = now
		}
	}
	l.sources.translate(place)
}

// keysOf returns the symmetric keys of a stanza as one text.
func keysOf(st *stanza) string { return string(st.Key.Bytes()) + "\x00" + string(st.HMACKey.Bytes()) }
