package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fwknopd/enforce"
)

// recheck is after what time something that has begun to drop a grant is looked at again.
const recheck = 300 * time.Millisecond

// askBlocked is what drops a grant all the same. m.mu must be held.
func (m *Monitor) askBlocked(ctx context.Context, g enforce.Grant, now stand) []string {
	if m.cfg.Blocked == nil || g.External != nil {
		return nil
	}
	by, err := m.cfg.Blocked(ctx, g)
	if err != nil {
		m.events.add(Event{Time: now.wall, Kind: Failed, Grant: g, Err: fmt.Errorf("its rules are in place; whether another chain drops it all the same is not known: %w", err)})
	}
	return by
}

// blocked is what drops a grant that was just opened. It is kept with the parts of the
// grant, and not told again. m.mu must be held.
func (m *Monitor) blocked(ctx context.Context, g enforce.Grant, now stand) []string {
	by := m.askBlocked(ctx, g, now)
	for _, part := range g.Split() {
		if e := m.table.entries[part.Key()]; e != nil {
			e.blocked, e.suspected = by, by
		}
	}
	return by
}

// tellBlocked tells of what has begun to drop a grant since it was opened, if two looks
// find the same: while another program loads its rules, ours may be missing for a moment.
// m.mu must be held.
func (m *Monitor) tellBlocked(ctx context.Context, now stand) {
	if m.cfg.Blocked == nil {
		return
	}
	for _, g := range m.table.wanted() {
		e := m.table.entries[g.Key()]
		by := m.askBlocked(ctx, g, now)
		switch {
		case slices.Equal(by, e.blocked):
		case len(by) > 0 && !slices.Equal(by, e.suspected):
			m.guard.plan(now.elapsed + recheck)
		default:
			if e.blocked = by; len(by) > 0 {
				m.events.add(Event{Time: now.wall, Kind: Blocked, Grant: g, Blocked: by})
			}
		}
		e.suspected = by
	}
}
