package iptables

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// A match reports whether a packet has what an option asks for.
type match func(p *ruleset.Packet) ruleset.Truth

// A listedRule is a rule of any chain, as -S prints it.
type listedRule struct {
	matches []match
	verdict ruleset.Verdict
}

// Judge implements [ruleset.Rule].
func (r *listedRule) Judge(p *ruleset.Packet) ([]ruleset.Verdict, ruleset.Truth) {
	t := ruleset.Yes
	for _, m := range r.matches {
		if t = t.And(m(p)); t == ruleset.No {
			return nil, ruleset.No
		}
	}
	return []ruleset.Verdict{r.verdict}, t
}

// parseListed reads the words behind "-A CHAIN". isChain reports whether the table has
// a chain of that name.
func parseListed(words []string, isChain func(string) bool) *listedRule {
	r := new(listedRule)
	for len(words) > 0 {
		inverted := words[0] == "!"
		if inverted {
			words = words[1:]
		}
		n := 1
		if len(words) > 1 && (words[0] == "--comment" || words[0] == "--string") {
			n = 2 // the value may begin with a dash
		}
		for n < len(words) && words[n] != "!" && !strings.HasPrefix(words[n], "-") {
			n++
		}
		if len(words) == 0 {
			break
		}
		name, values := words[0], words[1:n]
		if name == "-j" || name == "-g" {
			r.verdict = target(name, values, isChain)
			break // the rest are options of the target
		}
		m := option(name, values)
		if m != nil && inverted {
			m = not(m)
		}
		if m != nil {
			r.matches = append(r.matches, m)
		}
		words = words[n:]
	}
	return r
}

// verbs of targets; others, such as LOG, let a packet go on.
var verbs = map[string]ruleset.Verb{
	"ACCEPT": ruleset.Accept, "DROP": ruleset.Drop, "REJECT": ruleset.Drop, "TARPIT": ruleset.Drop, "STEAL": ruleset.Drop,
	"RETURN": ruleset.Return, "QUEUE": ruleset.Queue, "NFQUEUE": ruleset.Queue, "SYNPROXY": ruleset.Accept,
}

func target(name string, values []string, isChain func(string) bool) ruleset.Verdict {
	if len(values) == 0 {
		return ruleset.Verdict{}
	}
	switch {
	case isChain(values[0]) && name == "-g":
		return ruleset.Verdict{Verb: ruleset.Goto, Chain: values[0]}
	case isChain(values[0]):
		return ruleset.Verdict{Verb: ruleset.Jump, Chain: values[0]}
	}
	return ruleset.Verdict{Verb: verbs[values[0]]}
}

// alone are modules that match without an option.
var alone = []string{"socket", "rpfilter", "eui64", "unclean"}

// option returns what one option asks for, nil if that is nothing.
func option(name string, values []string) match {
	value := ""
	if len(values) > 0 {
		value = values[0]
	}
	switch name {
	case "--comment":
		return nil
	case "-m":
		if slices.Contains(alone, value) {
			return maybe
		}
		return nil
	case "-s":
		return address(value, func(p *ruleset.Packet) (netip.Addr, uint8) { return p.Src, p.SrcBits })
	case "-d":
		return address(value, func(p *ruleset.Packet) (netip.Addr, uint8) { return p.Dst, p.DstBits })
	case "-i", "-o":
		return iface(value)
	case "-p":
		return protocol(value)
	case "-f":
		return func(*ruleset.Packet) ruleset.Truth { return ruleset.No }
	case "--sport", "--sports":
		return ports(value, func(p *ruleset.Packet) uint16 { return p.Sport })
	case "--dport", "--dports":
		return ports(value, func(p *ruleset.Packet) uint16 { return p.Dport })
	case "--ctstate", "--state":
		return states(value)
	case "--dst-type":
		return local(value)
	case "--tcp-flags":
		return flags(values)
	}
	return maybe
}

