// Package fingerprint names the operating system that sent a SYN, the way p0f version 2
// does: a text file of signatures, each a pattern over window, TTL, don't-fragment bit,
// length, option layout and quirks. It does no I/O; the signature file of this project
// is embedded.
//
// Entry points: [Load] or [Default], then [NewMatcher] and [Matcher.MatchID].
//
// # What is fingerprinted
//
// TCP segments with SYN and none of ACK, RST and FIN, that are not one fragment
// of several. PSH and URG do not disqualify one (they are quirk F), nor do ECE
// and CWR (a SYN that offers ECN). The options must be known: a log line without
// OPT whose length leaves room for options fits no signature.
//
// An IPv6 SYN is matched by its IPv4 equivalent: its length less 20, hop limit
// for TTL; there is no don't-fragment bit and no identification, so any DF fits
// and quirk Z is unknown.
//
// # Signatures
//
//	window:ttl:df:size:options:[quirks:] label
//
//	window   number, * any, %n multiple of n, Sn MSS×n, Tn (MSS+40)×n
//	ttl      initial TTL; a packet fits with ttl-maxHops < TTL <= ttl, or with any
//	         TTL up to it if a minus follows
//	df       1, 0 or * for the don't-fragment bit
//	size     bytes of the whole packet: number, * any, %n
//	options  comma list in wire order, . for none:
//	         N NOP, S SACK permitted, T time stamp (T0: zero),
//	         M* Mn M%n maximum segment size, W* Wn W%n window scale,
//	         ?n any other kind n, E end of list
//	quirks   oddities that must all be there, and no other; . for none; and
//	         conditions
//	label    genre:version:subtype:description; with all four parts it may follow
//	         the last colon at once
//
// Of signatures that differ in nothing but the TTL, the one nearest above a packet's
// fits; of guesses also if their labels differ.
//
// The layout is exact. Zero bytes that fill the options up to the next multiple
// of four may follow the last one spelled; if the signature spells E they must be
// there: one E stands for the end of the list and anything after it (then with quirk P),
// several for exactly so many zero bytes.
//
// Quirks are P bytes after the end of the option list, Z zero IP identification,
// I IP options, U urgent pointer, X reserved bits, A acknowledgement number, T
// second time stamp, F PSH or URG, D data, ! broken options, Q equal sequence and
// acknowledgement numbers, 0 zero sequence number; K belongs to RSTs and is never
// seen here. A signature of five fields does not look at quirks, except that
// broken options fit only where ! is asked for. A quirk that the record cannot
// show (the numbers need --log-tcp-sequence) never makes a difference.
//
// Conditions go beyond p0f 2. They are written in the quirks field after the letters,
// with commas between them (".,id=54321"), or in their place, and then quirks are not
// compared ("id=256,sport=6000"). One that the record cannot show does not hold.
//
//	id=N     IPv4 identification
//	sport=N  source port
//	seq=dst  the sequence number is the IPv4 destination address, as Mirai sends it
//	ip=N     version of IP, 4 or 6
//	data     an IPv4 packet longer than its headers
//
// The files of p0f 2 (SYN mode), pf and xt_osf (pf.os) load as they are, and so do the
// SYNs of a file of p0f 3 (p0f.fp), but for its second, fuzzy search. Two things differ
// from p0f 2: a size of * is any size, not 100 bytes or more, and Sn and Tn count in the
// MSS of the packet alone, never in Ethernet's instead.
//
// A genre that begins with @ marks a generic signature, a guess: these are
// reported after all specific ones. One that begins with * or - marks a tool or
// an application with a TCP stack of its own.
package fingerprint

import (
	"encoding/binary"

	"fwknopd/parse"
)

// DefaultMaxHops is the distance limit: a packet may have come 31 hops. A longer path
// could not be distinguished from another initial TTL (32, 64, 128, 255); paths above
// 20 hops are common.
const DefaultMaxHops = 32

// An ID stands for what a SYN matched: the same signatures, the same ID. IDs are
// small and dense, and private to a [Matcher].
type ID int32

