package monitor

import "fwknopd/enforce"

// An admission applies the quota to the grants of several jobs. They are admitted before
// the first is entered into the table, so they are counted here. Monitor.mu must be held.
type admission struct {
	m        *Monitor
	limits   *enforce.Limits
	now      clockReading
	admitted map[int]int // by stanza
	all      int
}

func (m *Monitor) newAdmission(now clockReading) *admission {
	return &admission{m: m, limits: &m.currentPolicy().Limits, now: now, admitted: make(map[int]int)}
}

// take admits the parts of g that are not open yet, or returns which limit they exceed.
func (a *admission) take(g enforce.Grant) error {
	o := enforce.Opening{Stanza: g.Stanza}
	for _, part := range g.Split() {
		if !a.m.table.isOpen(part.Key()) {
			o.New++
		}
	}
	if o.New == 0 {
		return nil
	}
	o.Limit = a.limits.MaxGrants(g.Stanza)
	o.OfStanza, o.All = a.m.table.stanzas[g.Stanza]+a.admitted[g.Stanza], len(a.m.table.entries)+a.all
	if err := a.m.quota.Take(o, a.now.monotonic()); err != nil {
		return err
	}
	a.admitted[g.Stanza] += o.New
	a.all += o.New
	return nil
}
