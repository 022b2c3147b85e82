package knock

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"fwknopd/policy/conf"
)

// CarryOver takes over the state of old: accepted cipher texts and totals, and of
// stanzas that only changed their place in the file the attempts in progress and the
// uses. It must be called before the first Step; old must not be used afterwards.
func (t *Tracker) CarryOver(old *Tracker) {
	now := matchStanzas(old.opt.Stanzas, t.opt.Stanzas)
	old.sources.each(func(addr netip.Addr, s *source) {
		if t.opt.Server.Blacklist.Contains(addr) {
			return
		}
		src := t.addSource(&knock{addr: addr, at: s.last})
		src.recent, src.n = s.recent, s.n
		for _, a := range s.attempts {
			if i, ok := now[a.stanza]; ok {
				place, _ := src.attempt(i)
				*place = a
				place.stanza = i
				t.attempts++
			}
		}
	})
	old.uses.each(func(u use, n *int) {
		if i, ok := now[u.stanza]; ok {
			*t.uses.add(use{u.src, i}) = *n
		}
	})
	t.ciphers, t.packets = old.ciphers, old.packets
	if old.opt.Matcher == t.opt.Matcher && t.systems != nil && old.systems != nil {
		t.systems = old.systems
	}
	t.counts = old.Counts()
	t.ciphers.evicted = 0 // now in counts
}

// matchStanzas maps the index of each old stanza with a sequence to that of an equal new
// one; equal ones are paired in order.
func matchStanzas(old, now []conf.Stanza) map[int32]int32 {
	places := make(map[string][]int32) // of new stanzas that may be equal, without those that are paired
	for i := range now {
		if now[i].Mode != conf.ModeSPA {
			k := nearKey(&now[i])
			places[k] = append(places[k], int32(i))
		}
	}
	pairs := make(map[int32]int32)
	for i := range old {
		if old[i].Mode == conf.ModeSPA {
			continue
		}
		k := nearKey(&old[i])
		at := slices.IndexFunc(places[k], func(j int32) bool { return sameStanza(old[i], now[j]) })
		if at >= 0 {
			pairs[int32(i)] = places[k][at]
			places[k] = slices.Delete(places[k], at, at+1)
		}
	}
	return pairs
}

// nearKey returns a text that is the same for equal stanzas and another for most others:
// comparing each old stanza with each new one takes minutes with thousands.
func nearKey(s *conf.Stanza) string {
	return fmt.Sprintln(s.Mode, s.Source, s.Destination, s.Sequence, s.PortOffset, s.Usernames) + string(s.Key.Bytes())
}

// sameStanza compares everything but places in the file, which Values and Expectations
// have for each line. Neither has an effect on packets.
func sameStanza(a, b conf.Stanza) bool {
	for _, s := range []*conf.Stanza{&a, &b} {
		s.Pos, s.Number, s.Values, s.Expectations = conf.Pos{}, 0, nil, nil
	}
	return reflect.DeepEqual(a, b)
}
