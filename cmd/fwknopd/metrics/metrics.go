// Package metrics counts what the daemon does and writes it in the text format of
// Prometheus, version 0.0.4. Labels are verdicts, reasons, sources and backends, all from
// fixed lists or the configuration: no address, no user and no text of a packet. The
// package is pure: times are arguments.
//
// Entry points: [NewSet] for what is counted, [Set.AppendText] for the text, [Families] for
// what there is.
package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// ContentType is the media type of the text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// A Set has the counters of one daemon. Its methods may be called from any goroutine; those
// that count do not allocate.
type Set struct {
	records          []atomic.Uint64 // decisions of which there was a record, one for each of pairs
	repairs          atomic.Uint64
	degraded         atomic.Uint64 // grants without a quorum of the fleet
	ended, cut, left atomic.Uint64 // connections
	grants           *histogram
	changes          *histogram

	mu     sync.Mutex
	worker workerCounts
}

// NewSet returns a Set in which all is zero.
func NewSet() *Set {
	return &Set{
		records: make([]atomic.Uint64, len(pairs)), grants: newHistogram(grantBounds), changes: newHistogram(changeBounds),
		worker: workerCounts{unlogged: make([]tally, len(pairs)), summaries: make([]uint64, len(pairs)), claims: claimTallies{took: make([]tally, len(report.ClaimBounds)+1)}},
	}
}

// The bounds of the histograms. A grant is open for FW_ACCESS_TIMEOUT, 30 s or 300 s by
// default; a change of the firewall takes milliseconds and at most IPT_CMD_ALARM.
var (
	grantBounds = []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute, 30 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	}
	changeBounds = []time.Duration{
		time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	}
)

// Ended counts a grant that was open for so long.
func (s *Set) Ended(open time.Duration) { s.grants.observe(open) }

// Changed counts a change of the firewall that took so long.
func (s *Set) Changed(took time.Duration) { s.changes.observe(took) }

// Repaired counts grants that another program removed and that are open again.
func (s *Set) Repaired(n int) { s.repairs.Add(uint64(n)) }

// Cut counts what became of connections through grants that have ended.
func (s *Set) Cut(n enforce.Connections) {
	s.ended.Add(uint64(n.Ended))
	s.cut.Add(uint64(n.Cut))
	s.left.Add(uint64(n.Open))
}
