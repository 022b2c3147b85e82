package conf

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

// keys checks the symmetric keys.
func (m *builder) keys() {
	s := m.s
	m.checkKey(s.Key, "KEY", "KEY_BASE64")
	m.checkKey(s.HMACKey, "HMAC_KEY", "HMAC_KEY_BASE64")
	s.EncryptionMode = strings.ToLower(s.EncryptionMode)
	if !s.HMACKey.IsZero() {
		m.checkDistinct()
	} else {
		if m.has("HMAC_DIGEST_TYPE") && !m.b.broken {
			m.warn("HMAC_DIGEST_TYPE", "has no effect without HMAC_KEY")
		}
		s.HMACType = ""
	}
	if s.EncryptionMode == "legacy" && len(s.Key.Bytes()) > 16 {
		m.warn(m.which("KEY", "KEY_BASE64"), "is cut to 16 bytes by ENCRYPTION_MODE legacy")
	}
	if s.Mode != ModeShared && !m.has("KEY") && !m.has("KEY_BASE64") && !m.usesGPG() {
		m.missing("KEY", "is missing, and there is no complete GnuPG configuration either")
	} else if s.Mode == ModeEncrypted && !m.has("KEY") && !m.has("KEY_BASE64") {
		m.missing("KEY", "is missing, ENCRYPT_SEQUENCE needs it")
	}
}

// checkKey checks a key that is given as text or in base64.
func (m *builder) checkKey(key Secret, text, base64 string) {
	if m.has(text) && m.has(base64) {
		m.invalid(base64, base64, "does not go with %s in the same stanza", text)
	}
	val := m.v.lookup(base64)
	if !val.IsSet() || val.Text == refused {
		val = m.v.lookup(text)
	}
	if n := len(key.Bytes()); n > 0 && n < minKey {
		m.shortKey(val, n)
	}
}

// minKey is the manual's shortest key, in characters.
const minKey = 8

// shortKey reports a key below minKey: the manual of 1.9 forbids it, the 2.6 daemon
// runs with it.
func (m *builder) shortKey(val *Value, n int) {
	if m.s.Dialect == Perl19 {
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

// checkDistinct requires the HMAC key to be another secret than those that decrypt, as
// the 2.6 daemon does. To it the same key in base64 is another key; to those who have
// the first it is no secret.
func (m *builder) checkDistinct() {
	key := m.s.HMACKey.Bytes()
	for _, other := range []struct {
		name string
		key  Secret
	}{{"KEY", m.s.Key}, {"GPG_DECRYPT_PW", m.s.GPG.DecryptPW}} {
		switch {
		case other.key.IsZero():
		case bytes.Equal(key, other.key.Bytes()):
			at := m.which("HMAC_KEY", "HMAC_KEY_BASE64")
			m.invalid(at, at, "is the same key as %s", other.name)
		case isBase64Of(key, other.key.Bytes()) || isBase64Of(other.key.Bytes(), key):
			m.warn(m.which("HMAC_KEY", "HMAC_KEY_BASE64"), "is %s in another spelling: take a key of its own", other.name)
		}
	}
}

// isBase64Of reports that text is key in base64.
func isBase64Of(text, key []byte) bool {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(text), "="))
	return err == nil && bytes.Equal(b, key)
}

