package ruleset

import (
	"net/netip"

	"fwknopd/enforce"
)

// A State is the connection tracking state of a packet; the zero value: not known.
type State uint8

// The states of the packets that a grant is about.
const (
	Untracked State = iota
	New
	Established
)

// A Packet is one that a grant lets through, as a base chain sees it. Zero fields are
// not known.
type Packet struct {
	Hook         Hook
	V6           bool
	Src, Dst     netip.Addr
	SrcBits      uint8 // how many leading bits of Src are known; 0: all
	DstBits      uint8
	Proto        enforce.Proto
	Sport, Dport uint16
	State        State
	DNAT         bool   // its destination was rewritten
	Zone         string // of firewalld, in whose chain it lands
}

// Flags of a TCP header.
const (
	FlagSYN = 0x02
	FlagACK = 0x10
)

// TCPFlags returns those of a connection's first packet and of the answer to it; 0 if p is
// not known to be of TCP.
func (p *Packet) TCPFlags() uint8 {
	switch {
	case p.Proto != enforce.TCP:
		return 0
	case p.State == Established:
		return FlagSYN | FlagACK
	}
	return FlagSYN
}

// reply returns the answer to p on another hook.
func (p Packet) reply(hook Hook) Packet {
	p.Hook, p.State = hook, Established
	p.Src, p.Dst, p.Sport, p.Dport = p.Dst, p.Src, p.Dport, p.Sport
	p.SrcBits, p.DstBits = p.DstBits, p.SrcBits
	return p
}

// on returns p on another hook.
func (p Packet) on(hook Hook) Packet {
	p.Hook, p.State = hook, New
	return p
}

// In reports whether an address, of which that many bits are known (0: all), lies in a
// network.
func In(a netip.Addr, bits uint8, net netip.Prefix) Truth {
	if bits == 0 || int(bits) >= net.Bits() {
		return Of(net.Contains(a))
	}
	if known := netip.PrefixFrom(a, int(bits)); known.Overlaps(net) {
		return Maybe
	}
	return No
}

// packets returns those that must pass for a connection that g is for: the first one of
// the client and the answer, on each hook of their way.
func packets(g enforce.Grant) (ps []Packet) {
	for _, part := range g.Split() {
		ps = append(ps, packetsOf(part)...)
	}
	return ps
}

func packetsOf(g enforce.Grant) []Packet {
	p := Packet{Hook: Ingress, V6: g.Src.Is6(), Src: g.Src, SrcBits: g.Bits, Dst: g.Dst}
	if len(g.Ports) == 1 {
		p.Proto, p.Dport = g.Ports[0].Proto, g.Ports[0].Number
	}
	ps := []Packet{p, p.on(Prerouting)}
	if g.NAT == nil {
		return append(ps, p.on(Input), p.reply(Output), p.reply(Postrouting), p.reply(Egress))
	}
	beyond := g.Filtered()
	p.Dst, p.DNAT = beyond.Dst, g.NAT.Target.IsValid()
	if len(beyond.Ports) == 1 {
		p.Dport = beyond.Ports[0].Number
	}
	if g.NAT.Local {
		return append(ps, p.on(Input), p.reply(Output), p.reply(Postrouting), p.reply(Egress))
	}
	return append(ps, p.on(Forward), p.on(Postrouting), p.reply(Forward))
}

// Anyone returns the first packet of an unknown client to an unknown port.
func Anyone(hook Hook, v6 bool) Packet {
	return Packet{V6: v6}.on(hook)
}
