package conf

import "bytes"

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
		m.withoutEffect("has no effect without REQUIRE_AUTH_METHOD crypt", "SHADOW_FILE")
		s.ShadowFile = ""
	}
	if s.Mode != ModeSPA && s.AuthMethod != "" {
		m.invalid("REQUIRE_AUTH_METHOD", "REQUIRE_AUTH_METHOD", "is for SPA: a knock sequence holds neither password nor code")
		return
	}
	if s.AuthMethod != AuthTOTP {
		m.withoutEffect("has no effect without REQUIRE_AUTH_METHOD totp", "TOTP_SECRET")
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
