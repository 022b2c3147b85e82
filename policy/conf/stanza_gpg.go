package conf

// usesGPG reports that the stanza means to use GnuPG: in 1.9 files every GPG_
// keyword with a key in it says so, in 2.6 files what belongs to our own key.
func (m *maker) usesGPG() bool {
	names := []string{"GPG_DECRYPT_ID", "GPG_DECRYPT_PW", "GPG_KEY_FILE"}
	if m.v.Generation == V1 {
		names = append(names, "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID", "GPG_HOME_DIR")
	}
	for _, n := range names {
		if m.has(n) {
			return true
		}
	}
	return m.v.Bool("GPG_ALLOW_NO_PW")
}

// gpg reads the OpenPGP side. A stanza that begins such a configuration must
// complete it: half of one would silently fall back to the symmetric key.
func (m *maker) gpg() {
	if !m.usesGPG() {
		for _, k := range []string{"GPG_PATH", "GPG_PREFIX", "GPG_NO_REQUIRE_PREFIX", "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID"} {
			if m.has(k) {
				m.warn(k, "has no effect: the stanza has no key for GnuPG")
			}
		}
		return
	}
	v := m.v
	unsigned := v.Bool("GPG_DISABLE_SIG") || !v.Bool("GPG_REQUIRE_SIG")
	if !m.has("GPG_REMOTE_ID") && !m.has("GPG_FINGERPRINT_ID") && !unsigned {
		m.lacks("GPG_REMOTE_ID", "is missing: signatures are required, but of whom")
	}
	if !m.has("GPG_DECRYPT_ID") && !m.has("GPG_KEY_FILE") {
		m.lacks("GPG_DECRYPT_ID", "is missing, GnuPG needs a key to decrypt with")
	}
	if !m.has("GPG_DECRYPT_PW") && !v.Bool("GPG_ALLOW_NO_PW") && !m.has("GPG_AGENT_INFO") {
		m.lacks("GPG_DECRYPT_PW", "is missing; a key without one needs GPG_ALLOW_NO_PW")
	}
	if unsigned {
		m.warn(m.which("GPG_DISABLE_SIG", "GPG_REQUIRE_SIG"), "whoever has the server's public key may ask")
	}
	m.s.GPG = &GPG{
		HomeDir: m.orServer("GPG_HOME_DIR", "GPG_DEFAULT_HOME_DIR"), Exe: m.orServer("GPG_PATH", "gpgCmd"),
		KeyFiles:     v.List("GPG_KEY_FILE"),
		UseOptions:   v.Bool("GPG_USE_OPTIONS") && !v.Bool("GPG_NO_OPTIONS"),
		DecryptIDs:   v.List("GPG_DECRYPT_ID"),
		DecryptPW:    v.Lookup("GPG_DECRYPT_PW").key,
		AllowNoPW:    v.Bool("GPG_ALLOW_NO_PW"),
		Prefix:       v.Path("GPG_PREFIX"),
		RemoteIDs:    v.List("GPG_REMOTE_ID"),
		Fingerprints: v.List("GPG_FINGERPRINT_ID"),
		DisableSig:   unsigned,
		IgnoreSigErr: v.Bool("GPG_IGNORE_SIG_VERIFY_ERROR"),
		AllowNoMDC:   v.Bool("GPG_ALLOW_NO_MDC"),
		AllowWeak:    v.Bool("GPG_ALLOW_WEAK_SIG"),
		CheckTrust:   v.Generation != V1,
	}
	if m.ld.GPGOptions != 0 {
		m.s.GPG.UseOptions = m.ld.GPGOptions > 0
	}
	if h := m.ld.Host; h != nil && !m.has("GPG_HOME_DIR") && !m.has("GPG_KEY_FILE") {
		if err := h.Dir(m.s.GPG.HomeDir); err != nil {
			m.ld.warnf(m.b.pos, "GPG_HOME_DIR", "is not set, and %s is not there", m.s.GPG.HomeDir)
		}
	}
	if v.Bool("GPG_NO_REQUIRE_PREFIX") {
		m.s.GPG.Prefix = ""
	}
}

// orServer is the stanza's value, else the one of fwknop.conf.
func (m *maker) orServer(name, server string) string {
	if m.has(name) || m.ld.server == nil {
		return m.v.Path(name)
	}
	return m.ld.server.Path(server)
}
