package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// Lint warns of what a configuration allows that its author may not have meant, each at
// the line that could change it; that a client may have packets forwarded to any host is an
// error. The daemon accepts all of it.
func Lint(s *conf.Server, v *conf.Values, a *conf.Access) conf.Problems {
	d := &linter{server: s, values: v}
	d.lintServer()
	d.guard(a)
	d.fleet(a)
	d.group(a)
	for i := range a.Stanzas {
		d.lintStanza(&a.Stanzas[i])
	}
	d.shadowed(a.Stanzas)
	return d.found.Bounded()
}

// lintBeside is Lint for a configuration with errors: it warns of what is certain in spite
// of them, also in the stanzas that are refused.
func lintBeside(errs conf.Problems, s *conf.Server, v *conf.Values, a *conf.Access) conf.Problems {
	wrong := make(map[conf.Pos]bool)
	for _, p := range errs {
		if p.Severity == conf.Error {
			wrong[p.Pos] = true
		}
	}
	d := &linter{server: s, values: v, wrong: wrong}
	for _, p := range errs {
		d.misspelled = d.misspelled || strings.HasPrefix(p.Text, "unknown keyword")
		d.unsure = d.unsure || p.Severity == conf.Error && p.Pos.Line == 0
	}
	for _, name := range []string{"AUTH_MODE", "INGEST", "REQUIRE_SOURCE_ADDRESS", "ENABLE_IPT_FORWARDING"} {
		at := v.Place(name)
		d.unsure = d.unsure || at.Set && wrong[at.Pos]
	}
	d.lintServer()
	for _, list := range [][]conf.Stanza{a.Stanzas, a.Refused} {
		for i := range list {
			d.lintStanza(&list[i])
		}
	}
	return d.found.Bounded()
}

func (d *linter) lintStanza(s *conf.Stanza) {
	d.s, d.values = s, s.Values
	if !d.unsure {
		d.unfed()
	}
	d.expiry()
	d.times()
	d.commands()
	d.authentication()
	d.gpg()
	d.clients()
	d.openings()
}

// A linter checks fwknop.conf and then one stanza after the other.
type linter struct {
	found  conf.Problems
	server *conf.Server
	s      *conf.Stanza // nil for fwknop.conf
	values *conf.Values // of that file or stanza

	// Beside errors: their places, that what the server file sets is not certain, and that
	// a keyword is not known.
	wrong              map[conf.Pos]bool
	unsure, misspelled bool
}

// warn reports at the keyword if it is written, else at the stanza.
func (d *linter) warn(name, format string, args ...any) {
	at := d.values.Place(name)
	if !at.Set && d.s != nil {
		at.Pos = d.s.Pos
		if d.misspelled {
			return // what seems to be missing may be what is misspelled
		}
	}
	if d.wrong[at.Pos] {
		return
	}
	d.found = append(d.found, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: fmt.Sprintf(format, args...), Severity: conf.Warning})
}

func (d *linter) lintServer() {
	s := d.server
	if !s.Aging {
		d.warn("ENABLE_SPA_PACKET_AGING", "a packet held back on its way is good for ever")
	} else if s.MaxAge > 10*time.Minute {
		d.warn("MAX_SPA_PACKET_AGE", "a packet held back on its way is good for %s", seconds(s.MaxAge))
	}
	if !s.DigestPersistence && !s.Aging {
		d.warn("ENABLE_DIGEST_PERSISTENCE", "after a restart of the daemon every packet of before may be replayed, but to stanzas with REQUIRE_AUTH_METHOD totp")
	}
	if d.values.IsSet("MAX_GRANT_PREFIX") && s.MaxGrantPrefix.IsZero() {
		d.warn("MAX_GRANT_PREFIX", "has no effect: it allows single addresses alone, as without it")
	}
	if s.XForwardedFor {
		d.warn("ENABLE_X_FORWARDED_FOR", "anyone who can reach the web server can write any address into that header")
	}
	if a := s.Metrics.Addr; a.IsValid() && !a.Addr().IsLoopback() {
		d.warn("METRICS_LISTEN", "other hosts may reach %s, without a password or encryption: filter the port", a)
	}
	d.kafka()
	if s.KernelLogOnly {
		d.warn("KERNEL_LOG", "every line may knock that does not show a program's tag or facility; where rsyslog or syslog-ng writes the log, "+
			"any local user can write such lines (also to kern.log: logger -p kern.warn). Safe is a file that ulogd or a ruleset of imklog alone writes")
	}
}

