package stats

import (
	"net/netip"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/enforce"
	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy"
)

// Stats aggregates what one goroutine reads. Its size in memory does not depend on how much that is.
type Stats struct {
	sources   *sources.Counter
	matches   bool // there are signatures
	ports     ports
	timeline  timeline
	decisions decisions
	knocks    knocks
	grants    grants
	lost      uint64 // events, as an event log says
	apart     uint64 // decisions about sources that are not told apart
}

// New returns Stats that hold nothing. The systems of SYNs are identified by m; nil: there will be no
// SYNs. Sources that do not fit into memory go to storage.
func New(m *fingerprint.Matcher, storage sources.Storage) *Stats {
	s := &Stats{
		sources:  sources.New(sources.Options{Matcher: m, Unmatched: true, Detail: true, Storage: storage}),
		matches:  m != nil,
		timeline: newTimeline(),
	}
	s.UseSeed(pairSeed)
	return s
}

// Event counts a packet. An event without a source is none. It allocates only for what is new: a
// source, a bucket of the timeline, a kind of SYN.
func (s *Stats) Event(ev *parse.Event) {
	if !ev.Src.IsValid() {
		return
	}
	syn := s.matches && s.sources.Count(ev)
	s.ports.add(ev.Src.Addr(), portOf(ev))
	s.timeline.event(ev.Time, syn)
}

// Err returns why sources could not be written to a file; see [sources.Counter.Err].
func (s *Stats) Err() error { return s.sources.Err() }

// Flush ends the counting of a part that waits to be merged.
func (s *Stats) Flush() { s.sources.Flush() }

// Finish ends all counting; [Stats.Summary] needs it. The error is that of the storage.
func (s *Stats) Finish() error { return s.sources.Finish() }

// Close removes what is in storage.
func (s *Stats) Close() { s.sources.Close() }

// Decision counts a decision of replay, or the end of a grant. The packet is to be counted by
// [Stats.Event] too.
func (s *Stats) Decision(e *report.Entry) {
	if e.Verdict == report.Expired {
		for _, o := range openingsOf(e) {
			s.grants.end(o, report.Expired)
		}
		return
	}
	c, wanted := s.decisions.add(e.Verdict, e.Reason, 1)
	if wanted {
		c.example(e.Time, e.Src.Addr().String(), string(report.AppendText(nil, e)))
	}
	d := countsOf(e.Verdict, 1)
	s.timeline.add(e.Time, d)
	port := parse.Port{Proto: e.Proto, Number: e.Dst.Port()}
	s.decided(e.Src.Addr(), e.Time, port, d)
	if e.Mode == policy.ModeKnock {
		s.knocks.add(knockKey{e.Src.Addr(), e.Title, string(e.Reason)}, 1, named(e.Time))
	}
	if e.Verdict == report.Granted && e.Grant != nil {
		for _, o := range openingsOf(e) {
			s.grants.grant(o, false)
		}
	}
}

// NotOpened enters that a limit of the monitor refuses what a decision of replay grants, after
// [Stats.Decision].
func (s *Stats) NotOpened(e *report.Entry) {
	for _, o := range openingsOf(e) {
		s.grants.refuse(o)
	}
}

// decided counts decisions about a source.
func (s *Stats) decided(src netip.Addr, at time.Time, port parse.Port, d counts) {
	if d == (counts{}) || !src.IsValid() {
		return
	}
	if !s.sources.Decided(src, named(at), port, int(d.granted), int(d.refused)) {
		s.apart += d.granted + d.refused + d.other
	}
}

// openingsOf returns the grant of an entry, once for each of its sources.
func openingsOf(e *report.Entry) []opening {
	g := e.Grant
	o := opening{dst: g.Dst, ports: g.PortNames(), forward: forwardOf(g.NAT), stanza: e.Title, user: e.User,
		at: named(e.Time), expires: named(g.Expires)}
	if len(o.ports) == 0 {
		o.ports = []string{""} // commands in place of ports
	}
	return o.of(g.Sources())
}

// forwardOf returns where a translation leads, as the event log has it.
func forwardOf(n *enforce.NAT) string {
	switch {
	case n == nil:
		return ""
	case n.Target.IsValid():
		return n.Target.String()
	}
	return "any"
}

// Merge adds what o has, of records after those of s; o must not be used again. The result is that
// of one reader, unless something was cut off; see [Summary.Notes].
func (s *Stats) Merge(o *Stats) {
	s.sources.Merge(o.sources)
	s.ports.merge(&o.ports)
	s.timeline.merge(&o.timeline)
	s.decisions.merge(&o.decisions)
	s.knocks.merge(&o.knocks)
	s.grants.merge(&o.grants)
	s.lost += o.lost
	s.apart += o.apart
}
