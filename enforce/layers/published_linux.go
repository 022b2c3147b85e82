package layers

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/ruleset"
)

// publishedLines returns a line on each port that is offered and published to another host,
// and whether that is guarded. planned is as in bypassLines.
func (b *Backend) publishedLines(ctx context.Context, planned ruleset.Layer) (unguarded, guarded []string) {
	if b.cfg.Offers == nil {
		return nil, nil
	}
	b.readPublished(ctx, b.findings)
	for _, p := range b.findings.published {
		if isLocal(p.To.Addr()) {
			continue
		}
		for _, port := range p.Ports(b.cfg.Offers) {
			switch {
			case !slices.Contains(b.cfg.Guard, port):
				unguarded = append(unguarded, p.Text(port, ruleset.Unguarded))
			case b.circumvented(port, p, planned):
				guarded = append(guarded, p.Text(port, ruleset.Circumvents))
			default:
				guarded = append(guarded, p.Text(port, ruleset.Guards))
			}
		}
	}
	return tidy(unguarded), tidy(guarded)
}

// readPublished completes a survey with what tables of iptables publish.
func (b *Backend) readPublished(ctx context.Context, v *findings) {
	for _, t := range v.natTables {
		i := slices.IndexFunc(b.cfg.IPTables, func(s *iptables.Surveyor) bool { return s.Layer == t.kind })
		if i < 0 {
			continue
		}
		text, err := b.cfg.IPTables[i].Read(ctx, t.V6, t.Name)()
		if err != nil {
			v.unread.Add("table %s of %s cannot be looked at: %v", t.Name, t.kind, err)
			continue
		}
		v.published = append(v.published, b.cfg.IPTables[i].Published(text)...)
	}
	v.natTables = nil
}

func tidy(lines []string) []string {
	slices.SortFunc(lines, strings.Compare)
	return slices.Compact(lines)
}

// isLocal reports whether packets to an address arrive on the input hook.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(own, func(o net.Addr) bool {
		p, err := netip.ParsePrefix(o.String())
		return err == nil && p.Addr() == a
	})
}

// guardBlockers names the base chains that drop what passes the guard for a grant, if the port
// is published. By which interface the packets leave is not known, so only what drops them in
// any case counts.
func (b *Backend) guardBlockers(g enforce.Grant) (names []string) {
	for _, part := range g.Split() {
		if part.NAT != nil || part.All || !slices.Contains(b.cfg.Guard, part.Ports[0]) {
			continue
		}
		for _, to := range b.findings.published {
			p, ok := forwarded(part, to)
			if !ok {
				continue
			}
			for _, base := range b.findings.bases {
				if base.Serves(&p) && !slices.Contains(names, base.Name) && dropsSurely(base, &p, ruleset.OursAccept) {
					names = append(names, base.Name)
				}
			}
		}
	}
	return names
}

// forwarded is the first packet of a grant of one port behind a translation; ok is false if
// that is not for it.
func forwarded(g enforce.Grant, to ruleset.Published) (p ruleset.Packet, ok bool) {
	port := g.Ports[0]
	return translated(ruleset.Packet{Hook: ruleset.Forward, V6: g.Src.Is6(), Src: g.Src, SrcBits: g.Bits, Dst: g.Dst, Proto: port.Proto, State: ruleset.New}, port, to)
}

// translated is p, to a port of this host, behind a translation; ok is false if that is not for it.
func translated(p ruleset.Packet, port enforce.Port, to ruleset.Published) (_ ruleset.Packet, ok bool) {
	family := to.To.Addr()
	if to.At.IsValid() {
		family = to.At.Addr()
	}
	if port.Proto != to.Proto || port.Number < to.First || port.Number > to.Last || family.IsValid() && family.Is6() != p.V6 {
		return p, false
	}
	if to.At.IsValid() && p.Dst.IsValid() && !to.At.Contains(p.Dst) {
		return p, false
	}
	p.DNAT = true
	if p.Dst, p.Dport = to.To.Addr(), to.To.Port(); p.Dport == 0 {
		p.Dport = port.Number
	}
	return p, true
}

func dropsSurely(b *ruleset.Base, p *ruleset.Packet, ours ruleset.Ours) bool {
	fate := b.Judge(p, ours)
	return fate.Drops && !fate.MayAccept
}
