package conf

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// complete finds what single lines cannot show.
func (ld *accessLoader) complete(b *block) {
	build := &builder{ld: ld, b: b, v: b.Values, s: &b.Stanza}
	build.name()
	build.mode()
	build.keys()
	if build.usesGPG() {
		build.gpg()
	} else {
		b.GPG = nil
	}
	build.openings()
	build.grantPrefix()
	build.grantAddress()
	build.timeouts()
	build.nat()
	build.requirements()
	build.commands()
	build.knock()
	build.idle()
	if b.ExternalOpen != "" || b.CycleOpen != "" {
		b.Vars = b.Values.vars()
	}
}

// vars are the keywords for $KEYWORD in external commands.
func (v *Values) vars() map[string]string {
	vars := make(map[string]string)
	for i := range v.given {
		if val := &v.given[i]; !val.Keyword.Secret() && val.IsSet() {
			vars[val.Keyword.Name] = val.Text
			vars[val.Name] = val.Text
		}
	}
	return vars
}

// name checks NAME. A name that two stanzas have is an error of the second.
func (m *builder) name() {
	name := m.s.Name
	if name == "" {
		return
	}
	if err := CheckName(name); err != nil {
		m.invalid("NAME", "NAME", "%v", err)
		return
	}
	if first, taken := m.ld.names[name]; taken {
		m.invalid("NAME", "NAME", "is the name of the stanza at %s already", first)
		return
	}
	if m.ld.names == nil {
		m.ld.names = make(map[string]Pos)
	}
	m.ld.names[name] = m.s.Pos
}

// mode finds which evaluation the stanza takes part in.
func (m *builder) mode() {
	words := map[string]string{} // mode -> keyword that asks for it
	if m.has("DATA_COLLECT_MODE") {
		words[m.s.Collect] = "DATA_COLLECT_MODE"
	}
	for _, k := range []string{"PCAP", "FILE_PCAP", "ULOG_PCAP", "ENCRYPT_SEQUENCE"} {
		if m.has(k) && m.v.flag(k) {
			words[k] = k
		}
	}
	if m.has("SHARED_SEQUENCE") {
		words["SHARED_SEQUENCE"] = "SHARED_SEQUENCE"
	}
	delete(words, "") // refused already
	m.s.Collect = "PCAP"
	for _, w := range collectModes {
		if k, ok := words[w]; ok {
			m.s.Collect = w
			if len(words) > 1 && k != "DATA_COLLECT_MODE" {
				m.invalid(k, k, "does not go with another mode in the same stanza")
				break
			}
		}
	}
	if k := Find(AccessFile, "DATA_COLLECT_MODE"); !m.has(k.Name) && m.s.Collect != k.Default { // for the dump
		m.v.set(Value{Keyword: k, Name: k.Name, Text: m.s.Collect}, nil)
	}
	switch m.s.Collect {
	case "ENCRYPT_SEQUENCE":
		m.s.Mode = ModeEncrypted
	case "SHARED_SEQUENCE":
		m.s.Mode = ModeShared
		if !m.has("SHARED_SEQUENCE") {
			m.invalid("DATA_COLLECT_MODE", "SHARED_SEQUENCE", "is missing, DATA_COLLECT_MODE asks for it")
		}
	}
}

// openings checks what may be opened.
func (m *builder) openings() {
	s := m.s
	s.OpenPortsAny = s.PermitClientPorts
	if m.has("OPEN_PORTS") {
		return
	}
	external := m.has("EXTERNAL_CMD_OPEN") || m.has("CMD_CYCLE_OPEN") || s.ExternalEnabled ||
		m.ld.server.FirewallType == commandsOnly && m.ld.server.ExternalEnabled
	switch {
	case s.Mode == ModeShared:
		m.missing("OPEN_PORTS", "is missing, SHARED_SEQUENCE needs it")
	case s.Mode == ModeEncrypted: // the manual: optional, the sequence names the port
	case m.s.Dialect == C26 || external:
		s.OpenPortsAny = true
	case !s.PermitClientPorts:
		m.missing("OPEN_PORTS", "is missing, and there is neither PERMIT_CLIENT_PORTS nor an external command")
	}
}

// grantPrefix checks GRANT_PREFIX against MAX_GRANT_PREFIX.
func (m *builder) grantPrefix() {
	s, widest := m.s, m.ld.server.MaxGrantPrefix
	switch {
	case !m.has("GRANT_PREFIX") || s.GrantPrefix.Within(widest):
	case widest.IsZero():
		m.invalid("GRANT_PREFIX", "GRANT_PREFIX", "%s needs MAX_GRANT_PREFIX %s in fwknop.conf, which allows single addresses alone", s.GrantPrefix, s.GrantPrefix)
	default:
		m.invalid("GRANT_PREFIX", "GRANT_PREFIX", "%s is wider than MAX_GRANT_PREFIX %s of fwknop.conf", s.GrantPrefix, widest)
	}
	if m.has("GRANT_PREFIX") && s.GrantPrefix.IsZero() && !m.b.broken {
		m.warn("GRANT_PREFIX", "has no effect: it is the length of an address")
	}
}

