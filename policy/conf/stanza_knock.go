package conf

import "regexp"

// knock reads knock sequences.
func (m *maker) knock() {
	s, v := m.s, m.v
	s.Sequence = v.Ports("SHARED_SEQUENCE")
	s.PortOffset = uint16(v.Int("PORT_OFFSET"))
	s.KnockInterval = v.Duration("KNOCK_INTERVAL")
	s.KnockLimit, s.MinTimeDiff, s.MaxTimeDiff = -1, -1, -1
	if m.has("KNOCK_LIMIT") {
		s.KnockLimit = v.Int("KNOCK_LIMIT")
	}
	if m.has("MIN_TIME_DIFF") {
		s.MinTimeDiff = v.Duration("MIN_TIME_DIFF")
	}
	if m.has("MAX_TIME_DIFF") {
		s.MaxTimeDiff = v.Duration("MAX_TIME_DIFF")
		if s.MaxTimeDiff < s.MinTimeDiff {
			m.wrong("MAX_TIME_DIFF", "MAX_TIME_DIFF", "is below MIN_TIME_DIFF")
		} else if s.MaxTimeDiff == 0 {
			m.warn("MAX_TIME_DIFF", "0 can never be met")
		}
	}
	s.RequireOS = v.Path("REQUIRE_OS")
	if re := v.Lookup("REQUIRE_OS_REGEX").re; re != nil {
		s.RequireOSRegex = regexp.MustCompile("(?i:" + re.String() + ")")
	}
	if s.Mode == ModeSPA {
		for _, k := range []string{"REQUIRE_OS", "REQUIRE_OS_REGEX", "PORT_OFFSET", "KNOCK_INTERVAL", "KNOCK_LIMIT", "MIN_TIME_DIFF", "MAX_TIME_DIFF"} {
			if m.has(k) {
				m.warn(k, "is for knock sequences and has no effect in this stanza")
			}
		}
	}
}
