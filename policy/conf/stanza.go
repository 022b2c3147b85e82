package conf

import (
	"bytes"
	"strings"
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