// grantAddress checks GRANT_ADDRESS against the kind of stanza.
func (m *builder) grantAddress() {
	s := m.s
	switch {
	case !s.GrantsPacket():
	case s.Mode == ModeShared:
		m.warn("GRANT_ADDRESS", "has no effect: a sequence in clear holds no address")
	case s.GrantAddress == AddressBoth && (m.has("EXTERNAL_CMD_OPEN") || m.has("CMD_CYCLE_OPEN") || s.ExternalEnabled || m.ld.server.FirewallType == commandsOnly):
		m.invalid("GRANT_ADDRESS", "GRANT_ADDRESS", "both is for rules of the firewall, a command is run for one address: CMD_CYCLE_OPEN has the other one in $PKT_SRC")
	}
}

// timeouts checks how long a grant lasts.
func (m *builder) timeouts() {
	s := m.s
	if m.has("FW_ACCESS_TIMEOUT") && s.AccessTimeout == 0 {
		if m.s.Dialect == C26 {
			s.AccessTimeout = 30 * time.Second
			m.warn("FW_ACCESS_TIMEOUT", "0 means the default of 30 seconds in 2.6 files")
		} else {
			m.warn("FW_ACCESS_TIMEOUT", "0 opens for ever")
		}
	}
	if s.MaxAccessTimeout == 0 {
		s.MaxAccessTimeout = 300 * time.Second
		m.warn("MAX_FW_TIMEOUT", "0 means 300 seconds")
	}
	if s.CloseConnections && m.ld.server.ConntrackPersist {
		m.warn("CLOSE_CONNECTIONS", "wins over ENABLE_CONNTRACK_PERSIST: grants of this stanza are not kept open for a connection")
	}
	if s.CloseConnections && s.DisableAccess {
		m.warn("CLOSE_CONNECTIONS", "has no effect with DISABLE_FW_ACCESS")
	}
	if m.has("MAX_FW_TIMEOUT") && s.MaxAccessTimeout < s.AccessTimeout {
		m.warn("MAX_FW_TIMEOUT", "is below FW_ACCESS_TIMEOUT and holds only for what clients ask for")
	}
}

// nat checks what leads to other hosts.
func (m *builder) nat() {
	s, server := m.s, m.ld.server
	if s.ForwardAccess && !server.Forwarding {
		m.invalid("ENABLE_FORWARD_ACCESS", "ENABLE_FORWARD_ACCESS", "needs ENABLE_IPT_FORWARDING Y in fwknop.conf")
	}
	if s.OutputAccess && !server.Output {
		m.warn("ENABLE_OUTPUT_ACCESS", "has no effect without ENABLE_IPT_OUTPUT Y in fwknop.conf")
	}
	for _, k := range []string{"FORCE_NAT", "FORWARD_ALL", "FORCE_SNAT", "FORCE_MASQUERADE"} {
		if m.has(k) && (Find(AccessFile, k).Kind != Flag || m.v.flag(k)) {
			m.forced(k)
		}
	}
	if s.ForceSNAT.IsValid() && s.ForceMasquerade {
		m.invalid("FORCE_MASQUERADE", "FORCE_MASQUERADE", "does not go with FORCE_SNAT")
	}
}

// forced checks a keyword that translates every grant.
func (m *builder) forced(k string) {
	server := m.ld.server
	if !server.Forwarding && !server.LocalNAT {
		m.invalid(k, k, "needs ENABLE_IPT_FORWARDING Y or ENABLE_IPT_LOCAL_NAT Y in fwknop.conf")
	}
	if strings.HasPrefix(k, "FORCE_") && k != "FORCE_NAT" && !m.has("FORCE_NAT") && !m.s.ForwardAll {
		m.invalid(k, k, "needs FORCE_NAT or FORWARD_ALL")
	}
}

// requirements checks who may ask and until when.
func (m *builder) requirements() {
	s, v := m.s, m.v
	if m.has("REQUIRE_SOURCE_ADDRESS") {
		if yes, err := parseFlag(v.lookup("REQUIRE_SOURCE_ADDRESS").Text); err == nil && !yes {
			m.warn("REQUIRE_SOURCE_ADDRESS", "a message without the address to open opens for the source of the packet: an attacker on the path can send it from another one")
		}
	}
	m.unusableAddresses()
	m.unusablePorts()
	m.unusableTimes()
	for _, p := range s.Source.Include {
		if p.Bits() == p.Addr().BitLen() && p.Addr().IsUnspecified() {
			m.warn("SOURCE", "%s is one address that no client has; write ANY for all", p.Addr())
		}
	}
	m.authMethod()
	for _, k := range []string{"ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH"} {
		if m.has(k) {
			m.expires(v.meaning(k))
		}
	}
	if m.has("ACCESS_USES") && !m.has("NAME") {
		m.invalid("ACCESS_USES", "NAME", "is missing, ACCESS_USES counts by it")
	}
}

