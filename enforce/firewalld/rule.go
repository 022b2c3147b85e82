package firewalld

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fwknopd/enforce"
)

// Rules of grants have a priority from firstPriority down to lastPriority. Those of an
// administrator must not: a rule in our form with such a priority is taken for one of ours.
const (
	firstPriority = -31000
	lastPriority  = -31999
)

// A rule is a rich rule of ours: what it opens, and its priority. firewalld runs the rules of
// a zone in the order of their priorities.
type rule struct {
	priority int
	body     string // without the priority
}

// String is the rule as firewalld writes it.
func (r rule) String() string { return fmt.Sprintf(`rule priority="%d" %s`, r.priority, r.body) }

// match is what packets the rule is for, without what it does with them.
func (r rule) match() string { return matchOf(r.body) }

func matchOf(body string) string {
	before, _, _ := strings.Cut(body, ` to-port="`)
	before, _, _ = strings.Cut(before, ` to-addr="`)
	return strings.TrimSuffix(strings.Replace(before, " forward-port ", " port ", 1), " accept")
}

// parseRule reads a rule that firewalld lists; ok is false if it is not one of ours.
func parseRule(text string) (r rule, ok bool) {
	rest, found := strings.CutPrefix(text, `rule priority="`)
	number, body, cut := strings.Cut(rest, `" `)
	if !found || !cut {
		return r, false
	}
	priority, err := strconv.Atoi(number)
	if err != nil || priority > firstPriority || priority < lastPriority {
		return r, false
	}
	r = rule{priority, body}
	if r.String() != text {
		return r, false
	}
	_, ok = parseBody(body)
	return r, ok
}

// bodyOf returns the rule of a grant of one port, without its priority.
func bodyOf(g enforce.Grant) (string, error) {
	if err := g.Validate(); err != nil {
		return "", err
	}
	if err := offers(g); err != nil {
		return "", err
	}
	family := "ipv4"
	if g.Src.Is6() {
		family = "ipv6"
	}
	body := fmt.Sprintf(`family="%s" source address="%s"`, family, g.SourceText())
	if g.Dst.IsValid() {
		body += fmt.Sprintf(` destination address="%s"`, g.Dst)
	}
	switch {
	case g.NAT != nil:
		t := g.NAT.Target
		return body + fmt.Sprintf(` forward-port port="%d" protocol="%s" to-port="%d" to-addr="%s"`, g.Ports[0].Number, g.Ports[0].Proto, t.Port(), t.Addr()), nil
	case g.All:
	case g.Ports[0].HasNumber():
		body += fmt.Sprintf(` port port="%d" protocol="%s"`, g.Ports[0].Number, g.Ports[0].Proto)
	case g.Src.Is6():
		body += ` protocol value="ipv6-icmp"`
	default:
		body += ` protocol value="icmp"`
	}
	return body + " accept", nil
}

// offers returns an error if firewalld has no rich rule for a grant of one port.
func offers(g enforce.Grant) error {
	why := ""
	switch n := g.NAT; {
	case g.Output:
		why = "an output rule"
	case n == nil:
		return nil
	case !n.Target.IsValid():
		why = "connections through this host without a translation"
	case g.All || !g.Ports[0].HasNumber():
		why = "the translation of every port, or of ICMP"
	case n.Masquerade || n.SNAT.IsValid():
		why = "the translation of sources"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s: %w", errForm, why, errOffered)
}

// parseBody is the inverse of bodyOf, for a rule that the journal does not know. It is
// nothing but the client, the destination and the ports that are certain.
func parseBody(body string) (g enforce.Grant, ok bool) {
	values := make(map[string]string)
	section := ""
	for _, word := range strings.Fields(body) {
		name, value, found := strings.Cut(word, "=")
		if !found {
			section = word
			continue
		}
		values[section+" "+name] = strings.Trim(value, `"`)
	}
	source := values["source address"]
	if p, err := netip.ParsePrefix(source); err == nil {
		g.SetSource(p)
	} else {
		g.Src, _ = netip.ParseAddr(source)
	}
	g.Dst, _ = netip.ParseAddr(values["destination address"])
	switch {
	case values["port port"] != "":
		g.Ports = parsePort(values["port protocol"], values["port port"])
	case values["forward-port port"] != "":
		g.Ports = parsePort(values["forward-port protocol"], values["forward-port port"])
		addr, _ := netip.ParseAddr(values["forward-port to-addr"])
		port, _ := strconv.ParseUint(values["forward-port to-port"], 10, 16)
		g.NAT = &enforce.NAT{Target: netip.AddrPortFrom(addr, uint16(port))}
	case values["protocol value"] != "":
		g.Ports = []enforce.Port{{Proto: enforce.ICMP}}
	default:
		g.All = true
	}
	g = g.Normal()
	again, err := bodyOf(g)
	return g, err == nil && again == body
}

func parsePort(proto, number string) []enforce.Port {
	n, err := strconv.ParseUint(number, 10, 16)
	p := enforce.Port{Number: uint16(n)}
	switch {
	case err != nil:
		return nil
	case proto == enforce.TCP.String():
		p.Proto = enforce.TCP
	case proto == enforce.UDP.String():
		p.Proto = enforce.UDP
	default:
		return nil
	}
	return []enforce.Port{p}
}

// freePriority returns the priority of a new rule beside those of its zone: before every
// other rule for the same packets, since the first that matches counts. It is 0 if there is
// none.
func freePriority(rules []rule, body string) int {
	priority, match := firstPriority, matchOf(body)
	used := make(map[int]bool)
	for _, r := range rules {
		switch {
		case r.body == body:
			used[r.priority] = true
		case r.match() == match:
			priority = min(priority, r.priority-1)
		}
	}
	for ; used[priority]; priority-- {
	}
	if priority < lastPriority {
		return 0
	}
	return priority
}
