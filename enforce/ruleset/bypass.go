package ruleset

import (
	"fmt"
	"slices"
	"strings"

	"fwknopd/enforce"
)

// DockerUser is the chain of iptables that Docker lets forwarded packets pass first.
const DockerUser = "DOCKER-USER"

// Texts about rules in front of the guard that programs recognise.
const (
	// Bypassed stands in each of them.
	Bypassed = " in front of the guard: "
	// AllPass: the rule matches every client.
	AllPass = "all clients reach "
	// somePass: what it matches is not known, or only some clients.
	somePass = "what it matches reaches "
)

// A Bypass is a rule that ends the way of a client without a grant through a base chain in
// front of the guard of GUARD_FORWARD, which would drop its packet; or the policy, where no rule
// leads to the guard.
type Bypass struct {
	Base   string // the name of the base chain
	Chain  string // the chain of the rule, if that is another one
	Number int    // of the rule in its chain, from 1; 0: the policy
	Verb   Verb   // Accept, Queue, Return, Goto
	Sure   bool   // it matches every client
}

// Text names the rule, and the ports that are reached past the guard.
func (b Bypass) Text(ports []enforce.Port) string {
	where := b.Base
	if b.Chain != "" {
		where = b.Chain + " (" + b.Base + ")"
	}
	what := map[Verb]string{Accept: "accepts", Queue: "queues", Return: "returns", Goto: "goes elsewhere"}[b.Verb]
	who := somePass
	if b.Sure {
		who = AllPass
	}
	var names []string
	for _, p := range ports {
		names = append(names, p.String())
	}
	rule := "the policy"
	if b.Number > 0 {
		rule = fmt.Sprintf("rule %d", b.Number)
	}
	return fmt.Sprintf("%s of %s %s%s%s%s without a grant", rule, where, what, Bypassed, who, strings.Join(names, ", "))
}

// PlannedGuard returns the name of the chain that leads to the guard once it is set up, "" if
// every packet meets the guard first.
func (b *Base) PlannedGuard() string {
	p := Anyone(b.Hook, b.V6)
	leads := slices.ContainsFunc(b.Chains[b.Chain], func(r Rule) bool {
		verdicts, match := r.Judge(&p)
		return match == Yes && slices.Contains(verdicts, Verdict{Jump, DockerUser})
	})
	if !leads {
		return ""
	}
	return DockerUser
}

// Bypasses returns the rules by which p, of a client without a grant, gets past the chain guard,
// in the order in which it meets them.
func (b *Base) Bypasses(p *Packet, guard string) []Bypass {
	return b.bypassesTaking(p, guard, nil)
}

// bypassesTaking is Bypasses with a rule that is taken for one that matches, unless it is nil.
func (b *Base) bypassesTaking(p *Packet, guard string, taken *Bypass) []Bypass {
	w := walk{base: b, packet: p, ours: OursAbsent, ends: make(map[string]Verb), guard: guard, taken: taken}
	switch end := w.chain(b.Chain, 0); {
	case end != Continue || b.Policy != Accept:
	case w.left != nil:
		w.noteBypass(*w.left, true)
	default:
		w.noteBypass(Bypass{Base: b.Name, Verb: Accept}, !w.leadsToGuard(b.Chains[b.Chain], make(map[string]bool)))
	}
	return w.bypasses
}

// takes reports whether a rule is taken for one that matches.
func (w *walk) takes(chain string, at int) bool {
	if w.taken == nil || w.taken.Number != at+1 {
		return false
	}
	rule := w.bypass(chain, at, w.taken.Verb)
	return rule == *w.taken
}

// noteEnd notes what a rule with such a verdict means for the guard, if it ends the way through its
// chain: end is where the packet ends there.
func (w *walk) noteEnd(chain string, at int, verb, end Verb, match Truth) {
	switch {
	case w.guard == "":
	case verb == Accept || verb == Queue:
		w.noteAccept(w.bypass(chain, at, verb), match)
	case verb == Return || verb == Goto && end == Continue:
		w.noteLeft(w.bypass(chain, at, verb), chain, at, match)
	}
}

// noteAccept notes that a rule lets the packet through: behind one by which the packet left the
// way to the guard, that one.
func (w *walk) noteAccept(rule Bypass, match Truth) {
	if w.left != nil {
		rule = *w.left
	}
	w.noteBypass(rule, match == Yes)
}

// noteLeft notes that a rule ends the way through a chain, if that leads to the guard further on.
// Of one that may match another walk tells whether its packets get through; behind others that may
// match that is not followed.
func (w *walk) noteLeft(rule Bypass, chain string, at int, match Truth) {
	switch {
	case w.left != nil || !w.leadsToGuard(w.base.Chains[chain][at+1:], make(map[string]bool)):
	case w.exploring:
		w.noteBypass(rule, false)
	case match == Yes:
		w.left = &rule
		clear(w.ends) // what is accepted from here on is for another reason
	case w.taken == nil && isNamed(rule, w.base.bypassesTaking(w.packet, w.guard, &rule)):
		w.noteBypass(rule, false)
	}
}

// isNamed reports whether a rule is one of some bypasses, sure or not.
func isNamed(rule Bypass, bypasses []Bypass) bool {
	return slices.ContainsFunc(bypasses, func(b Bypass) bool {
		b.Sure = rule.Sure
		return b == rule
	})
}

func (w *walk) bypass(chain string, at int, verb Verb) Bypass {
	rule := Bypass{Base: w.base.Name, Number: at + 1, Verb: verb}
	if chain != w.base.Chain {
		rule.Chain = chain
	}
	return rule
}

func (w *walk) noteBypass(rule Bypass, sure bool) {
	i := slices.Index(w.bypasses, rule)
	if i < 0 {
		i = len(w.bypasses)
		w.bypasses = append(w.bypasses, rule)
	}
	w.bypasses[i].Sure = sure && !w.exploring // a sure one is the last
}

// leadsToGuard reports whether one of the rules may lead to the guard. seen has the chains that were
// looked at.
func (w *walk) leadsToGuard(rules []Rule, seen map[string]bool) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		verdicts, match := r.Judge(w.packet)
		return match != No && slices.ContainsFunc(verdicts, func(v Verdict) bool {
			if v.Chain == "" || seen[v.Chain] {
				return false
			}
			seen[v.Chain] = true
			return v.Chain == w.guard || w.leadsToGuard(w.base.Chains[v.Chain], seen)
		})
	})
}