// expires ends the stanza at a time, or earlier if another keyword says so.
func (m *builder) expires(value any) {
	var t time.Time
	switch value := value.(type) {
	case int64:
		t = time.Unix(value, 0).UTC()
	case time.Time:
		if t = value; m.ld.Location != nil {
			t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, m.ld.Location)
		}
	}
	if m.s.Expires.IsZero() || t.Before(m.s.Expires) {
		m.s.Expires = t
	}
}

// commands checks what the stanza may run.
func (m *builder) commands() {
	s := m.s
	m.needs([]need{{"EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE", ""}, {"EXTERNAL_CMD_CLOSE", "EXTERNAL_CMD_OPEN", ""}})
	if m.has("EXTERNAL_CMD_OPEN") || s.ExternalEnabled || m.ld.server.FirewallType == commandsOnly {
		m.external()
	}
	m.needs([]need{
		{"CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE", " (NONE for no command)"},
		{"CMD_CYCLE_CLOSE", "CMD_CYCLE_OPEN", ""},
		{"CMD_CYCLE_CLOSE", "CMD_CYCLE_TIMER", ""},
		{"CMD_CYCLE_TIMER", "CMD_CYCLE_OPEN", ""},
	})
	if s.CycleClose == "NONE" {
		s.CycleClose = ""
	}
	if s.CloseConnections && s.Mode == ModeSPA && (s.ExternalOpen != "" || s.CycleOpen != "") {
		m.warn("CLOSE_CONNECTIONS", "has no effect: the stanza opens by commands, and what they let in is not known")
		s.CloseConnections = false
	}
	if !m.has("EXTERNAL_CMD_SHELL") {
		s.ExternalShell = m.ld.server.ExternalShell
	} else if s.ExternalOpen == "" && s.CycleOpen == "" {
		m.warn("EXTERNAL_CMD_SHELL", "has no effect without EXTERNAL_CMD_OPEN or CMD_CYCLE_OPEN")
	}
}

// external takes the EXTERNAL_CMD pair of fwknop.conf if the stanza has none of its own, and
// has ENABLE_EXTERNAL_CMDS or commands are the only firewall there is.
func (m *builder) external() {
	s, server := m.s, m.ld.server
	only := server.FirewallType == commandsOnly && !m.has("CMD_CYCLE_OPEN")
	switch {
	case m.has("EXTERNAL_CMD_OPEN") && s.Mode != ModeSPA:
		m.warn("EXTERNAL_CMD_OPEN", "is for SPA; a knock sequence opens OPEN_PORTS in the firewall")
	case m.has("EXTERNAL_CMD_OPEN"), m.has("EXTERNAL_CMD_CLOSE"), s.Mode != ModeSPA, !s.ExternalEnabled && !only:
	case server.ExternalOpen == "":
		m.invalid("ENABLE_EXTERNAL_CMDS", "EXTERNAL_CMD_OPEN", "is missing here and in fwknop.conf")
	default:
		s.ExternalOpen, s.ExternalClose = server.ExternalOpen, server.ExternalClose
		if !m.has("EXTERNAL_CMD_ALARM") {
			s.ExternalTimeout = server.ExternalTimeout
		}
	}
}

// commandsOnly is the FIREWALL_TYPE of commands without a firewall.
const commandsOnly = "external_cmd"

// knock checks what is for knock sequences.
func (m *builder) knock() {
	s := m.s
	if s.Mode == ModeShared && m.has("REQUIRE_USERNAME") {
		m.invalid("REQUIRE_USERNAME", "REQUIRE_USERNAME", "a knock sequence in clear holds no user name: the stanza would never grant anything; leave it out")
	}
	if m.has("MAX_TIME_DIFF") {
		if s.MaxTimeDiff < s.MinTimeDiff {
			m.invalid("MAX_TIME_DIFF", "MAX_TIME_DIFF", "is below MIN_TIME_DIFF")
		} else if s.MaxTimeDiff == 0 {
			m.warn("MAX_TIME_DIFF", "0 can never be met")
		}
	}
	if s.RequireOSRegex != nil {
		s.RequireOSRegex = regexp.MustCompile("(?i:" + s.RequireOSRegex.String() + ")")
	}
}

// unusableAddresses warns of networks that contradict each other so that the stanza never grants.
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

// unusablePorts warns of ports that may be asked for and are never opened.
func (m *builder) unusablePorts() {
	s := m.s
	offered := func(p Port) bool { return !slices.Contains(s.RestrictPorts, p) }
	if s.Mode == ModeSPA && !s.PermitClientPorts && len(s.OpenPorts) > 0 && !slices.ContainsFunc(s.OpenPorts, offered) {
		m.warn("RESTRICT_PORTS", "has all of OPEN_PORTS: the stanza opens no port")
	}
}

// unusableTimes warns of gaps between knocks that no sequence can keep.
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
