package conf

// Why a keyword of fwknop.conf has no effect beside the others, see [Keyword].

func withoutFleet(s *Server) string { return unless(!s.Fleet.IsZero(), "has no effect without FLEET") }

func withoutMembers(s *Server) string {
	return unless(s.Fleet.Embedded, "has no effect without FLEET embedded")
}

func withoutCluster(s *Server) string {
	return unless(len(s.Fleet.Servers) > 0, "has no effect without an outside cluster in FLEET")
}

// withoutFleetName: it names the consumer group of Kafka too.
func withoutFleetName(s *Server) string {
	return unless(!s.Fleet.IsZero() || s.ReadsKafka(), "has no effect without FLEET")
}

func withoutKafka(s *Server) string {
	return unless(s.ReadsKafka(), "has no effect without INGEST KAFKA")
}

// Why one of access.conf has none.

func withoutGPG(s *Stanza) string {
	return unless(s.GPG != nil, "has no effect: the stanza has no key for GnuPG")
}

func withoutCommands(s *Stanza) string {
	return unless(s.CmdExec, "has no effect without ENABLE_CMD_EXEC")
}

func withoutCrypt(s *Stanza) string {
	return unless(s.AuthMethod == AuthCrypt, "has no effect without REQUIRE_AUTH_METHOD crypt")
}

func withoutTOTP(s *Stanza) string {
	return unless(s.AuthMethod == AuthTOTP, "has no effect without REQUIRE_AUTH_METHOD totp")
}

func withoutAccess(s *Stanza) string {
	return unless(!s.DisableAccess, "has no effect with DISABLE_FW_ACCESS")
}

func withoutSequence(s *Stanza) string {
	return unless(s.Mode != ModeSPA, "is for knock sequences and has no effect in this stanza")
}

// unless returns why, unless ok.
func unless(ok bool, why string) string {
	if ok {
		return ""
	}
	return why
}