// guard warns of guarded ports that stay closed.
func (d *linter) guard(a *conf.Access) {
	for _, p := range d.server.GuardForward {
		if !slices.ContainsFunc(a.Stanzas, func(s conf.Stanza) bool { return s.Offers(p) }) {
			d.warn("GUARD_FORWARD", "no stanza offers %s: what is forwarded to it is closed to all", p)
		}
	}
}

// fleet warns of what a fleet cannot keep from being honoured twice, so that it is refused, and of a
// cluster that others may answer for.
func (d *linter) fleet(a *conf.Access) {
	s := d.server
	if s.Fleet.IsZero() {
		return
	}
	if !s.Aging {
		d.warn("FLEET", "refuses every message without ENABLE_SPA_PACKET_AGING: a claim on it would have no end")
	}
	for i := range a.Stanzas {
		if st := &a.Stanzas[i]; st.Mode == conf.ModeEncrypted && !st.Shadow && s.Feeds(st.Mode) {
			d.warn("FLEET", "refuses every sequence of the stanza at %s:%d: it has no time, so that a claim on it would have no end", st.Pos.File, st.Pos.Line)
		}
	}
	if slices.ContainsFunc(s.Fleet.Servers, func(server string) bool { return strings.HasPrefix(server, "nats://") }) && !d.values.IsSet("FLEET_CA") {
		d.warn("FLEET", "nats:// takes a connection without encryption too: tls:// never does")
	}
}

// group warns of stanzas for which gateways of a group do not open together.
func (d *linter) group(a *conf.Access) {
	if d.server.Fleet.IsZero() || d.server.FleetGroup == "" {
		return
	}
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		why := ""
		switch {
		case st.Mode != conf.ModeSPA || st.Shadow || !d.server.Feeds(st.Mode):
		case st.GrantsPacket():
			why = "by GRANT_ADDRESS it opens for an address of the packet, which no other gateway may choose"
		case st.Interface != "":
			why = "by RESTRICT_INTF, and no other gateway may say on which interface a packet came"
		case st.ExternalOpen != "" || st.CycleOpen != "":
			why = "it runs commands, which only the gateway does that got the packet"
		case st.AccessTimeout == 0:
			why = "what it opens has no end (FW_ACCESS_TIMEOUT 0)"
		}
		if why != "" {
			d.warn("FLEET_GROUP", "the stanza at %s:%d opens at one gateway alone: %s", st.Pos.File, st.Pos.Line, why)
		}
	}
}

// unfed warns of a stanza whose packets the daemon does not read.
func (d *linter) unfed() {
	keyword := map[conf.Mode]string{conf.ModeSPA: "SOURCE", conf.ModeShared: "SHARED_SEQUENCE", conf.ModeEncrypted: "ENCRYPT_SEQUENCE"}[d.s.Mode]
	if why := d.server.Unfed(d.s.Mode); why != "" {
		d.warn(keyword, "%s", why)
	}
}

// expiry warns of a stanza that has ended.
func (d *linter) expiry() {
	keyword := "ACCESS_EXPIRE"
	if !d.values.IsSet(keyword) {
		keyword = "ACCESS_EXPIRE_EPOCH"
	}
	if t := d.s.Expires; !t.IsZero() && !t.After(time.Now()) {
		d.warn(keyword, "the stanza ended on %s and grants nothing any more", t.UTC().Format(time.RFC3339))
	}
}

