package conf

import (
	"strings"
	"time"
)

// openings reads what may be opened.
func (m *maker) openings() {
	s, v := m.s, m.v
	s.OpenPorts, s.RestrictPorts = v.Ports("OPEN_PORTS"), v.Ports("RESTRICT_PORTS")
	s.PermitClientPorts = v.Bool("PERMIT_CLIENT_PORTS")
	s.DisableAccess = v.Bool("DISABLE_FW_ACCESS")
	s.OpenPortsAny = s.PermitClientPorts
	if m.has("OPEN_PORTS") {
		return
	}
	external := m.has("EXTERNAL_CMD_OPEN") || m.has("CMD_CYCLE_OPEN") || v.Bool("ENABLE_EXTERNAL_CMDS") ||
		m.externalOnly() && m.serverFlag("ENABLE_EXTERNAL_CMDS")
	switch {
	case s.Mode == ModeShared:
		m.lacks("OPEN_PORTS", "is missing, SHARED_SEQUENCE needs it")
	case s.Mode == ModeEncrypted: // the manual: optional, the sequence names the port
	case v.Generation == V2 || external:
		s.OpenPortsAny = true
	case !s.PermitClientPorts:
		m.lacks("OPEN_PORTS", "is missing, and there is neither PERMIT_CLIENT_PORTS nor an external command")
	}
}

// timeouts reads how long a grant lasts.
func (m *maker) timeouts() {
	s, v := m.s, m.v
	s.PermitClientTimeout = v.Bool("PERMIT_CLIENT_TIMEOUT")
	s.AccessTimeout, s.MaxAccessTimeout = v.Duration("FW_ACCESS_TIMEOUT"), v.Duration("MAX_FW_TIMEOUT")
	if m.has("FW_ACCESS_TIMEOUT") && s.AccessTimeout == 0 {
		if v.Generation == V2 {
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
	if m.has("MAX_FW_TIMEOUT") && s.MaxAccessTimeout < s.AccessTimeout {
		m.warn("MAX_FW_TIMEOUT", "is below FW_ACCESS_TIMEOUT and holds only for what clients ask for")
	}
}

// nat reads what leads to other hosts.
func (m *maker) nat() {
	s, v := m.s, m.v
	forwarding := m.serverFlag("ENABLE_IPT_FORWARDING")
	s.ForwardAccess, s.ForwardAccessNeeded = v.Bool("ENABLE_FORWARD_ACCESS"), v.Generation == V1
	s.OutputAccess = v.Bool("ENABLE_OUTPUT_ACCESS")
	s.InternalNets = v.Nets("INTERNAL_NET_ACCESS")
	s.ForceNAT = v.Lookup("FORCE_NAT").addr
	s.ForwardAll, s.DisableDNAT = v.Bool("FORWARD_ALL"), v.Bool("DISABLE_DNAT")
	s.ForceSNAT, s.ForceMasquerade = v.Addr("FORCE_SNAT"), v.Bool("FORCE_MASQUERADE")
	if s.ForwardAccess && !forwarding {
		m.wrong("ENABLE_FORWARD_ACCESS", "ENABLE_FORWARD_ACCESS", "needs ENABLE_IPT_FORWARDING Y in fwknop.conf")
	}
	if s.OutputAccess && !m.serverFlag("ENABLE_IPT_OUTPUT") {
		m.warn("ENABLE_OUTPUT_ACCESS", "has no effect without ENABLE_IPT_OUTPUT Y in fwknop.conf")
	}
	for _, k := range []string{"FORCE_NAT", "FORWARD_ALL", "FORCE_SNAT", "FORCE_MASQUERADE"} {
		if !m.has(k) || m.v.Lookup(k).Keyword.Kind == Flag && !v.Bool(k) {
			continue
		}
		if !forwarding && !m.serverFlag("ENABLE_IPT_LOCAL_NAT") {
			m.wrong(k, k, "needs ENABLE_IPT_FORWARDING Y or ENABLE_IPT_LOCAL_NAT Y in fwknop.conf")
		}
		if strings.HasPrefix(k, "FORCE_") && k != "FORCE_NAT" && !m.has("FORCE_NAT") && !s.ForwardAll {
			m.wrong(k, k, "needs FORCE_NAT or FORWARD_ALL")
		}
	}
	if s.ForceSNAT.IsValid() && s.ForceMasquerade {
		m.wrong("FORCE_MASQUERADE", "FORCE_MASQUERADE", "does not go with FORCE_SNAT")
	}
}

func (m *maker) serverFlag(name string) bool { return m.ld.server != nil && m.ld.server.Bool(name) }

// requirements reads who may ask and until when.
func (m *maker) requirements() {
	s, v := m.s, m.v
	s.SourceAddress = v.Nets("REQUIRE_SOURCE_ADDRESS")
	if m.has("REQUIRE_SOURCE_ADDRESS") {
		if yes, err := parseFlag(v.Lookup("REQUIRE_SOURCE_ADDRESS").Text); err == nil && !yes {
			m.warn("REQUIRE_SOURCE_ADDRESS", "a message without the address to open is honoured for whoever sent the packet: somebody on the way can have it sent from elsewhere")
		}
	}
	if m.has("SOURCE") && len(s.Source.Include) == 0 && !m.b.broken {
		m.warn("SOURCE", "includes no address, the stanza is never used")
	}
	for _, p := range s.Source.Include {
		if p.Bits() == p.Addr().BitLen() && p.Addr().IsUnspecified() {
			m.warn("SOURCE", "%s is one address that no client has; write ANY for all", p.Addr())
		}
	}
	if s.AuthCrypt = m.has("REQUIRE_AUTH_METHOD"); s.AuthCrypt {
		s.ShadowFile = v.Path("SHADOW_FILE")
	}
	for _, k := range []string{"ACCESS_EXPIRE", "ACCESS_EXPIRE_EPOCH"} {
		if !m.has(k) {
			continue
		}
		t := v.Lookup(k).when
		if k == "ACCESS_EXPIRE" && m.ld.Location != nil {
			t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, m.ld.Location)
		}
		if s.Expires.IsZero() || t.Before(s.Expires) {
			s.Expires = t
		}
	}
}
