package knock

import (
	"net/netip"
	"reflect"

	"fwknopd/policy/conf"
)

// CarryOver takes over what old knows: attempts in progress and uses counted
// against KNOCK_LIMIT where a stanza is the same but for its place in the file,
// accepted cipher texts and totals in any case. It is called before the first
// Step; old must not be used afterwards.
func (t *Tracker) CarryOver(old *Tracker) {
	now := matchStanzas(old.opt.Stanzas, t.opt.Stanzas)
	old.sources.each(func(addr netip.Addr, s *source) {
		if t.opt.Server.Blacklist.Contains(addr) {
			return
		}
		src := t.admit(&knock{addr: addr, at: s.last})
		src.traces, src.n = s.traces, s.n
		for _, a := range s.attempts {
			if i, ok := now[a.stanza]; ok {
				place, _ := src.attempt(i)
				*place = a
				place.stanza = i
				t.attempts++
			}
		}
	})
	old.limits.each(func(u use, n *int) {
		if i, ok := now[u.stanza]; ok {
			*t.limits.add(use{u.src, i}) = *n
		}
	})
	t.ciphers, t.packets = old.ciphers, old.packets
	if old.opt.Matcher == t.opt.Matcher && t.systems != nil && old.systems != nil {
		t.systems = old.systems
	}
	t.counts = old.Counts()
	t.ciphers.evicted = 0 // now in counts
}

// matchStanzas maps the index of each old stanza to that of an equal new one;
// equal ones are paired in order.
func matchStanzas(old, now []conf.Stanza) map[int32]int32 {
	pairs := make(map[int32]int32)
	taken := make(map[int]bool)
	for i := range old {
		for j := range now {
			if !taken[j] && sameStanza(old[i], now[j]) {
				pairs[int32(i)], taken[j] = int32(j), true
				break
			}
		}
	}
	return pairs
}

// sameStanza compares all but the place in the file.
func sameStanza(a, b conf.Stanza) bool {
	a.Pos, a.Number, b.Pos, b.Number = conf.Pos{}, 0, conf.Pos{}, 0
	return reflect.DeepEqual(a, b)
}