func address(value string, of func(*ruleset.Packet) (netip.Addr, uint8)) match {
	var nets []match
	for _, v := range strings.Split(value, ",") {
		prefix, err := parseNet(v)
		if err != nil {
			return maybe
		}
		nets = append(nets, func(p *ruleset.Packet) ruleset.Truth {
			if a, bits := of(p); a.IsValid() {
				return ruleset.In(a, bits, prefix)
			}
			return ruleset.Maybe
		})
	}
	return anyOf(nets)
}

func parseNet(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen()), err
}

// iface takes a client as coming by any interface but the loopback.
func iface(value string) match {
	if value == "lo" {
		return func(*ruleset.Packet) ruleset.Truth { return ruleset.No }
	}
	return maybe
}

func protocol(value string) match {
	proto, err := parseProto(value)
	if err != nil {
		return maybe
	}
	return func(p *ruleset.Packet) ruleset.Truth {
		if p.Proto == 0 {
			return ruleset.Maybe
		}
		return ruleset.Of(p.Proto == proto)
	}
}

// ports matches the ports of [parseRanges].
func ports(value string, of func(*ruleset.Packet) uint16) match {
	ranges, ok := parseRanges(value)
	if !ok {
		return maybe
	}
	var matches []match
	for _, r := range ranges {
		matches = append(matches, func(p *ruleset.Packet) ruleset.Truth {
			if port := of(p); port != 0 {
				return ruleset.Of(r.first <= port && port <= r.last)
			}
			return ruleset.Maybe
		})
	}
	return anyOf(matches)
}

// A portRange is the ports from first to last.
type portRange struct{ first, last uint16 }

// parseRanges reads "22", "80:90" and, of multiport, "22,80:90".
func parseRanges(value string) (ranges []portRange, ok bool) {
	for v := range strings.SplitSeq(value, ",") {
		low, high, isRange := strings.Cut(v, ":")
		if !isRange {
			high = low
		}
		first, err1 := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil {
			return nil, false
		}
		ranges = append(ranges, portRange{uint16(first), uint16(last)})
	}
	return ranges, true
}

func states(value string) match {
	words := strings.Split(value, ",")
	return func(p *ruleset.Packet) ruleset.Truth {
		if p.DNAT && slices.Contains(words, "DNAT") {
			return ruleset.Yes
		}
		switch p.State {
		case ruleset.New:
			return ruleset.Of(slices.Contains(words, "NEW"))
		case ruleset.Established:
			return ruleset.Of(slices.Contains(words, "ESTABLISHED"))
		}
		return ruleset.Maybe
	}
}

// local takes what arrives on the input hook as sent to an address of this host.
func local(value string) match {
	return func(p *ruleset.Packet) ruleset.Truth {
		if p.Hook != ruleset.Input {
			return ruleset.Maybe
		}
		return ruleset.Of(value == "LOCAL")
	}
}

var flagBits = map[string]uint8{"FIN": 1, "SYN": ruleset.FlagSYN, "RST": 4, "PSH": 8, "ACK": ruleset.FlagACK, "URG": 32, "ALL": 63, "NONE": 0}

// flags reads "FIN,SYN,RST,ACK SYN": a mask, and what must be set of it.
func flags(values []string) match {
	if len(values) != 2 {
		return maybe
	}
	var bits [2]uint8
	for i, v := range values {
		for _, word := range strings.Split(v, ",") {
			bits[i] |= flagBits[word]
		}
	}
	return func(p *ruleset.Packet) ruleset.Truth {
		if p.Proto != enforce.TCP {
			return ruleset.Maybe
		}
		return ruleset.Of(p.TCPFlags()&bits[0] == bits[1])
	}
}

// maybe is for an option that this package does not read.
func maybe(*ruleset.Packet) ruleset.Truth { return ruleset.Maybe }

func not(m match) match {
	return func(p *ruleset.Packet) ruleset.Truth { return m(p).Not() }
}

// anyOf holds if one of its parts does.
func anyOf(ms []match) match {
	return func(p *ruleset.Packet) ruleset.Truth {
		best := ruleset.No
		for _, m := range ms {
			best = max(best, m(p))
		}
		return best
	}
}
