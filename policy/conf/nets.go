package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fwknopd/parse"
)

// Nets is a list of networks with exceptions. An address is in it if some
// prefix of Include covers it and none of Exclude does. ANY is the two prefixes
// 0.0.0.0/0 and ::/0.
type Nets struct {
	Include, Exclude []netip.Prefix
}

// Contains reports whether a is in the list. It does not allocate.
func (n *Nets) Contains(a netip.Addr) bool {
	return len(n.Include) > 0 && n.contains(a) // inlined: most lists are empty
}

func (n *Nets) contains(a netip.Addr) bool {
	for _, p := range n.Exclude {
		if p.Contains(a) {
			return false
		}
	}
	for _, p := range n.Include {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Overlap returns an entry of the list that has an address of p, or the part of p that it
// has; ok is false if there is none. Where several exceptions together take it out, it is
// returned all the same.
func (n *Nets) Overlap(p netip.Prefix) (part netip.Prefix, ok bool) {
	for _, in := range n.Include {
		if !in.Overlaps(p) {
			continue
		}
		if part = in; p.Bits() > in.Bits() {
			part = p
		}
		excepted := false
		for _, out := range n.Exclude {
			excepted = excepted || out.Bits() <= part.Bits() && out.Contains(part.Addr())
		}
		if !excepted {
			return part, true
		}
	}
	return netip.Prefix{}, false
}

// IsZero reports a list without entries; it contains nothing.
func (n *Nets) IsZero() bool { return len(n.Include) == 0 && len(n.Exclude) == 0 }

// A Port is a transport protocol (ICMP, TCP or UDP) and port of OPEN_PORTS,
// RESTRICT_PORTS or SHARED_SEQUENCE.
type Port = parse.Port

var (
	any4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	any6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// IsAny reports whether the list is ANY, and has every address.
func (n *Nets) IsAny() bool {
	return len(n.Exclude) == 0 && slices.Contains(n.Include, any4) && slices.Contains(n.Include, any6)
}

// parseNetsOrFlag reads REQUIRE_SOURCE_ADDRESS: Y is the empty list, N is ANY.
func parseNetsOrFlag(text string) (Nets, error) {
	if yes, err := parseFlag(text); err == nil {
		if yes {
			return Nets{}, nil
		}
		return Nets{Include: []netip.Prefix{any4, any6}}, nil
	}
	n, err := parseNets(text)
	if err != nil && !strings.ContainsAny(text, ".:/,") {
		return Nets{}, fmt.Errorf("%q is neither Y nor N nor a list of networks", clip(text))
	}
	return n, err
}

// parseNets reads a comma list of ANY, address, address/length and address/mask;
// "!" before an entry makes it an exception; NONE anywhere is the empty list.
func parseNets(text string) (Nets, error) {
	var n Nets
	entries, err := parseList(text)
	if err != nil {
		return n, err
	}
	for _, e := range entries {
		if strings.EqualFold(e, "NONE") {
			return Nets{}, nil
		}
		to := &n.Include
		if rest, ok := strings.CutPrefix(e, "!"); ok {
			to, e = &n.Exclude, strings.TrimSpace(rest)
		}
		if strings.EqualFold(e, "ANY") {
			*to = append(*to, any4, any6)
			continue
		}
		p, err := parsePrefix(e)
		if err != nil {
			return Nets{}, err
		}
		*to = append(*to, p)
	}
	return n, nil
}

// zeroMasks returns the entries of a list that name an address but match every address,
// since their mask has length 0.
func zeroMasks(text string) (entries []string) {
	for e := range strings.SplitSeq(text, ",") {
		e = strings.TrimSpace(e)
		host, _, _ := strings.Cut(strings.TrimLeft(e, "! "), "/")
		p, err := parsePrefix(strings.TrimLeft(e, "! "))
		if a, _ := netip.ParseAddr(strings.TrimSpace(host)); err == nil && p.Bits() == 0 && !a.IsUnspecified() {
			entries = append(entries, e)
		}
	}
	return entries
}

// parseTarget reads FORCE_NAT: an address and a port.
func parseTarget(text string) (netip.AddrPort, error) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address and a port", clip(text))
	}
	a, err := parseAddr(f[0])
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := parseInt(f[1], 0, 65535)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %w", err)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	host, mask, slash := strings.Cut(text, "/")
	a, err := parseAddr(strings.TrimSpace(host))
	if err != nil {
		return netip.Prefix{}, err
	}
	if !slash {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	before := 0 // bits of the mask that are those of ::ffff:0:0/96
	if a.Is4() && strings.Contains(host, ":") {
		before = 96
	}
	bits, err := parseMask(strings.TrimSpace(mask), before+a.BitLen())
	if err == nil && bits < before {
		err = fmt.Errorf("prefix length %d of an IPv4-mapped address is below %d", bits, before)
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: %w", clip(text), err)
	}
	return netip.PrefixFrom(a, bits-before).Masked(), nil
}

// parseMask reads a prefix length or a dotted, contiguous mask.
func parseMask(text string, max int) (int, error) {
	if text == "" {
		return 0, errors.New("no mask behind the slash")
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && len(text) <= 3 {
		if int(n) > max {
			return 0, fmt.Errorf("prefix length %d is above %d", n, max)
		}
		return int(n), nil
	}
	m, err := netip.ParseAddr(text)
	if err != nil || !m.Is4() || max != 32 {
		return 0, fmt.Errorf("%q is no mask", clip(text))
	}
	b := m.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	ones := 0
	for ; v&(1<<31) != 0; v <<= 1 {
		ones++
	}
	if v != 0 {
		return 0, fmt.Errorf("the mask %s has gaps", text)
	}
	return ones, nil
}

// maxPorts bounds one list of ports.
const maxPorts = 1024

// parsePortList reads a PortList. Only 1.9 files have icmp; 2.6 has no sequences.
func (k *Keyword) parsePortList(d Dialect, text string) (any, error) {
	return parsePorts(text, d == Perl19 || k.Name == "SHARED_SEQUENCE")
}

// ParseSequence reads the knocks of SHARED_SEQUENCE: a comma list of tcp/N, udp/N and icmp.
func ParseSequence(text string) ([]Port, error) { return parsePorts(text, true) }

// parsePorts reads a comma list of proto/port; icmp stands without a port, and only
// where icmp is true.
func parsePorts(text string, icmp bool) ([]Port, error) {
	entries, err := parseList(text)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxPorts {
		return nil, fmt.Errorf("%d ports, at most %d are allowed", len(entries), maxPorts)
	}
	ports := make([]Port, len(entries))
	for i, e := range entries {
		if ports[i], err = parsePort(e, icmp); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// parsePortNumbers reads a comma list of port numbers.
func parsePortNumbers(text string) ([]uint16, error) {
	list, err := parseList(text)
	if err != nil {
		return nil, err
	}
	ports := make([]uint16, len(list))
	for i, word := range list {
		n, err := parseInt(word, 0, 65535)
		if err != nil {
			return nil, fmt.Errorf("port %w", err)
		}
		ports[i] = uint16(n)
	}
	return ports, nil
}

func parsePort(text string, icmp bool) (Port, error) {
	proto, number, slash := strings.Cut(text, "/")
	var p Port
	switch strings.ToLower(proto) {
	case "tcp":
		p.Proto = parse.TCP
	case "udp":
		p.Proto = parse.UDP
	case "icmp":
		if !icmp {
			return p, fmt.Errorf("%q: only tcp and udp are known in 2.6 files", clip(text))
		}
		if slash && strings.Trim(number, "0123456789") != "" {
			return p, fmt.Errorf("%q is no port", clip(text))
		}
		return Port{Proto: parse.ICMP}, nil
	default:
		err := fmt.Errorf("%q: unknown protocol %q", clip(text), clip(proto))
		if !slash {
			err = fmt.Errorf("%q is not proto/port", clip(text))
		}
		if meant := turned(proto, number); meant != "" {
			return p, misspelled{err, meant}
		}
		return p, err
	}
	if !slash || number == "" {
		return p, fmt.Errorf("%q has no port", clip(text))
	}
	n, err := parseInt(number, 0, 65535)
	if err != nil {
		return p, fmt.Errorf("port %w", err)
	}
	p.Number = uint16(n)
	return p, nil
}

// turned is the entry that is meant by port/proto, "" if that is not what stands there.
func turned(port, proto string) string {
	proto = strings.ToLower(proto)
	if _, err := parseInt(port, 0, 65535); err != nil || proto != "tcp" && proto != "udp" {
		return ""
	}
	return proto + "/" + port
}

func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no address", clip(text))
	}
	return a.Unmap(), nil
}