// gpg checks the OpenPGP side. A stanza that begins such a configuration must
// complete it: half of one would silently fall back to the symmetric key.
func (m *builder) gpg() {
	v, g := m.v, m.s.GPG
	g.DisableSig = g.DisableSig || !v.flag("GPG_REQUIRE_SIG")
	m.gpgKeys()
	if !m.has("GPG_HOME_DIR") {
		g.HomeDir = m.ld.server.GPGHomeDir
	}
	if !m.has("GPG_PATH") {
		g.Exe = m.ld.server.GPGExe
	}
	g.UseOptions = g.UseOptions && !v.flag("GPG_NO_OPTIONS")
	if m.ld.GPGOptions != 0 {
		g.UseOptions = m.ld.GPGOptions > 0
	}
	g.CheckTrust = m.s.Dialect != Perl19
	if h := m.ld.Host; h != nil && !m.has("GPG_HOME_DIR") && !m.has("GPG_KEY_FILE") {
		if err := h.Dir(g.HomeDir); err != nil {
			m.ld.warnf(m.b.Pos, "GPG_HOME_DIR", "is not set, and %s is not there", g.HomeDir)
		}
	}
	if v.flag("GPG_NO_REQUIRE_PREFIX") {
		g.Prefix = ""
	}
}

// gpgKeys checks that there are keys to decrypt with and keys that sign.
func (m *builder) gpgKeys() {
	g := m.s.GPG
	if !m.has("GPG_REMOTE_ID") && !m.has("GPG_FINGERPRINT_ID") && !g.DisableSig {
		m.missing("GPG_REMOTE_ID", "is missing: signatures are required, but of whom")
	}
	if !m.has("GPG_DECRYPT_ID") && !m.has("GPG_KEY_FILE") {
		m.missing("GPG_DECRYPT_ID", "is missing, GnuPG needs a key to decrypt with")
	}
	if !m.has("GPG_DECRYPT_PW") && !g.AllowNoPW && !m.has("GPG_AGENT_INFO") {
		m.missing("GPG_DECRYPT_PW", "is missing; a key without one needs GPG_ALLOW_NO_PW")
	}
	if g.DisableSig {
		m.warn(m.which("GPG_DISABLE_SIG", "GPG_REQUIRE_SIG"), "anyone who has the server's public key may ask")
	}
}

// usesGPG reports that the stanza is meant to use GnuPG: in 1.9 files every GPG_
// keyword with a key in it shows that, in 2.6 files those for the key of the server.
func (m *builder) usesGPG() bool {
	names := []string{"GPG_DECRYPT_ID", "GPG_DECRYPT_PW", "GPG_KEY_FILE"}
	if m.s.Dialect == Perl19 {
		names = append(names, "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID", "GPG_HOME_DIR")
	}
	return slices.ContainsFunc(names, m.has) || m.s.GPG.AllowNoPW
}

// Values of REQUIRE_AUTH_METHOD.
const (
	AuthCrypt = "crypt"
	AuthTOTP  = "totp"
)

// minTOTPSecret is the least length of a secret by RFC 4226, in bytes.
const minTOTPSecret = 16

// authMethod checks what a message must hold beside its keys.
func (m *builder) authMethod() {
	s := m.s
	if s.AuthMethod != AuthCrypt {
		s.ShadowFile = ""
	}
	if s.Mode != ModeSPA && s.AuthMethod != "" {
		m.invalid("REQUIRE_AUTH_METHOD", "REQUIRE_AUTH_METHOD", "is for SPA: a knock sequence holds neither password nor code")
		return
	}
	if s.AuthMethod != AuthTOTP {
		s.TOTPSecret = Secret{}
		return
	}
	secret := s.TOTPSecret.Bytes()
	switch {
	case !m.has("TOTP_SECRET"):
		m.invalid("REQUIRE_AUTH_METHOD", "TOTP_SECRET", "is missing, REQUIRE_AUTH_METHOD totp needs it")
	case len(secret) == 0: // refused already
	case len(secret) < minTOTPSecret:
		m.invalid("TOTP_SECRET", "TOTP_SECRET", "has %s, which can be guessed from a few codes: take one of %d or more, 20 are usual",
			Count(len(secret), "byte"), minTOTPSecret)
	case bytes.Equal(secret, s.Key.Bytes()) || bytes.Equal(secret, s.HMACKey.Bytes()):
		m.invalid("TOTP_SECRET", "TOTP_SECRET", "is a key of the stanza: who has that has the codes too")
	}
}
