package monitor

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

// newGrantsTime is the time in which as many new grants of a stanza are allowed as may be
// open at a time; as many at once are.
const newGrantsTime = 16 * time.Second

// A quota is what may still be opened, by stanza: as many as MAX_GRANTS at a time, at a
// limited rate. The grants of several jobs are admitted before the first is entered into
// the table, so they are counted here. Monitor.mu must be held.
type quota struct {
	m        *Monitor
	limits   *enforce.Limits
	now      clockReading
	admitted map[int]int // by stanza
	all      int
}

func (m *Monitor) newQuota(now clockReading) *quota {
	return &quota{m: m, limits: &m.currentPolicy().Limits, now: now, admitted: make(map[int]int)}
}

// take admits the parts of g that are not open yet, or returns which limit they exceed.
func (q *quota) take(g enforce.Grant) error {
	fresh := 0
	for _, part := range g.Split() {
		if !q.m.table.isOpen(part.Key()) {
			fresh++
		}
	}
	if fresh == 0 {
		return nil
	}
	if len(q.m.table.entries)+q.all+fresh > maxOpen {
		return errFull
	}
	limit := q.limits.MaxGrants(g.Stanza)
	if limit > 0 {
		if open := q.m.table.stanzas[g.Stanza] + q.admitted[g.Stanza]; open+fresh > limit {
			return fmt.Errorf("%w: stanza %d has %d of %d (MAX_GRANTS)", enforce.ErrTooMany, g.Stanza, open, limit)
		}
		if !q.m.rateOf(g.Stanza, limit).AllowN(q.now.monotonic(), fresh) {
			return fmt.Errorf("%w: stanza %d opened %d (MAX_GRANTS) within %v", enforce.ErrTooMany, g.Stanza, limit, newGrantsTime)
		}
	}
	q.admitted[g.Stanza] += fresh
	q.all += fresh
	return nil
}

// rateOf returns the limiter of new grants of a stanza. There are as many as the policy
// has had stanzas. m.mu must be held.
func (m *Monitor) rateOf(stanza, limit int) *rate.Limiter {
	l := m.rates[stanza]
	if l == nil || l.Burst() != limit {
		l = rate.NewLimiter(rate.Limit(float64(limit)/newGrantsTime.Seconds()), limit)
		m.rates[stanza] = l
	}
	return l
}
