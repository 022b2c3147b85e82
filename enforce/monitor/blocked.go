package monitor

import (
	"context"
	"slices"

	"fwknopd/enforce"
)

// blocked asks what drops a grant all the same, and keeps the answer with its parts:
// what is known is not told again. m.mu must be held.
func (m *Monitor) blocked(ctx context.Context, g enforce.Grant, now stand) (by []string) {
	if m.cfg.Blocked == nil || g.External != nil {
		return nil
	}
	by, err := m.cfg.Blocked(ctx, g)
	if err != nil {
		m.events.add(Event{Time: now.wall, Kind: Failed, Grant: g, Err: err})
	}
	for _, part := range g.Split() {
		if e := m.table.entries[part.Key()]; e != nil {
			e.blocked = by
		}
	}
	return by
}

// tellBlocked tells of what has begun to drop a grant since it was opened. m.mu must be
// held.
func (m *Monitor) tellBlocked(ctx context.Context, now stand) {
	for _, g := range m.table.wanted() {
		before := m.table.entries[g.Key()].blocked
		by := m.blocked(ctx, g, now)
		if len(by) > 0 && !slices.Equal(by, before) {
			m.events.add(Event{Time: now.wall, Kind: Blocked, Grant: g, Blocked: by})
		}
	}
}
