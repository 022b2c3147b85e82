package conf

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// minKey is the manual's shortest key, in characters.
const minKey = 8

// stanza gives a block its types and finds what single lines cannot show.
func (ld *accessLoader) stanza(b *block, number int) Stanza {
	v := b.values
	s := Stanza{Pos: b.pos, Number: number, Values: v, Source: v.Nets("SOURCE"), Destination: v.Nets("DESTINATION"),
		Interface: v.Path("RESTRICT_INTF"), Shadow: v.Bool("SHADOW"), Usernames: v.List("REQUIRE_USERNAME")}
	m := &maker{ld: ld, b: b, v: v, s: &s}
	m.mode()
	m.keys()
	m.gpg()
	m.openings()
	m.timeouts()
	m.nat()
	m.requirements()
	m.commands()
	m.knock()
	s.Vars = v.vars()
	for _, val := range v.each("EXPECT") {
		if val.IsSet() {
			e := val.exp
			e.Pos, e.Stanza = val.Pos, number
			s.Expectations = append(s.Expectations, e)
		}
	}
	return s
}

// A maker fills one stanza.
type maker struct {
	ld *accessLoader
	b  *block
	v  *Values
	s  *Stanza
}

// has reports that the stanza gives the keyword a value, right or wrong.
func (m *maker) has(name string) bool {
	val := m.v.Lookup(name)
	return val.IsSet() && (val.Text != "" || val.Keyword.Kind == Flag)
}

// lacks reports a fault of the whole stanza: keyword is missing.
func (m *maker) lacks(keyword, format string, args ...any) {
	m.ld.errorf(m.b.pos, keyword, format, args...)
	m.b.broken = true
}

// wrong reports a fault at the place of a keyword, under the name of another one.
func (m *maker) wrong(at, keyword, format string, args ...any) {
	m.ld.errorf(m.pos(at), keyword, format, args...)
	m.b.broken = true
}

func (m *maker) warn(at, format string, args ...any) {
	m.ld.warnf(m.pos(at), m.v.Lookup(at).Name, format, args...)
}

func (m *maker) pos(keyword string) Pos {
	if val := m.v.Lookup(keyword); val.IsSet() {
		return val.Pos
	}
	return m.b.pos
}

// mode finds which evaluation the stanza takes part in.
func (m *maker) mode() {
	words := map[string]string{} // mode -> keyword that asks for it
	if m.has("DATA_COLLECT_MODE") {
		words[first(m.v.List("DATA_COLLECT_MODE"))] = "DATA_COLLECT_MODE"
	}
	for _, k := range []string{"PCAP", "FILE_PCAP", "ULOG_PCAP", "ENCRYPT_SEQUENCE"} {
		if m.has(k) && m.v.Bool(k) {
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
				m.wrong(k, k, "does not go with another mode in the same stanza")
				break
			}
		}
	}
	if !m.has("DATA_COLLECT_MODE") { // for the dump
		k := Find(AccessFile, "DATA_COLLECT_MODE")
		m.v.set[k.Name] = &Value{Keyword: k, Name: k.Name, Text: m.s.Collect}
	}
	switch m.s.Collect {
	case "ENCRYPT_SEQUENCE":
		m.s.Mode = ModeEncrypted
	case "SHARED_SEQUENCE":
		m.s.Mode = ModeShared
		if !m.has("SHARED_SEQUENCE") {
			m.wrong("DATA_COLLECT_MODE", "SHARED_SEQUENCE", "is missing, DATA_COLLECT_MODE asks for it")
		}
	}
}

// keys reads the symmetric keys.
func (m *maker) keys() {
	s, v := m.s, m.v
	s.Key, s.HMACKey = m.key("KEY", "KEY_BASE64"), m.key("HMAC_KEY", "HMAC_KEY_BASE64")
	s.KeyLegacyPad = v.Generation == V1
	s.EncryptionMode = strings.ToLower(first(v.List("ENCRYPTION_MODE")))
	if !s.HMACKey.IsZero() {
		s.HMACType = first(v.List("HMAC_DIGEST_TYPE"))
		if bytes.Equal(s.Key.Bytes(), s.HMACKey.Bytes()) {
			at := m.which("HMAC_KEY", "HMAC_KEY_BASE64")
			m.wrong(at, at, "is the same key as KEY")
		}
	} else if m.has("HMAC_DIGEST_TYPE") && !m.b.broken {
		m.warn("HMAC_DIGEST_TYPE", "has no effect without HMAC_KEY")
	}
	if s.EncryptionMode == "legacy" && len(s.Key.Bytes()) > 16 {
		m.warn(m.which("KEY", "KEY_BASE64"), "is cut to 16 bytes by ENCRYPTION_MODE legacy")
	}
	if s.Mode != ModeShared && !m.has("KEY") && !m.has("KEY_BASE64") && !m.usesGPG() {
		m.lacks("KEY", "is missing, and there is no complete GnuPG configuration either")
	} else if s.Mode == ModeEncrypted && !m.has("KEY") && !m.has("KEY_BASE64") {
		m.lacks("KEY", "is missing, ENCRYPT_SEQUENCE needs it")
	}
}

// key reads a key given as text or in base64.
func (m *maker) key(text, base64 string) Secret {
	if m.has(text) && m.has(base64) {
		m.wrong(base64, base64, "does not go with %s in the same stanza", text)
	}
	if val := m.v.Lookup(base64); val.IsSet() && !val.key.IsZero() {
		if n := len(val.key.Bytes()); n < minKey {
			m.short(val, n, base64 == "HMAC_KEY_BASE64")
		}
		return val.key
	}
	val := m.v.Lookup(text)
	if n := len(val.key.Bytes()); n > 0 && n < minKey {
		m.short(val, n, false)
	}
	return val.key
}

// short refuses a short key. Codes are made with any key by the 2.6 clients, so a
// short random one is only worth a warning.
func (m *maker) short(val *Value, n int, allowed bool) {
	if allowed {
		m.ld.warnf(val.Pos, val.Name, "%d bytes are a short key, take at least %d", n, minKey)
		return
	}
	m.ld.errorf(val.Pos, val.Name, "shorter than %d characters", minKey)
	m.b.broken = true
}

// which is the first of the keywords that is given.
func (m *maker) which(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return names[0]
}

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
	s.PermitClientTimeout = v.Bool("PERMIT_CLIENT_TIMEOUT") || v.Generation == V2
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

// vars are the keywords for $KEYWORD in external commands.
func (v *Values) vars() map[string]string {
	vars := make(map[string]string)
	for name, val := range v.set {
		if !val.Keyword.Secret() && val.IsSet() {
			vars[name] = val.Text
			vars[val.Name] = val.Text
		}
	}
	return vars
}

// IsAny reports that the list is every address.
func (n *Nets) IsAny() bool {
	return len(n.Exclude) == 0 && n.Contains(netip.IPv4Unspecified()) && n.has(any4) && n.has(any6)
}

func (n *Nets) has(p netip.Prefix) bool {
	for _, i := range n.Include {
		if i == p {
			return true
		}
	}
	return false
}
