package nftables

import (
	"cmp"
	"encoding/binary"
	"math"
	mathbits "math/bits"
	"net"
	"net/netip"
	"slices"

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
	for name := range chains {
		if c := l.chain(t, name); c == nil || c.Hooknum != nil && *c.Hooknum != *nft.ChainHookPrerouting {
			continue
		}
		for _, p := range publishedBy(chains, name, publication{}, 0) {
			p.Owner = owner
			all = append(all, p)
		}
	}
	return all
}

// maxJumps bounds how far rules are followed from chain to chain.
const maxJumps = 8

// publishedBy returns what one chain publishes. Behind a jump, before holds what led there; rules
// with ports of their own are left out then, as their chain is read by itself too.
func publishedBy(chains map[string][]ruleset.Rule, chain string, before publication, jumps int) (all []ruleset.Published) {
	for _, r := range chains[chain] {
		r, ok := r.(*rule)
		if !ok {
			continue
		}
		p := before.in(r)
		for _, e := range r.exprs {
			if nat, ok := e.(*expr.NAT); ok && nat.Type == expr.NATTypeDestNAT && !p.at.Addr().IsLoopback() {
				all = append(all, p.result(nat)...)
				break
			}
			p.step(e)
			for _, to := range p.jumps(e) {
				if jumps < maxJumps {
					all = append(all, publishedBy(chains, to.chain, to.publication, jumps+1)...)
				}
			}
		}
	}
	return all
}

// A publication is what one rule says, as far as it was read. Registers are those of four bytes.
type publication struct {
	rule   *rule
	values map[uint32][]byte // constants, by register
	loaded map[uint32]field  // what else registers hold
	ports  []portRange
	before []portRange // of the jump to this chain
	mapped uint32      // the first register with the value of the element for the port; 0: none
	proto  enforce.Proto
	at     netip.Prefix // the destination; zero: any
	mask   []byte       // of the destination in the register of the last bitwise expression
	sets   []string
}

// in is what a rule says behind a jump.
func (p publication) in(r *rule) *publication {
	return &publication{rule: r, values: make(map[uint32][]byte), loaded: make(map[uint32]field), before: p.ports, proto: p.proto, at: p.at}
}

// A portRange is ports, the last included. Of a map, it is those of one element.
type portRange struct {
	first, last uint16
	proto       enforce.Proto // 0: that of the rule
	at          netip.Prefix  // zero: that of the rule
	value       []byte
	chain       string // where a verdict map goes on
}

// A field of a packet in a register.
type field struct {
	what string // "" for others than those below
	size uint32
}

// What a register holds.
const (
	holdsPort  = "port"
	holdsProto = "proto"
	holdsDst4  = "dst4" // or its first bytes
	holdsDst6  = "dst6"
	holdsNet   = "net" // one of them, masked
)

// word returns the first register of four bytes of a register: 1 to 4 are of 16 bytes each.
func word(register uint32) uint32 {
	if register >= unix.NFT_REG_1 && register <= unix.NFT_REG_4 {
		return firstReg + 4*(register-unix.NFT_REG_1)
	}
	return register
}

func (f field) words() uint32 { return (f.size + 3) / 4 }

// portSets returns the sets and maps with a port in their keys that a rule which translates
// destinations uses, such as "dnat to tcp dport map @ports".
func portSets(exprs []expr.Any) []string {
	p := publication{}.in(&rule{})
	for _, e := range exprs {
		if nat, ok := e.(*expr.NAT); ok && nat.Type == expr.NATTypeDestNAT {
			return p.sets
		}
		p.step(e)
	}
	return nil
}

// step follows one expression of a rule such as "tcp dport 8080 dnat to 172.17.0.2:80", also with
// a set of ports or a map of them.
func (p *publication) step(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		if !e.SourceRegister {
			p.load(e.Register, field{named(holdsProto, e.Key == expr.MetaKeyL4PROTO), metaSize(e.Key)})
		}
	case *expr.Payload:
		what := ""
		switch {
		case e.Base == expr.PayloadBaseTransportHeader:
			what = named(holdsPort, e.Offset == dstPort && e.Len == 2)
		case e.Base == expr.PayloadBaseNetworkHeader:
			what = cmp.Or(named(holdsDst4, e.Offset == dstOffset4 && e.Len <= net.IPv4len), named(holdsDst6, e.Offset == dstOffset6))
		}
		p.load(e.DestRegister, field{what, e.Len})
	case *expr.Bitwise:
		p.bitwise(e)
	case *expr.Immediate:
		p.load(e.Register, field{size: uint32(len(e.Data))})
		p.values[word(e.Register)] = e.Data
	case *expr.Cmp:
		p.compare(e)
	case *expr.Range:
		if p.holds(e.Register) == holdsPort && e.Op == expr.CmpOpEq {
			p.addRange(e.FromData, e.ToData)
		}
	case *expr.Lookup:
		p.lookup(e)
	}
}

