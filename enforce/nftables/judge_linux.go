package nftables

import (
	"bytes"
	"slices"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"

	"fwknopd/enforce/ruleset"
)

// A rule of the user's, with the contents of the sets that cannot change under it:
// those without a name, and verdict maps.
type rule struct {
	exprs []expr.Any
	sets  map[string]*setContents
	named map[string]*setContents // what its translation takes ports from, see readPortSets
}

// Judge implements [ruleset.Rule]: it runs the rule as the kernel would, with what is
// known of the packet. Expressions that the library does not know leave their register
// unknown.
func (r *rule) Judge(p *ruleset.Packet) ([]ruleset.Verdict, ruleset.Truth) {
	var regs registers
	match := ruleset.Yes
	for _, e := range r.exprs {
		t, verdicts := r.step(&regs, e, p)
		if match = match.And(t); match == ruleset.No {
			return nil, ruleset.No
		}
		if verdicts != nil {
			return verdicts, match
		}
	}
	return nil, match
}

// step runs one expression; with a verdict the rule ends.
func (r *rule) step(regs *registers, e expr.Any, p *ruleset.Packet) (ruleset.Truth, []ruleset.Verdict) {
	switch e := e.(type) {
	case *expr.Meta:
		if !e.SourceRegister {
			regs.meta(e.Key, e.Register, p)
		}
	case *expr.Ct:
		if !e.SourceRegister {
			regs.ct(e, p)
		}
	case *expr.Fib:
		regs.fib(e, p)
	case *expr.Payload:
		regs.payload(e, p)
	case *expr.Bitwise:
		regs.bitwise(e)
	case *expr.Immediate:
		regs.load(e.Register, e.Data, len(e.Data))
	case *expr.Cmp:
		return regs.compare(e), nil
	case *expr.Range:
		t := regs.between(e.Register, e.FromData, e.ToData)
		if e.Op == expr.CmpOpNeq {
			t = t.Not()
		}
		return t, nil
	case *expr.Lookup:
		return r.lookup(regs, e)
	case *expr.Exthdr:
		regs.load(e.DestRegister, nil, 16)
	default:
		return verdictOf(e)
	}
	return ruleset.Yes, nil
}

// lookup finds a register in a set or a map.
func (r *rule) lookup(regs *registers, e *expr.Lookup) (ruleset.Truth, []ruleset.Verdict) {
	set := r.sets[e.SetName]
	isVerdict := e.IsDestRegSet && e.DestRegister == 0
	if e.IsDestRegSet && !isVerdict {
		regs.load(e.DestRegister, nil, 16)
	}
	if set == nil {
		return ruleset.Maybe, nil
	}
	t, verdicts := set.find(regs, e.SourceRegister)
	if !isVerdict {
		verdicts = nil
	}
	if e.Invert {
		t = t.Not()
	}
	return t, verdicts
}

// verdictOf handles expressions that end a rule and those that may or may not match;
// the others only count or note something.
func verdictOf(e expr.Any) (ruleset.Truth, []ruleset.Verdict) {
	one := func(v ruleset.Verb) []ruleset.Verdict { return []ruleset.Verdict{{Verb: v}} }
	switch e := e.(type) {
	case *expr.Verdict:
		return ruleset.Yes, []ruleset.Verdict{verdict(e)}
	case *expr.Reject:
		return ruleset.Yes, one(ruleset.Drop)
	case *expr.Queue:
		return ruleset.Yes, one(ruleset.Queue)
	case *expr.NAT, *expr.Masq, *expr.Redir, *expr.TProxy, *expr.SynProxy:
		return ruleset.Yes, one(ruleset.Accept)
	case *expr.Limit, *expr.Connlimit, *expr.Quota, *expr.Match:
		return ruleset.Maybe, nil
	case *expr.Dynset:
		if len(e.Exprs) > 0 || e.Invert {
			return ruleset.Maybe, nil
		}
	case *expr.Target:
		if e.Name == "REJECT" || e.Name == "TARPIT" {
			return ruleset.Yes, one(ruleset.Drop)
		}
	}
	return ruleset.Yes, nil
}