const (
	// NotSYN is the ID of events that are not fingerprinted.
	NotSYN ID = -1
	// Unmatched is the ID of SYNs that no signature fits.
	Unmatched ID = 0
)

// maxResults bounds the combinations of signatures that a Matcher distinguishes.
// A file gives rise to some hundred; should a hostile mixture of file and traffic
// find more, a further combination is reported by its first signature alone.
const maxResults = 1 << 14

// bytesPerHit is the room an index takes in the key of a combination.
const bytesPerHit = 4

// A Matcher finds the signatures that fit. It caches the shapes of recent SYNs
// in a table of bounded size. It is for one goroutine.
type Matcher struct {
	set     *Set
	maxHops int
	ttls    *ttlClasses
	cache   shapeCache
	results [][]*Signature // by ID
	ids     map[string]ID  // by the indexes in the set, bytesPerHit each
	syn     syn            // scratch
	hits    []byte         // scratch: the key for ids
}

// NewMatcher makes a Matcher; a packet fits a signature if it can have come fewer
// than maxHops hops.
func NewMatcher(set *Set, maxHops int) *Matcher {
	return &Matcher{
		set:     set,
		maxHops: maxHops,
		ttls:    newTTLClasses(set, maxHops),
		cache:   newShapeCache(cacheBits),
		results: [][]*Signature{Unmatched: nil},
		ids:     map[string]ID{"": Unmatched},
		hits:    make([]byte, 0, bytesPerHit*set.Len()),
	}
}

// Set returns the signatures.
func (m *Matcher) Set() *Set { return m.set }

// MatchID returns the combination of signatures that fit ev. It allocates only when it
// meets one for the first time, and once to grow its cache of shapes.
func (m *Matcher) MatchID(ev *parse.Event) ID {
	if !isSYN(ev) {
		return NotSYN
	}
	if !ev.HasOptions {
		return Unmatched
	}
	var key shape
	if !key.encode(ev, m.ttls, &m.set.conds) {
		return m.match(ev)
	}
	entry, found := m.cache.find(&key)
	if !found {
		entry.shape = key
		entry.id = m.match(ev)
	}
	return entry.id
}

// match tests the signatures with the layout of ev.
func (m *Matcher) match(ev *parse.Event) ID {
	s := &m.syn
	s.decode(ev)
	m.hits = m.hits[:0]
	list := m.set.byLayout[s.layout]
next:
	for i := range list {
		for f := range fields {
			if !list[i].fits(f, s, m.maxHops) {
				continue next
			}
		}
		m.hits = binary.BigEndian.AppendUint32(m.hits, list[i].index)
	}
	return m.id()
}

// IDOf returns the ID of a Result of another Matcher of the same Set.
func (m *Matcher) IDOf(result []*Signature) ID {
	m.hits = m.hits[:0]
	for _, sig := range result {
		m.hits = binary.BigEndian.AppendUint32(m.hits, uint32(sig.Index))
	}
	return m.id()
}

// id returns the ID of the combination in hits.
func (m *Matcher) id() ID {
	if id, ok := m.ids[string(m.hits)]; ok {
		return id
	}
	if len(m.results) >= maxResults && len(m.hits) > bytesPerHit {
		m.hits = m.hits[:bytesPerHit]
		return m.id()
	}
	result := make([]*Signature, 0, len(m.hits)/bytesPerHit)
	for i := 0; i < len(m.hits); i += bytesPerHit {
		result = append(result, &m.set.sigs[binary.BigEndian.Uint32(m.hits[i:])])
	}
	id := ID(len(m.results))
	m.results = append(m.results, result)
	m.ids[string(m.hits)] = id
	return id
}

// Result returns the signatures of a combination, the specific ones in file order, then
// the generic ones; to be read only. Those of an event that is not a SYN are none.
func (m *Matcher) Result(id ID) []*Signature {
	if id <= Unmatched {
		return nil
	}
	return m.results[id]
}
