package monitor

import (
	"context"
	"time"

	"fwknopd/enforce"
)

const (
	maxExpire = 512                    // closed in one transaction; more would delay new grants
	minRetry  = 100 * time.Millisecond // after a failure to close; doubled each time
	maxRetry  = 30 * time.Second
)

// ENABLE_CONNTRACK_PERSIST: how long before the end connections are looked up, by how
// much the end is postponed each time, and by how much in all.
const (
	leadTime    = 2 * time.Second
	extension   = 10 * time.Second
	maxPostpone = 24 * time.Hour
)

// expire closes what is due. What could not be closed stays in the queue and is tried
// again. m.mu must be held.
func (m *Monitor) expire(ctx context.Context, now clockReading) {
	due := m.postpone(ctx, m.table.due(now.elapsed, maxExpire), now)
	var rules []*entry
	for _, e := range due {
		if e.grant.External != nil {
			m.endExternal(e, Expired, nil)
		} else {
			m.table.setEnding(e)
			rules = append(rules, e)
		}
	}
	m.endRules(ctx, rules, now)
	if next, ok := m.table.next(); !ok || next > now.elapsed || len(m.cuts) >= maxCuts { // else more end at once
		m.startCuts()
	}
	m.notifyIdle()
}

func (m *Monitor) endRules(ctx context.Context, rules []*entry, now clockReading) {
	if len(rules) == 0 {
		return
	}
	parts := make([]enforce.Grant, len(rules))
	for i, e := range rules {
		parts[i] = e.grant
	}
	_, errs := m.cfg.Firewall.Change(ctx, nil, parts)
	var gone []*entry
	for i, e := range rules {
		if errs == nil || errs[i] == nil {
			gone = append(gone, e)
			continue
		}
		m.retry(e, now, errs[i])
	}
	m.dropEnded(gone, Expired, now)
}

// dropEnded drops entries that the firewall does not have any more, reports them as events of
// the kind why and collects those whose connections are to end. m.mu must be held.
func (m *Monitor) dropEnded(es []*entry, why Kind, now clockReading) {
	gone := make([]enforce.Grant, len(es))
	for i, e := range es {
		gone[i] = e.grant
		m.ended(e, now.elapsed)
		m.table.drop(e)
		m.collectCut(e)
	}
	m.reportGrants(now.wall, why, gone)
}

// retry schedules another attempt to close e, and reports the first failure.
func (m *Monitor) retry(e *entry, now clockReading, err error) {
	if e.tries == 0 {
		m.events.add(Event{Time: now.wall, Kind: Failed, Grant: e.grant, Err: err})
	}
	m.table.schedule(e, now.elapsed+backoff(e.tries))
	e.tries++
}

func backoff(tries int) time.Duration {
	return min(minRetry<<min(tries, 16), maxRetry)
}

// postpone extends the entries that still have connections, and returns those that are
// to be closed now.
func (m *Monitor) postpone(ctx context.Context, due []*entry, now clockReading) (rest []*entry) {
	var candidates []*entry
	for _, e := range due {
		if m.mayPostpone(e) && now.elapsed < e.deadline {
			candidates = append(candidates, e)
		} else {
			rest = append(rest, e)
		}
	}
	if len(candidates) == 0 {
		return rest
	}
	alive := m.established(ctx, candidates, now)
	var connected []*entry
	for i, e := range candidates {
		if alive[i] {
			connected = append(connected, e)
			continue
		}
		m.table.schedule(e, e.deadline)
		e.postponed = maxPostpone // not checked again
	}
	m.extend(ctx, connected, now)
	return rest
}

// mayPostpone reports whether connections can postpone the end of e. Such an entry is
// due leadTime before its end.
func (m *Monitor) mayPostpone(e *entry) bool {
	return m.cfg.Established != nil && !e.permanent() && !e.ending && e.grant.External == nil && e.grant.Foreign == "" && !e.cut && e.postponed < maxPostpone
}

// established returns for each candidate whether it has a connection; false for all if
// that cannot be determined.
func (m *Monitor) established(ctx context.Context, candidates []*entry, now clockReading) []bool {
	parts := make([]enforce.Grant, len(candidates))
	for i, e := range candidates {
		parts[i] = e.grant
	}
	alive, err := m.cfg.Established(ctx, parts)
	if err != nil || len(alive) != len(parts) {
		m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
		return make([]bool, len(parts))
	}
	return alive
}

// extend applies grants again with a later end, before the kernel ends them. If that
// fails they end in time.
func (m *Monitor) extend(ctx context.Context, es []*entry, now clockReading) {
	if len(es) == 0 {
		return
	}
	parts := make([]enforce.Grant, len(es))
	for i, e := range es {
		parts[i] = e.grant
		parts[i].Expires = now.wall.Add(e.deadline - now.elapsed + extension)
	}
	errs, _ := m.cfg.Firewall.Change(ctx, parts, nil)
	var first []enforce.Grant
	for i, e := range es {
		if errs != nil && errs[i] != nil {
			m.events.add(Event{Time: now.wall, Kind: Failed, Grant: e.grant, Err: errs[i]})
			m.table.schedule(e, e.deadline)
			e.postponed = maxPostpone
			continue
		}
		if e.postponed == 0 {
			first = append(first, parts[i])
		}
		m.table.setEnd(e, parts[i].Expires)
		e.deadline = now.deadline(parts[i].Expires)
		e.postponed += extension
		m.table.schedule(e, e.deadline-leadTime)
	}
	m.reportGrants(now.wall, Postponed, first)
}
