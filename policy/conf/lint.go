package conf

import (
	"slices"
	"strings"
	"time"
)

// Lint warns of what a configuration allows that its author may not have meant, each at
// the line that could change it. A loader accepts all of it.
func Lint(s *Server, v *Values, a *Access) Problems {
	var r report
	lintServer(&r, s, v)
	for i := range a.Stanzas {
		d := &linter{&r, &a.Stanzas[i], s}
		d.unfed()
		d.commands()
		d.authentication()
		d.gpg()
		d.openings()
	}
	return r.problems()
}

func lintServer(r *report, s *Server, v *Values) {
	warn := func(name, format string, args ...any) {
		val := v.lookup(name)
		r.warnf(val.Pos, val.Name, format, args...)
	}
	if !s.Aging {
		warn("ENABLE_SPA_PACKET_AGING", "a packet held back on its way is good for ever")
	} else if s.MaxAge > 10*time.Minute {
		warn("MAX_SPA_PACKET_AGE", "a packet held back on its way is good for %s", seconds(s.MaxAge))
	}
	if !s.DigestPersistence {
		warn("ENABLE_DIGEST_PERSISTENCE", "after a restart every packet of before may be replayed while it is young enough")
	}
	if s.XForwardedFor {
		warn("ENABLE_X_FORWARDED_FOR", "whoever can reach the web server can write any address into that header")
	}
	if s.KernelLogOnly {
		warn("KERNEL_LOG", "every line may knock that does not show a program's tag or facility; where rsyslog or syslog-ng writes the log, "+
			"any local user can write such lines (also to kern.log: logger -p kern.warn). Safe is a file that ulogd or a ruleset of imklog alone writes")
	}
}

// A linter checks one stanza.
type linter struct {
	r      *report
	s      *Stanza
	server *Server
}

// unfed warns of a stanza whose packets the daemon does not read.
func (d *linter) unfed() {
	keyword := map[Mode]string{ModeSPA: "SOURCE", ModeShared: "SHARED_SEQUENCE", ModeEncrypted: "ENCRYPT_SEQUENCE"}[d.s.Mode]
	if why := d.server.Unfed(d.s.Mode); why != "" {
		d.warn(keyword, "%s", why)
	}
}

func (d *linter) commands() {
	s := d.s
	if !s.CmdExec {
		return
	}
	user := s.CmdUser
	if user == "" {
		user = "root"
	}
	switch {
	case s.CmdRegex == nil:
		d.warn("ENABLE_CMD_EXEC", "any command may be run as %s: set CMD_REGEX", user)
	case !strings.HasPrefix(s.CmdRegex.String(), "^") || !strings.HasSuffix(s.CmdRegex.String(), "$"):
		d.warn("CMD_REGEX", "matches anywhere in the message: begin it with ^ and end it with $")
	}
	if s.CmdShell {
		d.warn("CMD_SHELL", "a shell reads ; | $() and the like in what the client sends")
	}
}

func (d *linter) authentication() {
	s := d.s
	switch s.Mode {
	case ModeShared:
		d.warn("SHARED_SEQUENCE", "goes over the network in clear: whoever sees it once can repeat it; use SPA with KEY and HMAC_KEY instead%s", d.forgeable())
		return
	case ModeEncrypted:
		d.warn("ENCRYPT_SEQUENCE", "has no message authentication code; SPA with KEY and HMAC_KEY is stronger")
		return
	}
	if !s.SourceAddress.IsZero() && !d.server.RequireSourceAddress && !s.Values.IsSet("REQUIRE_SOURCE_ADDRESS") {
		d.warn("REQUIRE_SOURCE_ADDRESS", "is off: a message need not hold the address to open, so whoever can catch and resend one first decides who gets in")
	}
	if !s.Key.IsZero() && s.HMACKey.IsZero() {
		d.warn("HMAC_KEY", "is not set: messages are not authenticated before they are decrypted")
	}
	if s.EncryptionMode == "ecb" {
		d.warn("ENCRYPTION_MODE", "ECB shows equal blocks")
	}
	if s.HMACType == "md5" || s.HMACType == "sha1" {
		d.warn("HMAC_DIGEST_TYPE", "%s is old, take sha256 or better", s.HMACType)
	}
}

