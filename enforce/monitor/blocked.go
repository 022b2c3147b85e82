package monitor

import (
	"context"
	"fmt"
	"slices"

	"fwknopd/enforce"
)

// recordBlocked returns the chains that drop a grant that was just opened. They are stored
// with the parts of the grant, so that they are not reported again. m.mu must be held.
func (m *Monitor) recordBlocked(ctx context.Context, g enforce.Grant, now clockReading) []string {
	by := m.blockingChains(ctx, g, now)
	for _, part := range g.Split() {
		if e := m.table.entries[part.Key()]; e != nil {
			e.blocked, e.unconfirmed = by, by
		}
	}
	return by
}

// reportBlocked reports chains that have begun to drop a grant since it was opened, if two
// checks in a row find the same: while another program loads its rules, ours may be
// missing for a moment. recheck is whether a second check is wanted soon. m.mu must be held.
func (m *Monitor) reportBlocked(ctx context.Context, now clockReading) (recheck bool) {
	if m.cfg.Blocked == nil {
		return false
	}
	for _, g := range m.table.wanted() {
		e := m.table.entries[g.Key()]
		by := m.blockingChains(ctx, g, now)
		switch {
		case slices.Equal(by, e.blocked):
		case len(by) > 0 && !slices.Equal(by, e.unconfirmed):
			recheck = true
		default:
			if e.blocked = by; len(by) > 0 {
				m.events.add(Event{Time: now.wall, Kind: Blocked, Grant: g, Blocked: by})
			}
		}
		e.unconfirmed = by
	}
	return recheck
}

// blockingChains returns the chains that drop a grant although its rules are in place.
// m.mu must be held.
func (m *Monitor) blockingChains(ctx context.Context, g enforce.Grant, now clockReading) []string {
	if m.cfg.Blocked == nil || g.External != nil {
		return nil
	}
	by, err := m.cfg.Blocked(ctx, g)
	if err != nil {
		m.events.add(Event{Time: now.wall, Kind: Failed, Grant: g, Err: fmt.Errorf("its rules are in place; whether another chain drops it all the same is not known: %w", err)})
	}
	return by
}
