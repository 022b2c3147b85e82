// Package ruleset is what Netfilter would do with a packet of a grant: base chains
// as the survey of a backend read them, and a walk through their rules. A packet
// passes a hook only if every base chain there lets it.
//
// A rule may match on what cannot be known beforehand: marks, rates, sets that change.
// The walk then goes on as if it did not match, and notes that it might. So a chain that
// ends in a drop drops, and one that accepts in the end does not, even if it has drops
// for some packets before.
//
// Entry point: [Base.Judge]. The package is pure.
package ruleset

import (
	"slices"

	"fwknopd/enforce"
)

// A Hook is a place on the way of a packet where Netfilter calls base chains.
type Hook uint8

// The hooks, in the order of a packet's way.
const (
	Ingress Hook = iota
	Prerouting
	Input
	Forward
	Output
	Postrouting
	Egress
)

var hookNames = [...]string{"ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}

// String is the name that nft(8) uses.
func (h Hook) String() string { return hookNames[h] }

// A Layer is one of the firewalls that can stand beside each other on a host.
type Layer string

// The layers.
const (
	IPTablesNFT    Layer = "iptables-nft"
	IPTablesLegacy Layer = "iptables-legacy"
	NFTables       Layer = "nftables"
	// Firewalld has its base chains in one of the others; grants are opened by itself.
	Firewalld Layer = "firewalld"
)

// A Verb is what a rule does with a packet that it matches.
type Verb uint8

// The verbs. Continue is that of a rule without a verdict; Queue leaves the packet to
// a program.
const (
	Continue Verb = iota
	Accept
	Drop // and reject
	Queue
	Jump
	Goto
	Return
)

// A Verdict is a Verb and, for Jump and Goto, the chain it leads to.
type Verdict struct {
	Verb  Verb
	Chain string
}

// A Truth is whether a rule matches.
type Truth uint8

// No is the zero value; Maybe depends on what is not known.
const (
	No Truth = iota
	Maybe
	Yes
)

// And is whether two matches together match.
func (t Truth) And(u Truth) Truth { return min(t, u) }

// Not is the opposite.
func (t Truth) Not() Truth { return Yes - t }

// Of is Yes or No.
func Of(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// A Rule is a rule of a chain. Judge reports whether it matches p, and its verdict; with
// Maybe there may be several, for a verdict map whose key is not known.
type Rule interface {
	Judge(p *Packet) ([]Verdict, Truth)
}

// Texts about a host's firewalls that programs recognise.
const (
	// NothingDrops: no base chain drops what a grant would be for.
	NothingDrops = "as nothing drops on this host"
	// NotOpened: a base chain drops it, and a grant does not change that.
	NotOpened = "drops what a grant is for, and is not opened"
	// Opened: a base chain drops it, until a grant opens it.
	Opened = "drops what a grant is for, and is opened by one"
	// AutoOpens, behind NotOpened: FIREWALL_TYPE alone stands in the way.
	AutoOpens = "FIREWALL_TYPE leaves it out"
	// EndedLeft: a table of ours is left of another FIREWALL_TYPE, see [EndedTable].
	EndedLeft = "is left of FIREWALL_TYPE firewalld and drops new connections of grants that ended while firewalld did not answer"
	// CutsConnections: a base chain drops packets of established connections.
	CutsConnections = "no rule accepts packets of established connections"
)

// A Base is a base chain: one that Netfilter calls from a hook.
type Base struct {
	Layer  Layer
	Name   string // for messages: "table inet filter chain input", "iptables-legacy filter INPUT"
	Table  string
	Why    string // why nothing of ours can be put there, if so
	Hook   Hook
	V4, V6 bool
	Policy Verb
	Chain  string            // name of the chain in Chains
	Chains map[string][]Rule // of its table
	Ours   map[string]bool   // names of chains of ours: they accept what is granted, or, with false, leave it to the chains behind
}

// Holds reports whether the table of b holds a chain of ours.
func (b *Base) Holds() bool {
	for name := range b.Ours {
		if _, ok := b.Chains[name]; ok {
			return true
		}
	}
	return false
}

// Guard returns the name of the chain of GUARD_FORWARD that the table of b holds, "" if none.
func (b *Base) Guard() string {
	for name, accepts := range b.Ours {
		if _, has := b.Chains[name]; has && !accepts {
			return name
		}
	}
	return ""
}

// CutsConnections reports whether b drops new packets and none of its rules accepts
// those of established connections: a connection then ends with its grant.
func (b *Base) CutsConnections() bool {
	for _, v6 := range []bool{false, true} {
		first, later := Anyone(Input, v6), Anyone(Input, v6)
		later.State = Established
		if b.Serves(&first) && b.Judge(&first, OursAbsent).Drops && !b.Judge(&later, OursAbsent).MayAccept {
			return true
		}
	}
	return false
}

// Serves reports whether b is called for p at all.
func (b *Base) Serves(p *Packet) bool {
	return b.Hook == p.Hook && (p.V6 && b.V6 || !p.V6 && b.V4)
}

// blocks reports whether b drops a packet of a grant that is open. In the chains of firewalld
// the rule of a grant is in those of zones: each of them has to accept it.
func (b *Base) blocks(p *Packet, zones []string) bool {
	if b.Layer != Firewalld || len(zones) == 0 {
		return b.Judge(p, OursAccept).Drops
	}
	return slices.ContainsFunc(zones, func(zone string) bool {
		sent := *p
		sent.Zone = zone
		return b.Judge(&sent, OursAccept).Drops
	})
}

// Blockers names the base chains that drop one of the packets of a grant, each once
// and in the order of the packets' way. Zones are those of firewalld in which packets of the
// client land.
func Blockers(bases []*Base, g enforce.Grant, zones []string) (names []string) {
	seen := make(map[string]bool)
	for _, p := range packets(g) {
		for _, b := range bases {
			if !seen[b.Name] && b.Serves(&p) && b.blocks(&p, zones) {
				seen[b.Name] = true
				names = append(names, b.Name)
			}
		}
	}
	return names
}
