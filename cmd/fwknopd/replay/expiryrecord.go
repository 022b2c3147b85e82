package replay

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// An expiryRecord holds what is needed of an entry until its grant expires. It is
// small and holds no pointers for the garbage collector to follow, as a capture may
// open very many grants at once.
type expiryRecord struct {
	src              [16]byte // IPv4 as mapped
	record           int64
	srcPort, dstPort uint16
	shared           uint32 // index in expiryRecords.shared
}

// sharedFields are the fields that many entries have in common.
type sharedFields struct {
	reason            policy.Reason
	user, mode, input string
	title, name       string // of the stanza
	dst               netip.Addr
	ports             string // portBytes for each: protocol, number
	proto             parse.Proto
	stanza            int
}

const portBytes = 3

func (t *sharedFields) matches(e *report.Entry) bool {
	return t.user == e.User && t.title == e.Title && t.dst == e.Dst.Addr() && t.stanza == e.Stanza && t.reason == e.Reason && t.mode == e.Mode &&
		t.input == e.Input.Name && t.proto == e.Proto && t.samePorts(e.Grant.Ports)
}

func (t *sharedFields) samePorts(list []enforce.Port) bool {
	if len(t.ports) != portBytes*len(list) {
		return false
	}
	for i, p := range list {
		b := t.ports[portBytes*i:]
		if parse.Proto(b[0]) != p.Proto || uint16(b[1])<<8|uint16(b[2]) != p.Number {
			return false
		}
	}
	return true
}

// expiryRecords stores records by number.
type expiryRecords struct {
	pool[expiryRecord]
	shared      []sharedFields
	sharedIndex map[sharedFields]uint32   // index in shared
	lastShared  uint32                    // index of those used last
	grants      map[uint32]*enforce.Grant // by number: grants that are not portsOnly for the packet's source
	scratch     []byte
}

// add stores a record of e and returns its number.
func (l *expiryRecords) add(e *report.Entry) uint32 {
	number := l.allocate()
	*l.at(number) = expiryRecord{
		src: e.Src.Addr().As16(), srcPort: e.Src.Port(), dstPort: e.Dst.Port(),
		record: e.Input.Record, shared: l.internShared(e),
	}
	if !portsOnly(e.Grant) || e.Grant.Src != e.Src.Addr() {
		if l.grants == nil {
			l.grants = make(map[uint32]*enforce.Grant)
		}
		rest := *e.Grant
		l.grants[number] = &rest
	}
	return number
}

// internShared returns the index of the shared fields of e, adding them if new.
func (l *expiryRecords) internShared(e *report.Entry) uint32 {
	if len(l.shared) > 0 && l.shared[l.lastShared].matches(e) {
		return l.lastShared // the common case, cheaper than hashing
	}
	l.scratch = l.scratch[:0]
	for _, p := range e.Grant.Ports {
		l.scratch = binary.BigEndian.AppendUint16(append(l.scratch, byte(p.Proto)), p.Number)
	}
	t := sharedFields{reason: e.Reason, user: e.User, mode: e.Mode, input: e.Input.Name, dst: e.Dst.Addr(),
		ports: string(l.scratch), proto: e.Proto, stanza: e.Stanza, title: e.Title, name: e.Name}
	n, known := l.sharedIndex[t]
	if !known {
		if l.sharedIndex == nil {
			l.sharedIndex = make(map[sharedFields]uint32)
		}
		t.user = strings.Clone(t.user)
		n = uint32(len(l.shared))
		l.shared, l.sharedIndex[t] = append(l.shared, t), n
	}
	l.lastShared = n
	return n
}

// remove fills e with the expiry entry of record number and frees the record.
func (l *expiryRecords) remove(number uint32, end time.Time, e *report.Entry) {
	from := l.at(number)
	t := &l.shared[from.shared]
	*e = report.Entry{Time: end, Verdict: report.Expired, Reason: t.reason,
		Src:   netip.AddrPortFrom(netip.AddrFrom16(from.src).Unmap(), from.srcPort),
		Dst:   netip.AddrPortFrom(t.dst, from.dstPort),
		Proto: t.proto, Stanza: t.stanza, Title: t.title, Name: t.name, User: t.user, Mode: t.mode, Grant: l.grants[number],
		Input: ingest.Position{Name: t.input, Record: from.record},
	}
	if e.Grant == nil {
		e.Grant = &enforce.Grant{Src: e.Src.Addr(), Ports: t.portList(), Expires: end}
	}
	delete(l.grants, number)
	l.free(number)
}

func (t *sharedFields) portList() []enforce.Port {
	var list []enforce.Port
	for p := []byte(t.ports); len(p) > 0; p = p[portBytes:] {
		list = append(list, enforce.Port{Proto: parse.Proto(p[0]), Number: binary.BigEndian.Uint16(p[1:])})
	}
	return list
}

// portsOnly reports whether a grant opens ports to one address and does nothing else.
func portsOnly(g *enforce.Grant) bool {
	return g.IsHost() && g.NAT == nil && g.External == nil && !g.All && !g.Output && !g.Dst.IsValid()
}
