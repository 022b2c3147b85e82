package policy

// Texts of [Detail] that distinguish refusals with the same reason, where 1.9 or 2.6 had
// different log lines.
const (
	// SPANAT.
	TextNATDNS        = "the target is a host name, and ENABLE_NAT_DNS is off"
	TextNATTarget     = "the target is not in INTERNAL_NET_ACCESS"
	TextForwardingOff = "ENABLE_IPT_FORWARDING is off"
	TextForwardOff    = "ENABLE_FORWARD_ACCESS of the stanza is off"
	TextForwardOnly   = "ENABLE_FORWARD_ACCESS: the stanza serves NAT requests only"
	// SPAPort.
	TextNoAccess = "DISABLE_FW_ACCESS: the stanza opens nothing"
	// SPASource.
	TextSourceBlacklist = "the source is in BLACKLIST"
	TextBlacklist       = "the address is in BLACKLIST" // the one in the message
	// SPACmdDisabled.
	TextCmdOff = "ENABLE_CMD_EXEC is off"
	// SPAAuthMethod.
	TextNoPassword = "the message brings no password"
	TextPassword   = "wrong password"
	// SPAAuthMethod, of one-time codes.
	textNoCode        = "the message brings no one-time code"
	textCode          = "wrong one-time code"
	textCodeUsed      = "the one-time code was used before"
	textCodeForgotten = "the one-time code is from before the records that are kept, so that it may have been used"
	textCodes         = "too many wrong one-time codes"
)

// Reason codes. They are a contract with scripts and never renamed; new ones may
// be added. cmd/fwknopd/report/remedy.go has what each means.
const (
	SPAGranted        Reason = "spa.granted"
	SPACommand        Reason = "spa.command"
	SPAHMACMismatch   Reason = "spa.hmac_mismatch"
	SPADecryptFailed  Reason = "spa.decrypt_failed"
	SPADigestMismatch Reason = "spa.digest_mismatch"
	SPAMalformed      Reason = "spa.malformed"
	SPAStale          Reason = "spa.stale"
	SPAFuture         Reason = "spa.future"
	SPAReplay         Reason = "spa.replay"
	SPAUser           Reason = "spa.user"
	SPASource         Reason = "spa.source"
	SPAPort           Reason = "spa.port"
	SPACmdDisabled    Reason = "spa.cmd_disabled"
	SPACmdRegex       Reason = "spa.cmd_regex"
	SPAGPGSigner      Reason = "spa.gpg_signer"
	SPAAuthMethod     Reason = "spa.auth_method"
	SPANAT            Reason = "spa.nat"
	SPAExpiredStanza  Reason = "spa.expired_stanza"
	SPARateLimited    Reason = "spa.rate_limited"
	SPATimeout        Reason = "spa.timeout" // the client may not choose a timeout
	SPACut            Reason = "spa.cut"     // the capture holds only a part of the packet
	SPAStore          Reason = "spa.store"   // the digest could not be recorded
	SPAWindow         Reason = "spa.window"  // outside ACCESS_WINDOW
	SPAUses           Reason = "spa.uses"    // ACCESS_USES are used up
	SPAFleet          Reason = "spa.fleet"   // it could not be claimed from the fleet

	KnockGranted       Reason = "knock.granted"
	KnockWrongPort     Reason = "knock.wrong_port"
	KnockTimeout       Reason = "knock.timeout"
	KnockTooFast       Reason = "knock.too_fast"
	KnockTooSlow       Reason = "knock.too_slow"
	KnockLimit         Reason = "knock.limit"
	KnockDecryptFailed Reason = "knock.decrypt_failed"
	KnockChecksum      Reason = "knock.checksum"
	KnockUser          Reason = "knock.user"
	KnockOS            Reason = "knock.os"
	KnockSource        Reason = "knock.source"
	KnockPort          Reason = "knock.port"
	KnockReplay        Reason = "knock.replay"
	KnockStore         Reason = "knock.store" // the cipher text could not be recorded
	KnockForgedLine    Reason = "knock.forged_line"
	KnockWindow        Reason = "knock.window" // outside ACCESS_WINDOW
	KnockUses          Reason = "knock.uses"   // ACCESS_USES are used up
	KnockFleet         Reason = "knock.fleet"  // it cannot be claimed from the fleet

	// Of messages that another gateway has announced; they have those of SPA too.
	FleetHolder  Reason = "fleet.holder"  // the gateway that announced it has no claim on it
	FleetEnded   Reason = "fleet.ended"   // its grant is over
	FleetAddress Reason = "fleet.address" // it does not hold the address that it opens, or is for an interface
	FleetCommand Reason = "fleet.command" // it would run a command

	NoStanza Reason = "no_stanza"
)
