package filter

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// qualifiers are what stands in front of a value.
type qualifiers struct {
	first     token
	proto     string // "" or ip, ip6, tcp, udp, icmp, icmp6
	direction *direction
	kind      string // "" or host, net, port, portrange, proto
}

func (p *parser) qualifiers() (q qualifiers) {
	q.first = p.peek()
	switch q.first.text {
	case "ip", "ip6", "tcp", "udp", "icmp", "icmp6":
		q.proto = p.next().text
	}
	switch p.peek().text {
	case "src", "dst":
		d := p.direction()
		q.direction = &d
	}
	switch p.peek().text {
	case "host", "net", "port", "portrange", "proto":
		q.kind = p.next().text
	}
	if q.proto == "" && q.direction == nil && q.kind == "" {
		if isNumeric(q.first.text) {
			p.fail(q.first, "say what %q is: host, net or port", q.first.text)
		}
		p.unexpected(q.first)
	}
	return q
}

// direction reads "src", "dst", "src or dst", "src and dst" and the like.
func (p *parser) direction() direction {
	first := p.next().text
	if len(p.tokens) > 1 {
		word, other := p.tokens[0].text, p.tokens[1].text
		if other != first && (other == "src" || other == "dst") {
			switch word {
			case "or", "||":
				p.tokens = p.tokens[2:]
				return either
			case "and", "&&":
				p.tokens = p.tokens[2:]
				return both
			}
		}
	}
	if first == "src" {
		return src
	}
	return dst
}

// protocol is a protocol by itself.
func (q *qualifiers) protocol(p *parser) node {
	if t := p.peek(); isNumeric(t.text) {
		p.fail(t, "say what %q is: host, net or port", t.text)
	}
	switch q.proto {
	case "ip":
		return carries(etherIPv4)
	case "ip6":
		return carries(etherIPv6)
	case "icmp":
		return ip4Proto(protoICMP)
	case "icmp6":
		return ip6Proto(protoICMPv6)
	case "tcp":
		return or{ip4Proto(protoTCP), ip6Proto(protoTCP)}
	}
	return or{ip4Proto(protoUDP), ip6Proto(protoUDP)}
}

// apply is the node of one value.
func (q *qualifiers) apply(p *parser, t token) node {
	if q.kind == "proto" {
		return q.protocolNumber(p, t)
	}
	if t.text == "" || !isNumeric(t.text) {
		if t.text == "" || strings.Contains("()!/&&||", t.text) {
			p.unexpected(t)
		}
		p.fail(t, "%q is not a number or an address; names are not looked up", t.text)
	}
	switch q.kind {
	case "port", "portrange":
		return q.ports(p, t)
	}
	if strings.Contains(t.text, ":") {
		return q.address6(p, t)
	}
	return q.address4(p, t)
}

// protocolNumber is a protocol over IP by its number; that of GRE has a name.
func (q *qualifiers) protocolNumber(p *parser, t token) node {
	n, ok := number(t.text)
	switch {
	case t.text == "gre":
		n = protoGRE
	case t.text == "":
		p.unexpected(t)
	case !isNumeric(t.text):
		p.fail(t, "%q is not the number of a protocol, or gre", t.text)
	case !ok || n > math.MaxUint8:
		p.fail(t, "%q is not a protocol", t.text)
	case q.direction != nil:
		p.fail(q.first, "a protocol has no direction")
	}
	switch q.proto {
	case "ip":
		return ip4Proto(n)
	case "ip6":
		return ip6Proto(n)
	case "":
		return or{ip4Proto(n), ip6Proto(n)}
	}
	p.fail(q.first, "%q has no protocols", q.proto)
	return nil
}

func (q *qualifiers) dir() direction {
	if q.direction == nil {
		return either
	}
	return *q.direction
}

func (q *qualifiers) ports(p *parser, t token) node {
	var protos []uint32
	switch q.proto {
	case "tcp":
		protos = []uint32{protoTCP}
	case "udp":
		protos = []uint32{protoUDP}
	case "":
		protos = []uint32{protoTCP, protoUDP, protoSCTP}
	default:
		p.fail(q.first, "%q has no ports", q.proto)
	}
	from, to, isRange := strings.Cut(t.text, "-")
	if !isRange {
		to = from
	} else if q.kind == "port" {
		p.fail(t, "a range of ports is \"portrange %s\"", t.text)
	}
	lo, hi := p.port(t, from), p.port(t, to)
	return ports(min(lo, hi), max(lo, hi), q.dir(), protos...)
}

