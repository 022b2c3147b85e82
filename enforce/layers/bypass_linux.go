package layers

import (
	"context"
	"slices"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// Bypasses returns a line on each rule of other programs that lets packets for ports of
// GUARD_FORWARD through in front of the guard.
func (b *Backend) Bypasses(ctx context.Context) ([]string, error) {
	if len(b.cfg.Guard) == 0 {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fresh || !b.isUntouched() || len(b.findings.legacy) > 0 {
		if err := b.survey(ctx); err != nil {
			return nil, err
		}
	}
	return b.bypassLines(""), nil
}

// bypassLines are those of Bypasses, by the last survey. planned is the layer that the guard will
// be in, for a host where it is not set up.
func (b *Backend) bypassLines(planned ruleset.Layer) (lines []string) {
	var rules []ruleset.Bypass
	ports := make(map[ruleset.Bypass][]enforce.Port)
	for _, port := range b.cfg.Guard {
		for _, p := range b.strangers(port) {
			for _, rule := range b.bypasses(&p, planned) {
				if !slices.Contains(rules, rule) {
					rules = append(rules, rule)
				}
				if !slices.Contains(ports[rule], port) {
					ports[rule] = append(ports[rule], port)
				}
			}
		}
	}
	for _, rule := range rules {
		lines = append(lines, rule.Text(ports[rule]))
	}
	return lines
}

// strangers are first packets of clients without a grant to a guarded port on the forward hook: routed
// as they are, and as they are translated, or, where that is not known, any that may be.
func (b *Backend) strangers(port enforce.Port) (ps []ruleset.Packet) {
	for _, v6 := range families {
		known := false
		p := stranger(port, v6)
		for _, to := range b.findings.published {
			if behind, ok := translated(p, port, to); ok && !isLocal(to.To.Addr()) {
				ps, known = append(ps, behind), true
			}
		}
		if !known {
			behind := p
			behind.DNAT = true
			ps = append(ps, behind)
		}
		routed := p
		routed.Dport = port.Number
		ps = append(ps, routed)
	}
	return ps
}

func stranger(port enforce.Port, v6 bool) ruleset.Packet {
	return ruleset.Packet{Hook: ruleset.Forward, V6: v6, Proto: port.Proto, State: ruleset.New}
}

// circumvented reports whether packets for a published port may pass the guard.
func (b *Backend) circumvented(port enforce.Port, to ruleset.Published, planned ruleset.Layer) bool {
	return slices.ContainsFunc(families, func(v6 bool) bool {
		p, ok := translated(stranger(port, v6), port, to)
		return ok && len(b.bypasses(&p, planned)) > 0
	})
}

// bypasses returns the rules by which a packet passes the guard: none if a guard, or a chain
// without one, drops it in any case.
func (b *Backend) bypasses(p *ruleset.Packet, planned ruleset.Layer) (rules []ruleset.Bypass) {
	for _, base := range b.findings.bases {
		if !base.Serves(p) {
			continue
		}
		guard := base.Guard()
		if guard == "" && base.Layer == planned {
			guard = base.PlannedGuard()
		}
		if guard == "" {
			if dropsSurely(base, p, ruleset.OursAbsent) {
				return nil
			}
			continue
		}
		some := base.Bypasses(p, guard)
		if len(some) == 0 {
			return nil
		}
		rules = append(rules, some...)
	}
	return rules
}
