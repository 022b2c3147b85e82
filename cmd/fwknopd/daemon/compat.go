package daemon

import (
	"strings"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// With the configuration files of an old daemon, its log lines are printed in addition
// to ours: those for monitor events here, by kind ([events26], [events19]), and those for
// decisions by the worker.

// logCompat logs a monitor event the way the old daemon did.
func (d *daemon) logCompat(ev *monitor.Event) {
	table := events19
	if d.conf().Server.Dialect == conf.C26 {
		table = events26
	}
	if linesOf := table[ev.Kind]; linesOf != nil {
		for _, line := range linesOf(d, ev) {
			d.logf(info, "%s", line)
		}
	}
}

// A compatRule is one rule of a grant as the old daemons name it.
type compatRule struct {
	what  string // in 2.6: "access", "FORWARD", …
	role  enforce.Role
	chain string
	part  enforce.Grant
}

// compatRules returns the rules of a grant in the order of 2.6. A grant that runs a
// command has none.
func (d *daemon) compatRules(g *enforce.Grant) (rules []compatRule) {
	if g.External != nil || d.fw == nil {
		return nil
	}
	all := ""
	if g.All {
		all = " ALL"
	}
	parts := g.Split()
	add := func(what string, role enforce.Role) {
		for _, part := range parts {
			rules = append(rules, compatRule{what, role, d.chainOf(role), part})
		}
	}
	n := g.NAT
	switch {
	case n == nil:
		add("access", enforce.Input)
	case n.Local:
		add("local NAT", enforce.Input)
	default:
		add("FORWARD"+all, enforce.Forward)
	}
	if g.Output {
		add("OUTPUT", enforce.Output)
	}
	if n != nil && n.Target.IsValid() {
		add("DNAT"+all, enforce.DNAT)
	}
	switch {
	case n != nil && n.Masquerade:
		add("SNAT"+all, enforce.Masquerade)
	case n != nil && n.SNAT.IsValid():
		add("SNAT"+all, enforce.SNAT)
	}
	return rules
}

// chainOf returns the name of the chain for a role, or the name of a firewall that has
// no such chains.
func (d *daemon) chainOf(role enforce.Role) string {
	if !strings.Contains(d.fw.Name, "iptables") {
		return d.fw.Name
	}
	if c := firewall.Chains(d.conf().Server)[role]; c.To != "" {
		return c.To
	}
	return iptables.Defaults[role].To
}
