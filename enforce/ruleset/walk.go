package ruleset

import "strings"

// A Fate is what a base chain does with a packet.
type Fate struct {
	Drops     bool // taking every rule that may match as not matching
	MayDrop   bool // or if some of those match
	MayAccept bool // it accepts, or would if some of those match
}

// Ours is what a walk takes our own chains for.
type Ours bool

// OursAccept is the ruleset with a grant in it, OursAbsent as it were without us.
const (
	OursAccept Ours = true
	OursAbsent Ours = false
)

// Judge returns the fate of p in the chain.
func (b *Base) Judge(p *Packet, ours Ours) Fate {
	w := walk{base: b, packet: p, ours: ours, ends: make(map[string]Verb)}
	end := w.chain(b.Chain, 0)
	if end == Continue {
		end = b.Policy
	}
	drops := end == Drop
	return Fate{Drops: drops, MayDrop: drops || w.mayDrop, MayAccept: !drops || w.mayAccept}
}

// maxDepth is above what the kernel allows (16 jumps in nf_tables); a loop ends there.
const maxDepth = 64

// A walk is one way through the rules.
type walk struct {
	base      *Base
	packet    *Packet
	ours      Ours
	mayDrop   bool
	mayAccept bool
	ends      map[string]Verb // of chains that a rule may lead to
	exploring bool            // behind a rule that may match

	guard    string  // a chain that drops; "": none
	left     *Bypass // the rule by which the packet left the way to the guard; nil: none
	taken    *Bypass // a rule that is taken for one that matches; nil: none
	bypasses []Bypass
}

// chain returns where p ends in a chain: Accept, Drop, Queue, or Continue at its end.
func (w *walk) chain(name string, depth int) Verb {
	if w.guard != "" && name == w.guard {
		return Drop
	}
	if w.base.Ours[name] {
		if w.ours == OursAccept {
			return Accept
		}
		return Continue
	}
	if depth > maxDepth {
		return Continue
	}
	for i, r := range w.base.Chains[name] {
		verdicts, match := r.Judge(w.packet)
		match = w.dispatched(verdicts, match)
		if match == Maybe && w.takes(name, i) {
			match = Yes
		}
		switch match {
		case Maybe:
			w.explore(name, i, verdicts, depth)
		case Yes:
			if end, done := w.follow(verdicts, depth); done {
				w.noteEnd(name, i, verdicts[0].Verb, end, Yes)
				return end
			}
		}
	}
	return Continue
}

// follow carries out the verdict of a rule that matches; done is false if the packet
// goes on to the next one.
func (w *walk) follow(verdicts []Verdict, depth int) (end Verb, done bool) {
	if len(verdicts) == 0 {
		return Continue, false
	}
	switch v := verdicts[0]; v.Verb {
	case Continue:
		return Continue, false
	case Jump:
		end := w.chain(v.Chain, depth+1)
		return end, end != Continue
	case Goto:
		return w.chain(v.Chain, depth+1), true
	case Return:
		return Continue, true
	case Queue:
		w.mayDrop = true
		return Queue, true
	default:
		return v.Verb, true
	}
}

// explore notes where a rule of a chain leads that may match.
func (w *walk) explore(chain string, at int, verdicts []Verdict, depth int) {
	for _, v := range verdicts {
		end := v.Verb
		if end == Jump || end == Goto {
			end = w.mayGo(v.Chain, depth+1)
		}
		w.noteEnd(chain, at, v.Verb, end, Maybe)
		switch {
		case end == Drop || end == Queue:
			w.mayDrop = true
		case end == Accept || end == Return || v.Verb == Goto: // what lies behind a return is not followed
			w.mayAccept = true
		}
	}
}

// mayGo returns where the packet ends in a chain that a rule may lead to.
func (w *walk) mayGo(chain string, depth int) (end Verb) {
	end, seen := w.ends[chain]
	if !seen {
		w.ends[chain] = Continue // for a loop
		before := w.exploring
		w.exploring = true
		end = w.chain(chain, depth)
		w.exploring = before
		w.ends[chain] = end
	}
	return end
}

// dispatched is whether a rule matches. One of which that is not known, such as by an
// interface or a named set, and which leads to the chain of a zone, does if the packet is one
// of that zone.
func (w *walk) dispatched(verdicts []Verdict, match Truth) Truth {
	if match != Maybe || w.packet.Zone == "" || w.base.Layer != Firewalld || len(verdicts) != 1 {
		return match
	}
	zone := zoneOf(verdicts[0].Chain)
	if zone == "" {
		return match
	}
	return Of(zone == w.packet.Zone)
}

// zonePrefixes begin the names of the chains that have the rules of a zone of firewalld for
// packets to this host: in nf_tables, and with iptables as its backend.
var zonePrefixes = []string{"filter_IN_", "IN_"}

// policyPrefix begins the names of what firewalld calls policies, in the place of a zone's.
const policyPrefix = "policy_"

// zoneOf returns the zone whose chain this is, "" for another chain.
func zoneOf(chain string) string {
	for _, prefix := range zonePrefixes {
		if zone, ok := strings.CutPrefix(chain, prefix); ok && !strings.HasPrefix(zone, policyPrefix) {
			return zone
		}
	}
	return ""
}
