package fingerprint

import (
	"encoding/binary"

	"fwknopd/parse"
)

// DefaultMaxHops is the distance limit: a packet may have come 31 hops. A longer way
// could not be told from a system with another initial TTL (32, 64, 128, 255); paths
// above 20 hops are common.
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

// maxResults bounds the combinations of signatures that a Matcher tells apart.
// A file gives rise to some hundred; should a hostile mixture of file and traffic
// find more, a further combination is reported by its first signature alone.
const maxResults = 1 << 14

// bytesPerHit is the room an index takes in the key of a combination.
const bytesPerHit = 4

// A Matcher finds the signatures that fit. It remembers the shapes of recent SYNs
// in a table of bounded size. It is for one goroutine.
type Matcher struct {
	set     *Set
	maxHops int
	ttls    *ttlClasses
	memo    memo
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
		memo:    newMemo(memoBits),
		results: [][]*Signature{Unmatched: nil},
		ids:     map[string]ID{"": Unmatched},
		hits:    make([]byte, 0, bytesPerHit*set.Len()),
	}
}

// Match appends every signature that fits ev to dst, the specific ones in file
// order, then the generic ones. Of an event that is not a SYN it appends nothing.
// It allocates only to grow dst, when it meets a combination of signatures for the
// first time, and once to grow its memory for shapes.
func (m *Matcher) Match(ev *parse.Event, dst []*Signature) []*Signature {
	return append(dst, m.Result(m.MatchID(ev))...)
}

// MatchID is Match for those who count: it returns a number for the combination.
func (m *Matcher) MatchID(ev *parse.Event) ID {
	if !isSYN(ev) {
		return NotSYN
	}
	if !ev.HasOptions {
		return Unmatched
	}
	var key shape
	if !key.of(ev, m.ttls, &m.set.conds) {
		return m.match(ev)
	}
	slot, found := m.memo.find(&key)
	if !found {
		slot.shape = key
		slot.id = m.match(ev)
	}
	return slot.id
}

// Result returns what id stands for, to be read only.
func (m *Matcher) Result(id ID) []*Signature {
	if id <= Unmatched {
		return nil
	}
	return m.results[id]
}

// match asks the signatures.
func (m *Matcher) match(ev *parse.Event) ID {
	s := &m.syn
	s.decode(ev)
	m.hits = m.hits[:0]
	list := m.set.byLayout[s.layout]
	for i := range list {
		if list[i].fits(s, m.maxHops) {
			m.hits = binary.BigEndian.AppendUint32(m.hits, list[i].index)
		}
	}
	if id, ok := m.ids[string(m.hits)]; ok {
		return id
	}
	if len(m.results) >= maxResults && len(m.hits) > bytesPerHit {
		m.hits = m.hits[:bytesPerHit]
		if id, ok := m.ids[string(m.hits)]; ok {
			return id
		}
	}
	return m.newID()
}

// newID gives the combination in hits an ID.
func (m *Matcher) newID() ID {
	result := make([]*Signature, 0, len(m.hits)/bytesPerHit)
	for i := 0; i < len(m.hits); i += bytesPerHit {
		result = append(result, &m.set.sigs[binary.BigEndian.Uint32(m.hits[i:])])
	}
	id := ID(len(m.results))
	m.results = append(m.results, result)
	m.ids[string(m.hits)] = id
	return id
}