// forgeable says that a sequence is fed by a log that programs can have lines written to.
func (d *linter) forgeable() string {
	if d.server.KernelLogOnly || !slices.Contains(d.server.AuthModes, "KNOCK") {
		return ""
	}
	return ". Where a syslog daemon writes the log, any local user can also forge it: logger -t kernel writes lines with the kernel's tag; " +
		"AUTH_MODE JOURNAL or NFLOG reads what only the kernel writes"
}

func (d *linter) gpg() {
	g := d.s.GPG
	if g == nil {
		return
	}
	for _, id := range g.RemoteIDs {
		switch {
		case id == "ANY":
			d.warn("GPG_REMOTE_ID", "every key in the key ring may sign")
		case len(id) < 16:
			d.warn("GPG_REMOTE_ID", "%s is a short id, which others can make too: write the fingerprint", id)
		}
	}
	if g.IgnoreSigErr {
		d.warn("GPG_IGNORE_SIG_VERIFY_ERROR", "a forged signature passes")
	}
	if g.AllowNoMDC {
		d.warn("GPG_ALLOW_NO_MDC", "messages can be changed on their way")
	}
	if g.AllowWeak {
		d.warn("GPG_ALLOW_WEAK_SIG", "signatures of that kind can be forged with effort")
	}
	if g.UseOptions {
		d.warn("GPG_USE_OPTIONS", "the options file of the home directory can weaken gpg")
	}
}

func (d *linter) openings() {
	s := d.s
	if s.OpenPortsAny && !s.DisableAccess && s.ExternalOpen == "" && s.CycleOpen == "" {
		d.warn("OPEN_PORTS", "is not set or PERMIT_CLIENT_PORTS is: the client may open any port")
	}
	if s.ForwardAll {
		d.warn("FORWARD_ALL", "forwards every port and protocol of the client")
	}
	if s.PermitClientTimeout && s.MaxAccessTimeout > 24*time.Hour && s.Mode == ModeSPA {
		d.warn("MAX_FW_TIMEOUT", "the client may ask for up to %s", seconds(s.MaxAccessTimeout))
	}
	if d.server.Forwarding && !s.DisableAccess && s.Mode == ModeSPA && s.InternalNets.IsZero() && !s.ForceNAT.IsValid() &&
		(s.ForwardAccess || s.Dialect != Perl19) {
		d.warn("INTERNAL_NET_ACCESS", "is not set: the client may ask for any host behind this one")
	}
}

// warn reports at the keyword if it is written, else at the stanza.
func (d *linter) warn(name, format string, args ...any) {
	val := d.s.Values.lookup(name)
	pos := val.Pos
	if !val.IsSet() {
		pos = d.s.Pos
	}
	d.r.warnf(pos, val.Name, format, args...)
}

// feeds are the values of AUTH_MODE and INGEST whose packets an evaluation reads.
var feeds = map[Mode][]string{
	ModeSPA:       {"PCAP", "FILE_PCAP", "ULOG_PCAP", "SOCKET", "UDP", "TCP", "NFLOG"},
	ModeShared:    {"KNOCK", "JOURNAL", "NFLOG"},
	ModeEncrypted: {"KNOCK", "JOURNAL", "NFLOG"},
}

// Feeds reports whether the daemon reads packets for stanzas of that mode. Other
// stanzas take no part in its decisions.
func (s *Server) Feeds(m Mode) bool {
	return slices.ContainsFunc(s.AuthModes, func(mode string) bool { return slices.Contains(feeds[m], mode) })
}

// Unfed is the reason why no stanza of that mode ever grants anything, "" if it can.
func (s *Server) Unfed(m Mode) string {
	if s.Feeds(m) {
		return ""
	}
	what := "SPA packets"
	if m != ModeSPA {
		what = "knocks"
	}
	return "AUTH_MODE " + strings.Join(s.AuthModes, ", ") + " reads no " + what + ": the stanza never grants anything; " +
		strings.Join(feeds[m], ", ") + " would"
}
