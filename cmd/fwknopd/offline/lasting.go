package offline

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// lasting is what is kept of an entry until its grant ends. It is small and holds no
// pointers for the garbage collector to follow: a capture may open a great many grants
// at once.
type lasting struct {
	src              [16]byte // IPv4 as mapped
	record           int64
	srcPort, dstPort uint16
	terms            uint32 // place in lastings.terms
}

// terms are what many entries have in common.
type terms struct {
	reason            policy.Reason
	user, mode, input string
	dst               netip.Addr
	ports             string // portBytes each: protocol, number
	proto             parse.Proto
	stanza            int
}

const portBytes = 3

func (t *terms) are(e *Entry) bool {
	return t.user == e.User && t.dst == e.Dst.Addr() && t.stanza == e.Stanza && t.reason == e.Reason && t.mode == e.Mode &&
		t.input == e.Input.Name && t.proto == e.Proto && t.open(e.Grant.Ports)
}

func (t *terms) open(list []enforce.Port) bool {
	if len(t.ports) != portBytes*len(list) {
		return false
	}
	for i, p := range list {
		b := t.ports[portBytes*i:]
		if b[0] != p.Proto || uint16(b[1])<<8|uint16(b[2]) != p.Number {
			return false
		}
	}
	return true
}

// lastingChunk is how many entries are allocated at a time, so that none is copied.
const lastingChunk = 1 << 10

// lastings keep entries by number.
type lastings struct {
	chunks  []*[lastingChunk]lasting
	n       uint32
	unused  []uint32 // numbers of entries that ended
	terms   []terms
	numbers map[terms]uint32          // places in terms
	recent  uint32                    // place of those asked for last
	rest    map[uint32]*enforce.Grant // by number: grants with more to them than ports for the source
	scratch []byte
}

func (l *lastings) at(number uint32) *lasting {
	return &l.chunks[number/lastingChunk][number%lastingChunk]
}

// add keeps what matters of e and returns its number.
func (l *lastings) add(e *Entry) uint32 {
	number := l.number()
	*l.at(number) = lasting{
		src: e.Src.Addr().As16(), srcPort: e.Src.Port(), dstPort: e.Dst.Port(),
		record: e.Input.Record, terms: l.termsOf(e),
	}
	if !plain(e.Grant) || e.Grant.Src != e.Src.Addr() {
		if l.rest == nil {
			l.rest = make(map[uint32]*enforce.Grant)
		}
		rest := *e.Grant
		l.rest[number] = &rest
	}
	return number
}

// number returns one that is not in use.
func (l *lastings) number() uint32 {
	if last := len(l.unused) - 1; last >= 0 {
		number := l.unused[last]
		l.unused = l.unused[:last]
		return number
	}
	if l.n%lastingChunk == 0 {
		l.chunks = append(l.chunks, new([lastingChunk]lasting))
	}
	l.n++
	return l.n - 1
}

// termsOf finds or makes the terms of e.
func (l *lastings) termsOf(e *Entry) uint32 {
	if len(l.terms) > 0 && l.terms[l.recent].are(e) {
		return l.recent // most often, and cheaper than to hash it all
	}
	l.scratch = l.scratch[:0]
	for _, p := range e.Grant.Ports {
		l.scratch = binary.BigEndian.AppendUint16(append(l.scratch, p.Proto), p.Number)
	}
	t := terms{reason: e.Reason, user: e.User, mode: e.Mode, input: e.Input.Name, dst: e.Dst.Addr(),
		ports: string(l.scratch), proto: e.Proto, stanza: e.Stanza}
	n, known := l.numbers[t]
	if !known {
		if l.numbers == nil {
			l.numbers = make(map[terms]uint32)
		}
		t.user = strings.Clone(t.user)
		n = uint32(len(l.terms))
		l.terms, l.numbers[t] = append(l.terms, t), n
	}
	l.recent = n
	return n
}

// take makes e what is printed when the entry of this number ends, and forgets it.
func (l *lastings) take(number uint32, end time.Time, e *Entry) {
	from := l.at(number)
	t := &l.terms[from.terms]
	*e = Entry{Time: end, Verdict: verdictExpired, Reason: t.reason,
		Src:   netip.AddrPortFrom(netip.AddrFrom16(from.src).Unmap(), from.srcPort),
		Dst:   netip.AddrPortFrom(t.dst, from.dstPort),
		Proto: t.proto, Stanza: t.stanza, User: t.user, Mode: t.mode, Grant: l.rest[number],
		Input: ingest.Position{Name: t.input, Record: from.record},
	}
	if e.Grant == nil {
		e.Grant = &enforce.Grant{Src: e.Src.Addr(), Ports: t.portList(), Expires: end}
	}
	delete(l.rest, number)
	l.unused = append(l.unused, number)
}

func (t *terms) portList() []enforce.Port {
	var list []enforce.Port
	for p := []byte(t.ports); len(p) > 0; p = p[portBytes:] {
		list = append(list, enforce.Port{Proto: p[0], Number: binary.BigEndian.Uint16(p[1:])})
	}
	return list
}
