package ingest

import (
	"encoding/binary"
	"net/netip"

	"fwknopd/parse"
)

// Inside counts packets that a filter asks for but does not look for where they are:
// as in libpcap, an expression that names none of these sees no IP packet behind a VLAN
// tag or MPLS labels or in a PPPoE session.
type Inside struct {
	Tagged, PPPoE, MPLS uint64         // by what is around them
	Proto               parse.Proto    // of the first one
	Dst                 netip.AddrPort // of the first one
}

func (i *Inside) note(at int, frame []byte, ev *parse.Event) {
	if i.none() {
		i.Proto, i.Dst = ev.Proto, ev.Dst
	}
	switch etherType(at, frame) {
	case etherPPPoE:
		i.PPPoE++
	case etherMPLS, etherMPLSMulticast:
		i.MPLS++
	default:
		i.Tagged++
	}
}

// Add sums i and j.
func (i *Inside) Add(j Inside) {
	if i.none() {
		i.Proto, i.Dst = j.Proto, j.Dst
	}
	i.Tagged, i.PPPoE, i.MPLS = i.Tagged+j.Tagged, i.PPPoE+j.PPPoE, i.MPLS+j.MPLS
}

func (i *Inside) none() bool { return i.Tagged|i.PPPoE|i.MPLS == 0 }

const (
	etherMPLS          = 0x8847
	etherMPLSMulticast = 0x8848
	etherPPPoE         = 0x8864
)

// isWrapped reports whether the packet of a frame with its EtherType at a place lies
// behind a VLAN tag or MPLS labels or in PPPoE.
func isWrapped(at int, frame []byte) bool {
	switch etherType(at, frame) {
	case etherPPPoE, etherMPLS, etherMPLSMulticast, 0x8100, 0x88a8, 0x9100, 0x9200:
		return true
	}
	return false
}

// etherType returns the EtherType of a frame, 0 if it has none.
func etherType(at int, frame []byte) uint16 {
	if at < 0 || at+2 > len(frame) {
		return 0
	}
	return binary.BigEndian.Uint16(frame[at:])
}

// etherTypeAt returns where frames of a link type have their EtherType, -1 if nowhere.
func etherTypeAt(link parse.LinkType) int {
	switch link {
	case parse.LinkEthernet:
		return 12
	case parse.LinkSLL:
		return 14
	case parse.LinkSLL2:
		return 0
	}
	return -1
}
