package nftables

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// publishedIn returns what the chains of a table publish, but for what is for packets that
// this host sends.
func (l *layout) publishedIn(t *nft.Table, chains map[string][]ruleset.Rule) (all []ruleset.Published) {
	owner := (&ruleset.Base{Layer: ruleset.NFTables, Table: t.Name}).Owner()
	for name, rules := range chains {
		if c := l.chain(t, name); c == nil || c.Hooknum != nil && *c.Hooknum != *nft.ChainHookPrerouting {
			continue
		}
		for _, r := range rules {
			if r, ok := r.(*rule); ok {
				for _, p := range r.published() {
					p.Owner = owner
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// A publication is what one rule says, as far as it was read.
type publication struct {
	rule   *rule
	values map[uint32][]byte // constants, by register
	loaded map[uint32]string // what else registers hold
	ports  [][2]uint16
	proto  enforce.Proto
	local  bool // for the loopback alone
}

// What a register holds.
const (
	holdsPort  = "port"
	holdsProto = "proto"
	holdsDst   = "dst"
)

// published reads a rule such as "tcp dport 8080 dnat to 172.17.0.2:80", also with an
// anonymous set of ports or map of them.
func (r *rule) published() (all []ruleset.Published) {
	p := publication{rule: r, values: make(map[uint32][]byte), loaded: make(map[uint32]string)}
	for _, e := range r.exprs {
		if nat, ok := e.(*expr.NAT); ok && nat.Type == expr.NATTypeDestNAT && !p.local {
			return p.result(nat)
		}
		p.step(e)
	}
	return nil
}

func (p *publication) step(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		p.load(e.Register, holdsProto, e.Key == expr.MetaKeyL4PROTO && !e.SourceRegister)
	case *expr.Payload:
		switch {
		case e.Base == expr.PayloadBaseTransportHeader:
			p.load(e.DestRegister, holdsPort, e.Offset == dstPort && e.Len == 2)
		default:
			isDst := e.Offset == dstOffset4 && e.Len == 4 || e.Offset == dstOffset6 && e.Len == 16
			p.load(e.DestRegister, holdsDst, e.Base == expr.PayloadBaseNetworkHeader && isDst)
		}
	case *expr.Immediate:
		p.values[e.Register] = e.Data
		delete(p.loaded, e.Register)
	case *expr.Cmp:
		p.compare(e)
	case *expr.Range:
		if p.loaded[e.Register] == holdsPort && e.Op == expr.CmpOpEq {
			p.addRange(e.FromData, e.ToData)
		}
	case *expr.Lookup:
		p.lookup(e)
	}
}

func (p *publication) load(register uint32, what string, known bool) {
	delete(p.loaded, register)
	delete(p.values, register)
	if known {
		p.loaded[register] = what
	}
}

func (p *publication) compare(e *expr.Cmp) {
	switch what := p.loaded[e.Register]; {
	case what == holdsPort && e.Op == expr.CmpOpEq:
		p.addRange(e.Data, e.Data)
	case what == holdsPort && e.Op == expr.CmpOpGte:
		p.addRange(e.Data, []byte{0xff, 0xff})
	case what == holdsPort && e.Op == expr.CmpOpLte && len(p.ports) > 0 && len(e.Data) >= 2:
		p.ports[len(p.ports)-1][1] = binary.BigEndian.Uint16(e.Data)
	case what == holdsProto && e.Op == expr.CmpOpEq && len(e.Data) > 0:
		p.proto = enforce.Proto(e.Data[0])
	case what == holdsDst && e.Op == expr.CmpOpEq:
		a, ok := netip.AddrFromSlice(e.Data)
		p.local = p.local || ok && a.IsLoopback()
	}
}

func (p *publication) lookup(e *expr.Lookup) {
	set := p.rule.sets[e.SetName]
	if set == nil || e.Invert || p.loaded[e.SourceRegister] != holdsPort {
		return
	}
	for _, in := range set.intervals {
		switch {
		case in.unknown:
		case in.exact:
			p.addRange(in.from, in.from)
		case in.to == nil:
			p.addRange(in.from, bytes.Repeat([]byte{0xff}, 2))
		default:
			p.addRange(in.from, in.to)
		}
	}
}

func (p *publication) addRange(from, to []byte) {
	if len(from) >= 2 && len(to) >= 2 {
		p.ports = append(p.ports, [2]uint16{binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)})
	}
}

func (p *publication) result(nat *expr.NAT) (all []ruleset.Published) {
	addr, _ := netip.AddrFromSlice(p.values[nat.RegAddrMin])
	port := uint16(0)
	if b := p.values[nat.RegProtoMin]; nat.RegProtoMin != 0 && len(b) >= 2 {
		port = binary.BigEndian.Uint16(b)
	}
	protos := []enforce.Proto{p.proto}
	switch p.proto {
	case enforce.TCP, enforce.UDP:
	case 0: // both, by a set
		protos = []enforce.Proto{enforce.TCP, enforce.UDP}
	default:
		return nil
	}
	for _, proto := range protos {
		for _, r := range p.ports {
			one := ruleset.Published{Proto: proto, First: r[0], Last: r[1]}
			if addr.IsValid() && (nat.Family == unix.NFPROTO_IPV4) == addr.Is4() {
				one.To = netip.AddrPortFrom(addr, port)
			}
			all = append(all, one)
		}
	}
	return all
}