func named(what string, is bool) string {
	if !is {
		return ""
	}
	return what
}

// metaSize is the size of what the kernel knows of a packet, as far as keys of translations have it.
func metaSize(key expr.MetaKey) uint32 {
	switch key {
	case expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME:
		return unix.IFNAMSIZ
	case expr.MetaKeyL4PROTO, expr.MetaKeyNFPROTO:
		return 1
	}
	return 4
}

func (p *publication) holds(register uint32) string { return p.loaded[word(register)].what }

func (p *publication) load(register uint32, f field) {
	first := word(register)
	for w := first; w < first+max(f.words(), 1); w++ {
		delete(p.loaded, w)
		delete(p.values, w)
	}
	p.loaded[first] = f
}

func (p *publication) compare(e *expr.Cmp) {
	what := p.holds(e.Register)
	if what == holdsPort {
		p.comparePort(e)
		return
	}
	if e.Op != expr.CmpOpEq || len(e.Data) == 0 {
		return
	}
	switch what {
	case holdsProto:
		p.proto = enforce.Proto(e.Data[0])
	case holdsDst4, holdsDst6:
		p.at = destination(what, e.Data, e.Data)
	case holdsNet:
		ones, bits := net.IPMask(p.mask).Size()
		if a, ok := netip.AddrFromSlice(e.Data); ok && bits != 0 {
			p.at = netip.PrefixFrom(a, ones)
		}
	}
}

func (p *publication) comparePort(e *expr.Cmp) {
	switch {
	case e.Op == expr.CmpOpEq:
		p.addRange(e.Data, e.Data)
	case e.Op == expr.CmpOpGte:
		p.addRange(e.Data, []byte{0xff, 0xff})
	case e.Op == expr.CmpOpLte && len(p.ports) > 0 && len(e.Data) >= 2:
		p.ports[len(p.ports)-1].last = binary.BigEndian.Uint16(e.Data)
	}
}

// bitwise follows the mask of a destination.
func (p *publication) bitwise(e *expr.Bitwise) {
	what := p.holds(e.SourceRegister)
	p.load(e.DestRegister, field{named(holdsNet, what == holdsDst4 || what == holdsDst6), e.Len})
	p.mask = e.Mask
}

// destination returns the smallest prefix with the addresses from one to another, of which the first
// bytes are given; zero if it is not known. what is how the register holds them.
func destination(what string, from, to []byte) netip.Prefix {
	size := map[string]int{holdsDst4: net.IPv4len, holdsDst6: net.IPv6len}[what]
	if len(from) > size {
		return netip.Prefix{}
	}
	bits := 0
	for i := 0; i < min(len(from), len(to)); i++ {
		same := mathbits.LeadingZeros8(from[i] ^ to[i])
		if bits += same; same < 8 {
			break
		}
	}
	if bits == 0 {
		return netip.Prefix{}
	}
	whole := make([]byte, size)
	copy(whole, from)
	a, _ := netip.AddrFromSlice(whole)
	at, _ := a.Prefix(bits)
	return at
}

// A keyField is where a field is in the keys of a set.
type keyField struct {
	field
	at uint32 // in bytes
}

// of returns the bytes of the field in a key; nil if the key is too short.
func (f keyField) of(key []byte) []byte {
	if uint32(len(key)) < f.at+f.size {
		return nil
	}
	return key[f.at : f.at+f.size]
}

// keyAt returns the fields that make the key of a lookup.
func (p *publication) keyAt(register uint32) (fields []keyField) {
	first := word(register)
	for w := first; ; {
		f, ok := p.loaded[w]
		if !ok || f.size == 0 {
			return fields
		}
		fields = append(fields, keyField{f, 4 * (w - first)})
		w += f.words()
	}
}

