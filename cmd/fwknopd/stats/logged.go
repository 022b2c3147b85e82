package stats

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
)

// Line counts a line if it is an event of the event log, which may have been cut off. It is an
// [ingest.LineFunc].
func (s *Stats) Line(line []byte, ev *parse.Event) (taken bool, err error) {
	return TakeEvent(line, ev, s.Logged)
}

// TakeEvent calls take with a line if it is an event of the event log, as an [ingest.LineFunc]. ev
// gets its time. What a crash cut off is malformed.
func TakeEvent(line []byte, ev *parse.Event, take func(*report.Logged)) (taken bool, err error) {
	plain := bytes.HasPrefix(line, plainEvent)
	if !plain && (len(line) == 0 || line[0] != '{' || !bytes.Contains(line, ecsEvent)) {
		return false, nil
	}
	e, err := report.ParseLogged(line)
	switch {
	case err != nil && plain:
		ev.Reset()
		return true, errors.New("an event of the event log that is cut off or damaged")
	case err != nil, !e.IsEvent():
		return false, nil
	}
	ev.Reset()
	ev.Time = e.Time()
	take(&e)
	return true, nil
}

// What lines of the event log begin with or contain.
var (
	plainEvent = []byte(`{"v":1,"timestamp":`)
	ecsEvent   = []byte(`"fwknopd":{`)
)

// Logged counts an event of the event log, at the time that it has.
func (s *Stats) Logged(e *report.Logged) {
	at := e.Time()
	s.timeline.add(at, counts{events: 1})
	switch e.Type {
	case "decision":
		s.loggedDecision(e, at)
	case "suppressed":
		s.suppressed(e, at)
	case "grant":
		if e.Grant.Src != "" { // else of a command, or of the firewall as a whole
			for _, o := range loggedOpenings(e, at) {
				s.grants.logged(monitor.Kind(e.Verdict), o)
			}
		}
	case "monitor":
		if e.Verdict == string(monitor.Lost) {
			s.lost += uint64(max(e.Count, 0))
		}
	}
}

// loggedDecision counts a decision, or the end of a grant in the output of replay.
func (s *Stats) loggedDecision(e *report.Logged, at time.Time) {
	switch e.Verdict {
	case report.Ignored:
		return
	case report.Expired:
		for _, o := range loggedOpenings(e, at) {
			s.grants.end(o, report.Expired)
		}
		return
	}
	c, wanted := s.decisions.add(e.Verdict, e.Reason, 1)
	if wanted {
		c.example(at, e.Src, e.Words())
	}
	d := countsOf(e.Verdict, 1)
	s.timeline.add(at, d)
	src := address(e.Src)
	port, known := e.Port()
	if known && src.IsValid() {
		s.ports.add(src, port)
	}
	s.decided(src, at, port, d)
	if e.Mode == policy.ModeKnock {
		s.knocks.add(knockKey{src, e.Title(), string(e.Reason)}, 1, named(at))
	}
	if e.Verdict == report.Granted && len(e.Grant.Ports) > 0 {
		for _, o := range loggedOpenings(e, at) {
			s.grants.grant(o, false)
		}
	}
}

// suppressed counts refusals that are not logged one by one.
func (s *Stats) suppressed(e *report.Logged, at time.Time) {
	var sum uint64
	for _, reason := range slices.Sorted(maps.Keys(e.Reasons)) {
		n := uint64(max(e.Reasons[reason], 0))
		s.decisions.add(report.Refused, reason, n)
		sum += n
	}
	d := counts{refused: sum}
	s.timeline.add(at, d)
	port, _ := e.Port()
	s.decided(address(e.Src), at, port, d)
}

// loggedOpenings returns the grant of an event, once for each of its sources.
func loggedOpenings(e *report.Logged, at time.Time) []opening {
	o := opening{dst: address(e.Grant.Dst), ports: e.Grant.Ports, forward: e.Grant.Forward,
		stanza: e.Title(), user: e.User, at: named(at)}
	if len(o.ports) == 0 {
		o.ports = []string{""}
	}
	o.expires = named(e.Expires())
	return o.of(e.GrantSources())
}

// address parses an address; the zero Addr is none.
func address(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