func verdict(v *expr.Verdict) ruleset.Verdict {
	verb := ruleset.Continue
	switch v.Kind {
	case expr.VerdictAccept, expr.VerdictStop, expr.VerdictRepeat:
		verb = ruleset.Accept
	case expr.VerdictDrop, expr.VerdictStolen:
		verb = ruleset.Drop
	case expr.VerdictQueue:
		verb = ruleset.Queue
	case expr.VerdictJump:
		verb = ruleset.Jump
	case expr.VerdictGoto:
		verb = ruleset.Goto
	case expr.VerdictReturn:
		verb = ruleset.Return
	}
	return ruleset.Verdict{Verb: verb, Chain: v.Chain}
}

// setContents are the elements of a set.
type setContents struct {
	intervals []interval
	catchAll  []nft.SetElement // for every key that has no element
}

// find returns whether a register is an element, and the verdicts of the elements that
// it may be.
func (m *setContents) find(regs *registers, register uint32) (best ruleset.Truth, verdicts []ruleset.Verdict) {
	for _, in := range m.intervals {
		t := in.holds(regs, register)
		if t == ruleset.No {
			continue
		}
		if t == ruleset.Yes {
			verdicts = nil
		}
		if best = max(best, t); in.verdict != nil {
			verdicts = append(verdicts, verdict(in.verdict))
		}
		if t == ruleset.Yes {
			return best, verdicts
		}
	}
	for _, el := range m.catchAll {
		if el.VerdictData != nil {
			verdicts = append(verdicts, verdict(el.VerdictData))
		}
		if best == ruleset.No {
			best = ruleset.Yes
		}
	}
	return best, verdicts
}

// An interval of keys, both ends included; a nil end is none.
type interval struct {
	from, to []byte
	exact    bool // one key
	unknown  bool // an interval of several fields
	verdict  *expr.Verdict
	value    []byte // of a map of other values
}

func (in *interval) holds(regs *registers, register uint32) ruleset.Truth {
	switch {
	case in.unknown:
		return ruleset.Maybe
	case in.exact:
		return regs.equal(register, in.from)
	}
	return regs.between(register, in.from, in.to)
}

// collect makes intervals of listed elements. In an interval set the kernel lists
// beginnings and, marked, the first key after each end; in a concatenation of
// intervals the two ends of each field, which are taken as not known.
func collect(els []nft.SetElement) *setContents {
	m := new(setContents)
	var ends [][]byte
	for _, el := range els {
		if el.IntervalEnd {
			ends = append(ends, el.Key)
		}
	}
	slices.SortFunc(ends, bytes.Compare)
	for _, el := range els {
		switch {
		case el.IntervalEnd:
		case len(el.Key) == 0:
			m.catchAll = append(m.catchAll, el)
		case el.KeyEnd != nil:
			m.intervals = append(m.intervals, interval{from: el.Key, to: el.KeyEnd, exact: bytes.Equal(el.Key, el.KeyEnd), unknown: !bytes.Equal(el.Key, el.KeyEnd), verdict: el.VerdictData, value: el.Val})
		case len(ends) == 0:
			m.intervals = append(m.intervals, interval{from: el.Key, exact: true, verdict: el.VerdictData, value: el.Val})
		default:
			m.intervals = append(m.intervals, interval{from: el.Key, to: before(firstAfter(ends, el.Key)), verdict: el.VerdictData, value: el.Val})
		}
	}
	return m
}

// firstAfter returns the end that belongs to a beginning, nil if there is none.
func firstAfter(ends [][]byte, from []byte) []byte {
	for _, e := range ends {
		if bytes.Compare(e, from) > 0 {
			return e
		}
	}
	return nil
}

// before returns the key before a key.
func before(key []byte) []byte {
	if key == nil {
		return nil
	}
	prev := bytes.Clone(key)
	for i := len(prev) - 1; i >= 0; i-- {
		prev[i]--
		if prev[i] != 0xff {
			break
		}
	}
	return prev
}