// lookup reads the ports of a set or a map.
func (p *publication) lookup(e *expr.Lookup) {
	key := p.keyAt(e.SourceRegister)
	if e.Invert || !slices.ContainsFunc(key, func(f keyField) bool { return f.what == holdsPort }) {
		return
	}
	p.sets = append(p.sets, e.SetName)
	set := p.rule.sets[e.SetName]
	if set == nil {
		set = p.rule.named[e.SetName]
	}
	if set == nil {
		return
	}
	for i := range set.intervals {
		p.element(&set.intervals[i], key)
	}
	if e.IsDestRegSet && e.DestRegister != 0 {
		p.load(e.DestRegister, field{})
		p.mapped = word(e.DestRegister)
	}
}

// element adds the ports of an element of a set with such keys.
func (p *publication) element(in *interval, key []keyField) {
	to := in.to
	if in.exact {
		to = in.from
	}
	r := portRange{value: in.value}
	if in.verdict != nil {
		r.chain = in.verdict.Chain
	}
	for _, f := range key {
		from := f.of(in.from)
		switch {
		case from == nil:
			return
		case f.what == holdsPort:
			r.first, r.last = binary.BigEndian.Uint16(from), math.MaxUint16
			if last := f.of(to); last != nil {
				r.last = binary.BigEndian.Uint16(last)
			}
		case f.what == holdsProto:
			r.proto = enforce.Proto(from[0])
		case f.what == holdsDst4 || f.what == holdsDst6:
			r.at = destination(f.what, from, f.of(to))
		}
	}
	if !r.at.Addr().IsLoopback() {
		p.ports = append(p.ports, r)
	}
}

func (p *publication) addRange(from, to []byte) {
	if len(from) >= 2 && len(to) >= 2 {
		p.ports = append(p.ports, portRange{first: binary.BigEndian.Uint16(from), last: binary.BigEndian.Uint16(to)})
	}
}

// A jump is a chain that a rule goes on in, and what it says of the packets that do.
type jump struct {
	chain string
	publication
}

// jumps returns where packets go behind an expression, of those that are known to be for ports.
func (p *publication) jumps(e expr.Any) (to []jump) {
	switch e := e.(type) {
	case *expr.Verdict:
		if e.Chain != "" && len(p.narrowed()) > 0 {
			to = append(to, jump{e.Chain, publication{ports: p.narrowed(), proto: p.proto, at: p.at}})
		}
	case *expr.Lookup:
		for _, r := range p.ports {
			if e.IsDestRegSet && r.chain != "" {
				to = append(to, jump{r.chain, publication{ports: []portRange{r}, proto: p.proto, at: p.at}})
			}
		}
	}
	return to
}

// narrowed returns the ports of the rule, else those of the jump to its chain.
func (p *publication) narrowed() []portRange {
	if len(p.ports) > 0 {
		return p.ports
	}
	return p.before
}

// result returns what a rule publishes with its translation.
func (p *publication) result(nat *expr.NAT) (all []ruleset.Published) {
	if len(p.before) > 0 && len(p.ports) > 0 {
		return nil // see publishedBy
	}
	for _, r := range p.narrowed() {
		addr, _ := netip.AddrFromSlice(p.target(nat.RegAddrMin, r, map[bool]int{true: 4, false: 16}[nat.Family == unix.NFPROTO_IPV4]))
		port := uint16(0)
		if b := p.target(nat.RegProtoMin, r, 2); nat.RegProtoMin != 0 && len(b) >= 2 {
			port = binary.BigEndian.Uint16(b)
		}
		for _, proto := range protosOf(cmp.Or(r.proto, p.proto)) {
			one := ruleset.Published{Proto: proto, First: r.first, Last: r.last, At: cmp.Or(r.at, p.at)}
			if addr.IsValid() {
				one.To = netip.AddrPortFrom(addr, port)
			}
			all = append(all, one)
		}
	}
	return all
}

// target returns the bytes of a register at the translation, size of them if they are of the
// value of a map: nil if they are not known.
func (p *publication) target(register uint32, r portRange, size int) []byte {
	w := word(register)
	if b, ok := p.values[w]; ok || p.mapped == 0 || w < p.mapped {
		return b
	}
	at := int(4 * (w - p.mapped))
	if len(r.value) < at+size {
		return nil
	}
	return r.value[at : at+size]
}

// protosOf returns the protocols with ports that one is, or all if it is not known: a set may have
// both.
func protosOf(proto enforce.Proto) []enforce.Proto {
	switch proto {
	case enforce.TCP, enforce.UDP:
		return []enforce.Proto{proto}
	case 0:
		return []enforce.Proto{enforce.TCP, enforce.UDP}
	}
	return nil
}