func (p *parser) port(t token, s string) uint32 {
	n, ok := number(s)
	if !ok || n > math.MaxUint16 {
		p.fail(t, "%q is not a port", s)
	}
	return n
}

// address4 reads an IPv4 address or network: one to four numbers joined by dots,
// a length or a mask behind it.
func (q *qualifiers) address4(p *parser, t token) node {
	if q.proto != "" && q.proto != "ip" {
		p.fail(q.first, "%q has no IPv4 addresses of its own; join them with \"and\"", q.proto)
	}
	addr, mask, dotted := p.dotted(t)
	onlyIP := q.proto == "ip"
	switch {
	case dotted && p.peek().text == "/":
		p.next()
		mask = q.maskOf(p, t, addr)
	case dotted && p.peek().text == "mask":
		p.next()
		m, _, ok := p.dotted(p.next())
		if !ok || q.kind != "net" {
			p.fail(t, "a mask needs \"net\" and four numbers")
		}
		if addr&^m != 0 {
			p.fail(t, "%q has bits outside its mask", t.text)
		}
		mask = m
	case !dotted && q.kind == "net":
		for addr != 0 && addr&0xff000000 == 0 {
			addr, mask = addr<<8, mask<<8
		}
	}
	return host4(addr, mask, q.dir(), onlyIP)
}

// maskOf reads the length behind an address.
func (q *qualifiers) maskOf(p *parser, t token, addr uint32) uint32 {
	length := p.next()
	n, ok := number(length.text)
	switch {
	case q.kind != "net":
		p.fail(t, "a length needs \"net\"")
	case !ok || n > 32:
		p.fail(length, "%q is not a length of a network", length.text)
	}
	mask := uint32(math.MaxUint32) << (32 - n)
	if addr&^mask != 0 {
		p.fail(t, "%q has bits outside its %d", t.text, n)
	}
	return mask
}

// dotted reads numbers joined by dots, the missing ones being no part of the mask.
// A single number is not dotted: it is the whole address.
func (p *parser) dotted(t token) (addr, mask uint32, isDotted bool) {
	parts := strings.Split(t.text, ".")
	if len(parts) == 1 {
		n, ok := number(t.text)
		if !ok {
			p.fail(t, "%q is not an address", t.text)
		}
		return n, math.MaxUint32, false
	}
	if len(parts) > 4 {
		p.fail(t, "%q is not an address", t.text)
	}
	for _, s := range parts {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			p.fail(t, "%q is not an address", t.text)
		}
		addr = addr<<8 | uint32(n)
	}
	missing := 8 * (4 - len(parts))
	return addr << missing, math.MaxUint32 << missing, true
}

// address6 reads an IPv6 address or network.
func (q *qualifiers) address6(p *parser, t token) node {
	if q.proto != "" && q.proto != "ip6" {
		p.fail(q.first, "%q has no IPv6 addresses of its own; join them with \"and\"", q.proto)
	}
	a, err := netip.ParseAddr(t.text)
	if err != nil || a.Zone() != "" {
		p.fail(t, "%q is not an address", t.text)
	}
	length := uint32(128)
	if p.accept("/") {
		l := p.next()
		n, ok := number(l.text)
		if !ok || n > 128 {
			p.fail(l, "%q is not a length of a network", l.text)
		}
		if n != 128 && q.kind != "net" {
			p.fail(t, "a length needs \"net\"")
		}
		length = n
	}
	var addr, mask [4]uint32
	b := a.As16()
	for i := range addr {
		addr[i] = binary.BigEndian.Uint32(b[4*i:])
		mask[i] = ^(uint32(math.MaxUint32) >> min(32, max(0, int(length)-32*i)))
		if addr[i]&^mask[i] != 0 {
			p.fail(t, "%q has bits outside its %d", t.text, length)
		}
	}
	return host6(addr, mask, q.dir())
}

// isNumeric reports whether a word is a value rather than a name.
func isNumeric(s string) bool {
	return s != "" && (s[0] >= '0' && s[0] <= '9' || strings.Contains(s, ":"))
}

// number reads a number as C writes it: decimal, 0x hexadecimal, 0 octal.
func number(s string) (uint32, bool) {
	if strings.ContainsAny(s, "_bBoO") && !strings.HasPrefix(s, "0x") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 0, bits.UintSize)
	return uint32(n), err == nil && n <= math.MaxUint32 && !strings.Contains(s, "_")
}
