package iptables

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// ensureGuard makes the chain of GUARD_FORWARD, its drops behind all grants, and one jump to
// it; all of what is missing in one transaction. Docker keeps the rules in DOCKER-USER:
//
//	-A DOCKER-USER -j FWKNOP_GUARD
//	-A FWKNOP_GUARD -s 192.0.2.7/32 -p tcp -m conntrack --ctstate NEW --ctorigdstport 8080
//	  --ctdir ORIGINAL -m time --datestop … -m comment --comment … -j RETURN
//	-A FWKNOP_GUARD -p tcp -m conntrack --ctstate NEW --ctorigdstport 8080 --ctdir ORIGINAL -j DROP
//
// Rules of Docker and of the administrator decide on what returns.
func (b *Backend) ensureGuard(ctx context.Context, s snapshot, t *tool) error {
	c := b.cfg.Chains[enforce.Guarded]
	var sc script
	if err := b.repairDrops(ctx, s, t, c, &sc); err != nil {
		return err
	}
	forward, _, err := s.chain(ctx, t, c.Table, c.From)
	if err != nil {
		return err
	}
	user, exists, err := s.chain(ctx, t, c.Table, ruleset.DockerUser)
	if err != nil {
		return err
	}
	viaUser := exists && leadsTo(forward, c.From, ruleset.DockerUser)
	moveJump(c, forward, !viaUser, &sc)
	c.From = ruleset.DockerUser
	moveJump(c, user, viaUser, &sc)
	if sc.empty() {
		return nil
	}
	s.forget(b.jumpChains(t, enforce.Guarded)...)
	if err := t.run(ctx, &sc); err != nil {
		return fmt.Errorf("guard %s: %w", c.To, err)
	}
	return nil
}

// leadsTo reports whether one of the listed rules of a chain passes every packet on to another
// chain.
func leadsTo(lines []string, from, to string) bool {
	return slices.Contains(lines, jump(enforce.Chain{From: from, To: to}))
}

// moveJump makes the jump the first rule of the chain c.From, or deletes it from there.
func moveJump(c enforce.Chain, lines []string, wanted bool, sc *script) {
	has := slices.Contains(lines, jump(c))
	switch {
	case wanted && !has:
		sc.add(c.Table, "-I "+c.From+" 1 -j "+c.To)
	case has && !wanted:
		sc.add(c.Table, "-D "+c.From+" -j "+c.To)
	}
}

// repairDrops makes the chain end in the drops of all guarded ports.
func (b *Backend) repairDrops(ctx context.Context, s snapshot, t *tool, c enforce.Chain, sc *script) error {
	lines, exists, err := s.chain(ctx, t, c.Table, c.To)
	switch {
	case err != nil:
		return err
	case !exists:
		sc.add(c.Table, ":"+c.To+" - [0:0]")
		b.addDrops(sc)
		return nil
	}
	rules := lines[1:]
	want := b.drops()
	if n := len(rules) - len(want); n >= 0 && slices.Equal(specsOf(rules[n:]), want) && !slices.ContainsFunc(rules[:n], isDrop) {
		return nil
	}
	for _, l := range rules {
		if isDrop(l) {
			sc.add(c.Table, "-D "+strings.TrimPrefix(l, "-A "))
		}
	}
	b.addDrops(sc)
	return nil
}

func specsOf(lines []string) (specs []spec) {
	for _, l := range lines {
		_, s, _ := parseRule(l)
		specs = append(specs, s)
	}
	return specs
}

// isDrop reports whether a rule is one of drops, of these or of other ports.
func isDrop(line string) bool {
	_, s, ok := parseRule(line)
	return ok && s == drop(enforce.Port{Proto: s.proto, Number: s.dport})
}

func drop(p enforce.Port) spec {
	return spec{proto: p.Proto, dport: p.Number, origin: true, target: "DROP"}
}

func (b *Backend) drops() (specs []spec) {
	for _, p := range b.cfg.Guard {
		specs = append(specs, drop(p))
	}
	return specs
}

func (b *Backend) addDrops(sc *script) {
	c := b.cfg.Chains[enforce.Guarded]
	for _, s := range b.drops() {
		sc.add(c.Table, "-A "+c.To+" "+s.args())
	}
}

// removeGuard removes the chain that an earlier configuration made.
func (b *Backend) removeGuard(ctx context.Context, s snapshot, t *tool) error {
	if !b.mayHaveGuard(t) {
		return nil
	}
	c := b.cfg.Chains[enforce.Guarded]
	_, exists, err := s.chain(ctx, t, c.Table, c.To)
	b.unguarded[family(t.v6)] = err == nil
	if err != nil || !exists {
		return err
	}
	var sc script
	if err := b.removeJumps(ctx, s, t, c, &sc); err != nil {
		return err
	}
	sc.add(c.Table, "-F "+c.To)
	sc.add(c.Table, "-X "+c.To)
	s.forget(b.jumpChains(t, enforce.Guarded)...)
	return t.run(ctx, &sc)
}

// mayHaveGuard reports whether there may be a guard that is not configured any more.
func (b *Backend) mayHaveGuard(t *tool) bool {
	return len(b.cfg.Guard) == 0 && !b.unguarded[family(t.v6)]
}
