package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A bypassWatch reports rules that begin to let packets past a guard.
type bypassWatch struct {
	said        []string // at the start or since
	unconfirmed []string // what one check has found
	failing     bool
}

// knowBypasses takes what there is at the start as reported, which the firewall's notes are.
func (m *Monitor) knowBypasses(ctx context.Context) {
	if m.cfg.Bypasses != nil {
		m.bypasses.said, _ = m.cfg.Bypasses(ctx) // after an error the first check reports
	}
}

// reportBypasses reports rules that let packets past a guard and did not at the last check, if two
// checks in a row find them: while another program loads its rules, ours may be missing for a
// moment. recheck is whether a second check is wanted soon. m.mu must be held.
func (m *Monitor) reportBypasses(ctx context.Context, now clockReading) (recheck bool) {
	if m.cfg.Bypasses == nil {
		return false
	}
	w := &m.bypasses
	found, err := m.cfg.Bypasses(ctx)
	if err != nil {
		if !w.failing {
			m.events.add(Event{Time: now.wall, Kind: Failed, Err: fmt.Errorf("what stands in front of the guard is not known: %w", err)})
		}
		w.failing = true
		return false
	}
	w.failing = false
	var said, unconfirmed []string
	for _, line := range found {
		switch {
		case slices.Contains(w.said, line):
			said = append(said, line)
		case slices.Contains(w.unconfirmed, line):
			said = append(said, line)
			m.events.add(Event{Time: now.wall, Kind: Bypassed, Err: errors.New(line)})
		default:
			unconfirmed = append(unconfirmed, line)
		}
	}
	w.said, w.unconfirmed = said, unconfirmed
	return len(unconfirmed) > 0
}