// times warns of times that leave out none, of those without a zone, which are not those of the
// host's clock, and of uses that are forgotten.
func (d *linter) times() {
	hasNoZone := func(w schedule.Window) bool { return !w.HasZone() }
	switch ws := d.s.Windows; {
	case len(ws) > 0 && ws.Always(time.Now()):
		d.warn("ACCESS_WINDOW", "has no effect: %s is at any time", ws)
	case slices.ContainsFunc(ws, hasNoZone):
		d.windowsWithoutZone()
	}
	if u := d.s.Uses; u.Daily && !u.HasZone() {
		d.warn("ACCESS_USES", "names no time zone, so that days are those of UTC: write one, as in 5/day Europe/Berlin, or UTC")
	}
	if dir := path.Clean(d.server.StateDir); !d.s.Uses.IsZero() && !d.s.Shadow && (strings.HasPrefix(dir, "/run/") || strings.HasPrefix(dir, "/var/run/")) {
		d.warn("ACCESS_USES", "is counted in %s, which is emptied when the machine starts: set FWKNOP_LIB_DIR in fwknop.conf to a directory that is not, as /var/lib/fwknop", dir)
	}
}

// windowsWithoutZone warns of each ACCESS_WINDOW that is in UTC without saying so.
func (d *linter) windowsWithoutZone() {
	windows := d.s.Windows
	for _, v := range d.values.All() {
		if v.Keyword.Name != "ACCESS_WINDOW" || len(windows) == 0 {
			continue
		}
		if !windows[0].HasZone() && !d.wrong[v.Pos] {
			d.found = append(d.found, conf.Problem{Pos: v.Pos, Keyword: v.Name, Severity: conf.Warning,
				Text: "names no time zone, so that it is in UTC: write one, as in Europe/Berlin, or UTC"})
		}
		windows = windows[1:]
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
	case s.CmdRegex == nil && d.wrong[d.values.Place("CMD_REGEX").Pos]:
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
	case conf.ModeShared:
		d.warn("SHARED_SEQUENCE", "goes over the network in clear: anyone who sees it once can repeat it; use SPA with KEY and HMAC_KEY instead%s", d.forgeable())
		return
	case conf.ModeEncrypted:
		d.warn("ENCRYPT_SEQUENCE", "has no message authentication code; SPA with KEY and HMAC_KEY is stronger")
		return
	}
	if !d.unsure && !s.SourceAddress.IsZero() && !d.server.RequireSourceAddress && !s.Values.IsSet("REQUIRE_SOURCE_ADDRESS") {
		d.warn("REQUIRE_SOURCE_ADDRESS", "is off: a message need not hold the address to open, so an attacker who can catch and resend one first decides who gets in")
	}
	if !s.Key.IsZero() && s.HMACKey.IsZero() && !d.values.IsSet("HMAC_KEY_BASE64") {
		d.warn("HMAC_KEY", "is not set: messages are not authenticated before they are decrypted")
	}
	if s.EncryptionMode == "ecb" {
		d.warn("ENCRYPTION_MODE", "ECB shows equal blocks")
	}
	if s.HMACType == "md5" || s.HMACType == "sha1" {
		d.warn("HMAC_DIGEST_TYPE", "%s is old, take sha256 or better", s.HMACType)
	}
}

// forgeable returns the warning that a sequence is fed by a log that programs can have lines written to.
func (d *linter) forgeable() string {
	if d.server.KernelLogOnly || !slices.Contains(d.server.AuthModes, "KNOCK") {
		return d.forgeableTopic()
	}
	return ". Where a syslog daemon writes the log, any local user can also forge it: logger -t kernel writes lines with the kernel's tag; " +
		"AUTH_MODE JOURNAL, KMSG or NFLOG reads what only the kernel writes"
}

