package knock

import (
	"net/netip"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// shared tries k as the next knock of a SHARED_SEQUENCE. One that does not fit
// ends the attempt, and is not tried as the first of the next one.
func (t *Tracker) shared(a *attempt, s *stanza, k *knock, out []Result) []Result {
	if s.Sequence[a.done] != k.port {
		if a.done == 0 || k.alike {
			return out
		}
		return append(out, s.ended(a, k, Result{Reason: WrongPort}))
	}
	if a.done == 0 {
		a.first = k.at
	} else if r, ok := s.pace(a, k); !ok {
		return append(out, s.ended(a, k, r))
	}
	if a.done+1 == len(s.Sequence) {
		return append(out, s.ended(a, k, t.complete(a, s, k)))
	}
	a.prev = k.at
	a.done++
	return out
}

// pace checks the time since the knock before. Both comparisons are strict, so
// MAX_TIME_DIFF 0 cannot be met.
func (s *stanza) pace(a *attempt, k *knock) (Result, bool) {
	gap := k.at.Sub(a.prev)
	switch {
	case a.untimed: // timed has the last word
	case s.MinTimeDiff >= 0 && gap <= s.MinTimeDiff:
		return Result{Reason: TooFast, Gap: gap, Bound: s.MinTimeDiff}, false
	case s.MaxTimeDiff >= 0 && gap >= s.MaxTimeDiff:
		return Result{Reason: TooSlow, Gap: gap, Bound: s.MaxTimeDiff}, false
	}
	return Result{}, true
}

// complete judges a whole shared sequence.
func (t *Tracker) complete(a *attempt, s *stanza, k *knock) Result {
	if r, ok := s.timed(a); !ok {
		return r
	}
	if got, ok := t.system(s, k); !ok {
		return Result{Reason: OS, Want: wanted(s), Got: got}
	}
	if !t.honour(a, s, k) {
		return Result{Reason: Limit, MaxUses: s.KnockLimit}
	}
	return s.grant(k.addr, s.OpenPorts...)
}

// grant opens ports for addr, as long as the stanza says.
func (s *stanza) grant(addr netip.Addr, ports ...conf.Port) Result {
	g := enforce.Grant{Src: addr}
	for _, p := range ports {
		g.Ports = append(g.Ports, enforce.Port(p))
	}
	return Result{Reason: Granted, Granted: true, Allow: addr, Ports: g.Normal().Ports, Timeout: s.AccessTimeout}
}
