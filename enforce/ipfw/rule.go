package ipfw

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fwknopd/enforce"
)

// A rule is one line of ipfw -dS list.
type rule struct {
	num, set int
	grant    enforce.Grant // valid iff ours
	ours     bool
}

// A policy is the parsed output of ipfw -dS list.
type policy struct {
	rules       []rule
	used        map[int]bool // rule numbers
	states      map[int]bool // rules that dynamic states refer to
	dynamic     bool         // check-state or keep-state, not counting our own rules
	established bool         // allow … established
}

func (b *Backend) read(ctx context.Context) (policy, error) {
	out, err := b.run(ctx, "-dS", "list")
	if err != nil {
		return policy{}, err
	}
	return parsePolicy(out), nil
}

// parsePolicy reads lines such as
//
//	00001 set 0 allow tcp from 192.0.2.7 to any dst-port 22 keep-state :default // _exp_1795333596 fwknopd:3:1d7e9a40
//	# DISABLED 00002 set 1 allow tcp from …
//	## Dynamic rules (1 128):
//	00001 12 960 (297s) STATE tcp 192.0.2.7 40000 <-> 198.51.100.1 22 :default
func parsePolicy(text string) policy {
	p := policy{used: make(map[int]bool), states: make(map[int]bool)}
	dynamic := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## ") {
			dynamic = true
			continue
		}
		fields := strings.Fields(strings.TrimPrefix(line, "# DISABLED "))
		if len(fields) == 0 {
			continue
		}
		num, err := strconv.Atoi(fields[0])
		switch {
		case err != nil:
		case dynamic:
			p.states[num] = true
		default:
			p.add(num, fields[1:])
		}
	}
	return p
}

func (p *policy) add(num int, fields []string) {
	p.used[num] = true
	r := rule{num: num}
	if len(fields) > 2 && fields[0] == "set" {
		r.set, _ = strconv.Atoi(fields[1])
		fields = fields[2:]
	}
	body, comment := fields, ""
	if i := slices.Index(fields, "//"); i >= 0 {
		body, comment = fields[:i], strings.Join(fields[i+1:], " ")
	}
	r.grant, r.ours = parseGrant(body, comment)
	switch {
	case r.ours:
		p.rules = append(p.rules, r)
	case slices.Contains(body, "check-state"), slices.Contains(body, "keep-state"):
		p.dynamic = true
	case slices.Contains(body, "established"):
		p.established = true
	}
}

// actions are the names of the action that accepts packets.
var actions = []string{"allow", "accept", "pass", "permit"}

// parseGrant parses a rule of ours: the action, protocol, "from", the client, "to", our
// address, and the port if the protocol has ports.
func parseGrant(body []string, comment string) (g enforce.Grant, ok bool) {
	c, ok := enforce.ParseComment(comment)
	if !ok || c.Tag == 0 || len(body) < 6 || !slices.Contains(actions, body[0]) || body[2] != "from" || body[4] != "to" {
		return g, false
	}
	g = enforce.Grant{Expires: c.Expires, Stanza: c.Stanza}
	ok = parseClients(&g, body[3]) && parseTarget(&g, body[5]) && parseService(&g, body[1], body[6:])
	return g, ok
}

// parseTarget reads our address.
func parseTarget(g *enforce.Grant, text string) (ok bool) {
	if text == "any" || text == "me" {
		return true
	}
	var err error
	g.Dst, err = netip.ParseAddr(text)
	return err == nil
}

// parseService reads the protocol, and in rest the port if the protocol has ports.
func parseService(g *enforce.Grant, name string, rest []string) (ok bool) {
	proto, known := protocols[name]
	if g.All = known && proto == 0; g.All || !known {
		return known
	}
	port := enforce.Port{Proto: proto}
	if len(rest) > 0 && rest[0] == "dst-port" {
		rest = rest[1:]
	}
	if port.HasNumber() {
		if len(rest) == 0 {
			return false
		}
		n, err := strconv.ParseUint(rest[0], 10, 16)
		if err != nil {
			return false
		}
		port.Number = uint16(n)
	}
	g.Ports = []enforce.Port{port}
	return true
}

// parseClients reads the client of a rule, an address or a network.
func parseClients(g *enforce.Grant, text string) bool {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		g.Src, err = netip.ParseAddr(text)
		return err == nil
	}
	g.SetSource(p)
	return p.Bits() > 0 && p == p.Masked()
}

// protocols are the names as ipfw prints and accepts them; 0 is any protocol.
var protocols = map[string]enforce.Proto{
	"ip": 0, "all": 0, "tcp": enforce.TCP, "udp": enforce.UDP, "icmp": enforce.ICMP, "ipv6-icmp": enforce.ICMPv6,
}

// addArgs returns the arguments of ipfw that add a grant of one port.
func (b *Backend) addArgs(num int, g enforce.Grant) []string {
	dst := "any"
	if g.Dst.IsValid() {
		dst = g.Dst.String()
	}
	args := []string{"-q", "add", strconv.Itoa(num), "allow", protocolName(g), "from", g.SourceText(), "to", dst}
	if len(g.Ports) > 0 && g.Ports[0].HasNumber() {
		args = append(args, strconv.Itoa(int(g.Ports[0].Number)))
	}
	if b.dynamic {
		args = append(args, "keep-state")
	}
	return append(append(args, "//"), strings.Fields(g.Comment().String())...)
}

func protocolName(g enforce.Grant) string {
	if g.All {
		return "ip"
	}
	if g.Ports[0].Proto == enforce.ICMPv6 {
		return "ipv6-icmp"
	}
	return g.Ports[0].Proto.String()
}
