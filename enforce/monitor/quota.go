package monitor

import "fwknopd/enforce"

// An admission applies the quota to the grants of several jobs. All are admitted before the first
// is entered into the table, so they are counted here. Monitor.opening and Monitor.mu must be held.
type admission struct {
	m        *Monitor
	limits   *enforce.Limits
	now      clockReading
	admitted map[string]bool // parts that were not open, by key
	stanzas  map[int]int     // how many of them, by stanza
	external int             // opening commands
}

func (m *Monitor) newAdmission(now clockReading) *admission {
	return &admission{m: m, limits: &m.currentPolicy().Limits, now: now, admitted: make(map[string]bool), stanzas: make(map[int]int)}
}

// take admits the parts of g that are not open yet, or returns which limit they exceed.
func (a *admission) take(g enforce.Grant) error {
	var keys []string
	for _, part := range g.Split() {
		if key := part.Key(); !a.m.table.isOpen(key) && !a.admitted[key] {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	o := enforce.Opening{Stanza: g.Stanza, New: len(keys)}
	o.Limit = a.limits.MaxGrants(g.Stanza)
	o.OfStanza, o.All = a.m.table.stanzas[g.Stanza]+a.stanzas[g.Stanza], len(a.m.table.entries)+len(a.admitted)
	if err := a.m.quota.Take(o, a.now.monotonic()); err != nil {
		return err
	}
	a.stanzas[g.Stanza] += len(keys)
	for _, key := range keys {
		a.admitted[key] = true
	}
	return nil
}
