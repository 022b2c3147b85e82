package conf

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// minKey is the manual's shortest key, in characters.
const minKey = 8

// keys reads the symmetric keys.
func (m *maker) keys() {
	s, v := m.s, m.v
	s.Key, s.HMACKey = m.key("KEY", "KEY_BASE64"), m.key("HMAC_KEY", "HMAC_KEY_BASE64")
	s.KeyLegacyPad = v.Generation == V1
	s.EncryptionMode = strings.ToLower(first(v.List("ENCRYPTION_MODE")))
	if !s.HMACKey.IsZero() {
		s.HMACType = first(v.List("HMAC_DIGEST_TYPE"))
		m.differ()
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

// differ wants the HMAC key to be another secret than those that decrypt, as the 2.6
// daemon does. The same key written in base64 is another key to it, but no secret to
// those who have the first.
func (m *maker) differ() {
	at, key := m.which("HMAC_KEY", "HMAC_KEY_BASE64"), m.s.HMACKey.Bytes()
	for _, other := range []struct {
		name string
		key  Secret
	}{{"KEY", m.s.Key}, {"GPG_DECRYPT_PW", m.v.Lookup("GPG_DECRYPT_PW").key}} {
		switch {
		case other.key.IsZero():
		case bytes.Equal(key, other.key.Bytes()):
			m.wrong(at, at, "is the same key as %s", other.name)
		case isBase64Of(key, other.key.Bytes()) || isBase64Of(other.key.Bytes(), key):
			m.warn(at, "is %s in another spelling: take a key of its own", other.name)
		}
	}
}

// isBase64Of reports that text is key in base64.
func isBase64Of(text, key []byte) bool {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(text), "="))
	return err == nil && bytes.Equal(b, key)
}

// key reads a key given as text or in base64.
func (m *maker) key(text, base64 string) Secret {
	if m.has(text) && m.has(base64) {
		m.wrong(base64, base64, "does not go with %s in the same stanza", text)
	}
	val := m.v.Lookup(base64)
	if !val.IsSet() || val.key.IsZero() {
		val = m.v.Lookup(text)
	}
	if n := len(val.key.Bytes()); n > 0 && n < minKey {
		m.short(val, n)
	}
	return val.key
}

// short judges a key below minKey: the manual of 1.9 forbids it, the 2.6 daemon runs
// with it.
func (m *maker) short(val *Value, n int) {
	if m.v.Generation == V1 {
		m.ld.errorf(val.Pos, val.Name, "shorter than %d characters", minKey)
		m.b.broken = true
		return
	}
	name := "KEY_BASE64"
	if strings.HasPrefix(val.Name, "HMAC") {
		name = "HMAC_KEY_BASE64"
	}
	m.ld.warnf(val.Pos, val.Name, "a key of %s can be guessed from one recorded packet: put the %s line of `fwknopd --key-gen` here and at the client",
		Count(n, "byte"), name)
}
