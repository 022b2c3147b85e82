package ingest

import (
	"encoding/binary"
	"net/netip"

	"fwknopd/parse"
)

// Inside counts packets that a filter asks for but does not look for where they are:
// as in libpcap, an expression that speaks of neither sees no IP packet behind a VLAN
// tag or in a PPPoE session.
type Inside struct {
	Tagged, PPPoE uint64         // by what is around them
	Proto         parse.Proto    // of the first one
	Dst           netip.AddrPort // of the first one
}

func (i *Inside) note(link parse.LinkType, frame []byte, ev *parse.Event) {
	if i.Tagged+i.PPPoE == 0 {
		i.Proto, i.Dst = ev.Proto, ev.Dst
	}
	if etherType(link, frame) == etherPPPoE {
		i.PPPoE++
	} else {
		i.Tagged++
	}
}

// Add sums i and j.
func (i *Inside) Add(j Inside) {
	if i.Tagged+i.PPPoE == 0 {
		i.Proto, i.Dst = j.Proto, j.Dst
	}
	i.Tagged, i.PPPoE = i.Tagged+j.Tagged, i.PPPoE+j.PPPoE
}

const etherPPPoE = 0x8864

// isWrapped says whether the packet of a frame lies behind a VLAN tag or in PPPoE.
func isWrapped(link parse.LinkType, frame []byte) bool {
	switch etherType(link, frame) {
	case etherPPPoE, 0x8100, 0x88a8, 0x9100, 0x9200:
		return true
	}
	return false
}

// etherType returns the EtherType of a frame, 0 if it has none.
func etherType(link parse.LinkType, frame []byte) uint16 {
	at := 0
	switch link {
	case parse.LinkEthernet:
		at = 12
	case parse.LinkSLL:
		at = 14
	case parse.LinkSLL2:
	default:
		return 0
	}
	if at+2 > len(frame) {
		return 0
	}
	return binary.BigEndian.Uint16(frame[at:])
}
