package ruleset

import (
	"fmt"
	"net/netip"

	"fwknopd/enforce"
)

// A Published is a port of this host, or a range of them, that a rule of another program sends
// on to another host, such as a container: its packets are forwarded, and the input hook does
// not see them.
type Published struct {
	Proto       enforce.Proto
	First, Last uint16
	At          netip.Prefix   // the addresses that packets are sent to; zero: any
	To          netip.AddrPort // where to; zero: not known; port 0: the same
	Owner       string         // the program, as [Base.Owner]
}

// Texts about published ports that programs recognise.
const (
	// IsPublished stands behind the port.
	IsPublished = " is published"
	// Unguarded: the port is open to all.
	Unguarded = "a grant on the input hook neither opens nor protects it"
	// Guards: GUARD_FORWARD has the port.
	Guards = "GUARD_FORWARD lets only granted clients through"
	// Circumvents: it has, and there is a [Bypass].
	Circumvents = "GUARD_FORWARD has it, but not all packets meet the guard"
)

// Text says of one port whether it is guarded, [Unguarded], [Guards] or [Circumvents]:
//
//	tcp/8080 is published to 172.17.0.2:80 by Docker: a grant on the input hook neither opens nor protects it; GUARD_FORWARD tcp/8080 does
func (p Published) Text(port enforce.Port, guarded string) string {
	text := port.String() + IsPublished
	if p.At.IsSingleIP() {
		text += " on " + p.At.Addr().String()
	} else if p.At.IsValid() {
		text += " on " + p.At.String()
	}
	if p.To.Addr().IsValid() {
		to := p.To
		if to.Port() == 0 {
			to = netip.AddrPortFrom(to.Addr(), port.Number)
		}
		text += " to " + to.String()
	}
	if p.Owner != "" {
		text += " by " + p.Owner
	}
	if guarded == Unguarded {
		guarded += fmt.Sprintf("; GUARD_FORWARD %s does", port)
	}
	return text + ": " + guarded
}

// maxPublished bounds what is said of one range.
const maxPublished = 16

// Ports returns the first ports of p that offers accepts.
func (p Published) Ports(offers func(enforce.Port) bool) (ports []enforce.Port) {
	for n := int(p.First); n <= int(p.Last) && len(ports) < maxPublished; n++ {
		if port := (enforce.Port{Proto: p.Proto, Number: uint16(n)}); offers(port) {
			ports = append(ports, port)
		}
	}
	return ports
}
