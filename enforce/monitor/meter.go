package monitor

import (
	"time"

	"fwknopd/enforce"
)

// A Meter counts what happens to grants, each port by itself. Unlike events, nothing is left
// out or late. Its methods must not block or call the monitor: a lock of it is held.
type Meter interface {
	// Ended counts a grant that was open for so long, and expired or was revoked. One that an
	// earlier process or another program opened is not counted.
	Ended(open time.Duration)
	// Repaired counts grants that another program removed and that are open again.
	Repaired(n int)
	// Cut counts what became of connections through grants that have ended.
	Cut(n enforce.Connections)
}

// ended reports an entry that expired or was revoked to the meter.
func (m *Monitor) ended(e *entry, now time.Duration) {
	if m.cfg.Meter != nil && !e.adopted {
		m.cfg.Meter.Ended(now - e.opened)
	}
}

// repaired reports grants that were restored to the meter.
func (m *Monitor) repaired(n int) {
	if m.cfg.Meter != nil && n > 0 {
		m.cfg.Meter.Repaired(n)
	}
}

// meterCut reports the connections of grants that ended to the meter.
func (m *Monitor) meterCut(n enforce.Connections) {
	if m.cfg.Meter != nil {
		m.cfg.Meter.Cut(n)
	}
}

// OpenCounts returns the number of open grants, counted by port: those of the firewall and
// those of external commands. It does not wait for the firewall.
func (m *Monitor) OpenCounts() (firewall, external int) {
	t := &m.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.entries {
		switch {
		case e.ending:
		case e.grant.External != nil:
			external++
		default:
			firewall++
		}
	}
	return firewall, external
}
