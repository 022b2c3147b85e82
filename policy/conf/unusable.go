package conf

import (
	"net/netip"
	"slices"
	"time"
)

// unusable warns of keywords that contradict each other so that the stanza never grants.
func (m *builder) unusable() {
	m.unusableAddresses()
	m.unusablePorts()
	m.unusableTimes()
}

func (m *builder) unusableAddresses() {
	s := m.s
	include := s.Source.Include
	switch {
	case m.b.broken || !m.has("SOURCE"):
	case len(include) == 0:
		m.warn("SOURCE", "includes no address, the stanza is never used")
	case covers(s.Source.Exclude, include):
		m.warn("SOURCE", "excludes every address that it includes, the stanza is never used")
	case len(s.Destination.Include) > 0 && !meet(include, s.Destination.Include):
		m.warn("DESTINATION", "has no address of the IP version of SOURCE, the stanza is never used")
	}
}

func (m *builder) unusablePorts() {
	s := m.s
	if s.Mode == ModeSPA && !s.PermitClientPorts && len(s.OpenPorts) > 0 && !slices.ContainsFunc(s.OpenPorts, m.offered) {
		m.warn("RESTRICT_PORTS", "has all of OPEN_PORTS: the stanza opens no port")
	}
}

func (m *builder) unusableTimes() {
	s, gaps := m.s, len(m.s.Sequence)-1
	if s.Mode != ModeShared || s.MinTimeDiff < 0 || gaps < 1 {
		return
	}
	switch {
	case s.MaxTimeDiff > 0 && s.MaxTimeDiff == s.MinTimeDiff:
		m.warn("MIN_TIME_DIFF", "is MAX_TIME_DIFF: no time between two knocks is longer than the one and shorter than the other")
	case s.KnockInterval > 0 && s.MinTimeDiff*time.Duration(gaps) >= s.KnockInterval:
		m.warn("MIN_TIME_DIFF", "kept %d times it takes all of KNOCK_INTERVAL: no sequence is in time", gaps)
	}
}

// offered reports whether a port is not in RESTRICT_PORTS.
func (m *builder) offered(p Port) bool { return !slices.Contains(m.s.RestrictPorts, p) }

// covers reports whether each network is within one of the others.
func covers(others, nets []netip.Prefix) bool {
	return !slices.ContainsFunc(nets, func(n netip.Prefix) bool {
		return !slices.ContainsFunc(others, func(o netip.Prefix) bool { return o.Bits() <= n.Bits() && o.Contains(n.Addr()) })
	})
}

// meet reports whether one of the networks is of the same IP version as one of the others.
func meet(nets, others []netip.Prefix) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool {
		return slices.ContainsFunc(others, func(o netip.Prefix) bool { return o.Addr().Is4() == n.Addr().Is4() })
	})
}