// forgeableTopic is the same for topics.
func (d *linter) forgeableTopic() string {
	if !d.server.ReadsKafka() {
		return ""
	}
	return ". Every producer that may write to KAFKA_TOPIC can also forge it: have the cluster let the log shippers of the gateways alone write there"
}

// kafka warns of lines that others on the way can forge.
func (d *linter) kafka() {
	if !d.server.ReadsKafka() || d.server.KafkaTLS != "N" {
		return
	}
	text := "others on the way to the brokers can forge lines"
	if d.server.KafkaCredentials != "" {
		text += ", and read the password of KAFKA_CREDENTIALS if its mechanism is PLAIN"
	}
	d.warn("KAFKA_TLS", "%s", text)
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

// clients warns of addresses that are let in without the client's word.
func (d *linter) clients() {
	s := d.s
	if !s.GrantsPacket() || s.Mode == conf.ModeShared || s.DisableAccess {
		return
	}
	always := s.SourceAddress.IsZero() || d.server.RequireSourceAddress
	switch {
	case d.unsure:
	case always && s.GrantAddress == conf.AddressBoth:
		d.warn("GRANT_ADDRESS", "both never lets in two: REQUIRE_SOURCE_ADDRESS refuses a packet from another address than the message has")
	case !always:
		d.warn("GRANT_ADDRESS", "%s lets in the source of the packet: an attacker who can catch it and send it first from elsewhere gets in", s.GrantAddress)
	}
}

// openings warns of what a client may open at will.
func (d *linter) openings() {
	s := d.s
	if s.OpenPortsAny && !s.DisableAccess && s.ExternalOpen == "" && s.CycleOpen == "" {
		d.warn("OPEN_PORTS", "is not set or PERMIT_CLIENT_PORTS is: the client may open any port")
	}
	if s.ForwardAll {
		d.warn("FORWARD_ALL", "forwards every port and protocol of the client")
	}
	if s.PermitClientTimeout && s.MaxAccessTimeout > 24*time.Hour && s.Mode == conf.ModeSPA {
		d.warn("MAX_FW_TIMEOUT", "the client may ask for up to %s", seconds(s.MaxAccessTimeout))
	}
	if d.forwardsAnywhere() {
		d.found = append(d.found, conf.Problem{Pos: d.s.Pos, Keyword: "INTERNAL_NET_ACCESS",
			Text: "is not set, and with ENABLE_IPT_FORWARDING a client may ask for any host: name the networks behind this one"})
	}
}

// forwardsAnywhere reports whether a client may ask for a translation to any host.
func (d *linter) forwardsAnywhere() bool {
	s := d.s
	if d.unsure || !d.server.Forwarding || d.values.IsSet("INTERNAL_NET_ACCESS") || !s.InternalNets.IsZero() {
		return false
	}
	if s.DisableAccess || s.Mode != conf.ModeSPA || s.ForcesNAT() || s.ExternalOpen != "" || s.CycleOpen != "" {
		return false
	}
	return s.ForwardAccess || s.Dialect != conf.Perl19
}

// checkShellSyntax refuses external commands with shell syntax if they are not run by
// a shell: the operators would be passed as arguments to the first program, which might
// do something else and succeed.
func (l *Loaded) checkShellSyntax() conf.Problems {
	var problems conf.Problems
	for i := range l.Access.Stanzas {
		s := &l.Access.Stanzas[i]
		keyword, syntax := policy.ShellSyntax(s, l.Server)
		if keyword == "" {
			continue
		}
		val := s.Values.Place(keyword)
		if !val.Set {
			val = l.Values.Place(keyword) // the pair of fwknop.conf
		}
		problems = append(problems, conf.Problem{Pos: val.Pos, Keyword: val.Name,
			Text: fmt.Sprintf("%s is for a shell, and none runs this command: EXTERNAL_CMD_SHELL Y has %s run it, quotes make it an argument", syntax, l.Server.Shell)})
	}
	return problems
}
