package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
)

// describeStanza puts in sentences what a stanza allows, for the operator to compare with
// what was meant. They hold no secrets.
func describeStanza(st *conf.Stanza) []string {
	s := description{st}
	w := []string{s.clients(), s.proof()}
	w = append(w, s.openings()...)
	w = append(w, s.commands()...)
	if !s.Expires.IsZero() {
		w = append(w, "ends on "+s.Expires.UTC().Format(time.RFC3339))
	}
	w = append(w, s.times()...)
	if s.Shadow {
		w = append(w, "only reports: nothing is opened or run")
	}
	return w
}

// describeMetrics says what METRICS_LISTEN opens and for whom, "" if nothing.
func describeMetrics(s *conf.Server) string {
	at := s.Metrics
	readers := "root alone"
	switch {
	case at.IsZero():
		return ""
	case at.Addr.IsValid() && at.Addr.Addr().IsLoopback():
		readers = "every user of this host"
	case at.Addr.IsValid():
		readers = "all that can reach the address"
	case s.EventLogGroup != "":
		readers = "root and the group " + s.EventLogGroup
	}
	return fmt.Sprintf("offered at %s, for %s", at, readers)
}

// times names when and how often the stanza grants.
func (s description) times() (w []string) {
	switch {
	case len(s.Windows) == 0:
	case s.Windows.Always(time.Now()):
		w = append(w, "grants "+s.Windows.String()+", which is at any time")
	default:
		text := "grants " + s.Windows.String()
		if slices.ContainsFunc(s.Windows, func(w schedule.Window) bool { return !w.HasZone() }) {
			text += " (UTC where no time zone is named)"
		}
		w = append(w, text+", and what it opens ends then at the latest")
	}
	if !s.Uses.IsZero() {
		what := "messages"
		if s.Mode != conf.ModeSPA {
			what = "sequences"
		}
		w = append(w, "grants at most "+s.Uses.Words()+" of such "+what+", counted by NAME over restarts")
	}
	return w
}

// Guard says what GUARD_FORWARD closes, "" if nothing.
func Guard(s *conf.Server) string {
	if len(s.GuardForward) == 0 {
		return ""
	}
	return "connections that are forwarded to " + ports(s.GuardForward) + " are dropped unless a grant is for the client"
}

// A description makes the sentences on a stanza.
type description struct{ *conf.Stanza }

// clients names the clients.
func (s description) clients() string {
	w := "packets from " + netsText(s.Source)
	if !s.Destination.IsZero() {
		w += " to " + netsText(s.Destination)
	}
	if s.Interface != "" {
		w += " on " + s.Interface
	}
	if len(s.Usernames) > 0 {
		w += ", user " + strings.Join(s.Usernames, " or ")
	}
	return w
}

// proof names what the client must prove.
func (s description) proof() string {
	switch s.Mode {
	case conf.ModeShared:
		return "who knocks " + ports(s.Sequence) + s.timing()
	case conf.ModeEncrypted:
		return fmt.Sprintf("who knocks an encrypted sequence on ports %d to %d", s.PortOffset, int(s.PortOffset)+255) + s.timing()
	}
	var how []string
	if !s.Key.IsZero() {
		h := "the key (" + s.EncryptionMode
		if s.HMACType != "" {
			h += ", HMAC " + s.HMACType
		}
		how = append(how, h+")")
	}
	if g := s.GPG; g != nil {
		signers := "unsigned"
		if ids := append(append([]string{}, g.Fingerprints...), g.RemoteIDs...); !g.DisableSig {
			signers = "signed by " + strings.Join(ids, " or ")
		}
		if s.HMACType != "" {
			signers += " (HMAC " + s.HMACType + ")"
		}
		how = append(how, "OpenPGP "+signers)
	}
	w := "an SPA message with " + strings.Join(how, " or ")
	switch s.AuthMethod {
	case conf.AuthCrypt:
		w += " and the user's password"
	case conf.AuthTOTP:
		w += " and a one-time code (TOTP)"
	}
	if s.SourceAddress.IsZero() {
		w += ", the address to open inside"
	}
	return w
}

// timing names the limits of a knock sequence.
func (s description) timing() string {
	var w []string
	if s.KnockInterval > 0 {
		w = append(w, "within "+seconds(s.KnockInterval))
	}
	if s.MinTimeDiff >= 0 {
		w = append(w, "more than "+seconds(s.MinTimeDiff)+" apart")
	}
	if s.MaxTimeDiff >= 0 {
		w = append(w, "less than "+seconds(s.MaxTimeDiff)+" apart")
	}
	if s.KnockLimit >= 0 {
		w = append(w, "at most "+conf.Count(s.KnockLimit, "time")+" a source")
	}
	if s.RequireOS != "" {
		w = append(w, "from "+s.RequireOS)
	}
	for _, v := range s.Values.All() {
		if v.Keyword.Name == "REQUIRE_OS_REGEX" && s.RequireOSRegex != nil {
			w = append(w, "from a system like "+v.Text)
		}
	}
	if len(w) == 0 {
		return ""
	}
	return ", " + strings.Join(w, ", ")
}

func (s description) runs() string {
	if s.ExternalShell {
		return "has a shell run "
	}
	return "runs "
}

// openings names what is opened and for how long.
func (s description) openings() []string {
	switch {
	case s.DisableAccess:
		return []string{"opens nothing"}
	case s.CycleOpen != "":
		w := s.runs() + s.CycleOpen
		if s.CycleClose != "" {
			w += ", and after " + seconds(s.CycleTimer) + " " + s.CycleClose
		}
		return []string{w}
	}
	w := "opens " + s.opening()
	if s.ExternalOpen != "" {
		w = s.runs() + s.ExternalOpen + " for " + s.opening()
	}
	if s.AccessTimeout == 0 {
		w += " for ever"
	} else {
		w += " for " + seconds(s.AccessTimeout)
	}
	if s.PermitClientTimeout && s.Mode == conf.ModeSPA {
		w += " or as long as the client says, at most " + seconds(s.MaxAccessTimeout)
	}
	out := []string{w}
	if whom := GrantedTo(s.Stanza); whom != "" {
		out = append(out, whom)
	}
	if nat := s.natTerms(); nat != "" {
		out = append(out, nat)
	}
	if s.OutputAccess {
		out = append(out, "opens the output chain as well")
	}
	if s.CloseConnections {
		out = append(out, "ends the connections through it at its end, but for those that another open grant lets in")
	}
	return out
}

// GrantedTo says which addresses a stanza lets in, "" if it is the one in the message.
func GrantedTo(s *conf.Stanza) string {
	whom := map[string]string{conf.AddressPacket: "the source of the packet", conf.AddressBoth: "the address in the message and the source of the packet"}[s.GrantAddress]
	if s.Mode == conf.ModeShared {
		whom = ""
	}
	var wide []string
	c := clients{IPv4: prefixOf(s.GrantPrefix.V4, 32), IPv6: prefixOf(s.GrantPrefix.V6, 128)}
	if c.IPv4 != nil {
		wide = append(wide, fmt.Sprintf("the /%d of an IPv4 client (%s addresses)", c.IPv4.Length, c.IPv4.addresses()))
	}
	if c.IPv6 != nil {
		text := fmt.Sprintf("the /%d of an IPv6 client (%s addresses)", c.IPv6.Length, c.IPv6.addresses())
		if c.IPv6.Length < enforce.SiteBits6 {
			text += fmt.Sprintf(", of one with 6to4 or a unique local address the /%d", enforce.SiteBits6)
		}
		wide = append(wide, text)
	}
	switch {
	case len(wide) == 0 && whom == "":
		return ""
	case len(wide) == 0:
		return "lets in " + whom
	case whom == "":
		return "lets in " + strings.Join(wide, " and ")
	}
	return "lets in " + whom + ", with " + strings.Join(wide, " and ")
}

func (s description) opening() string {
	var w string
	switch {
	case s.ForwardAll && s.ForcesNAT():
		return "every port"
	case s.OpenPortsAny:
		w = "any port the client asks for"
	case s.Mode == conf.ModeShared:
		w = ports(s.OpenPorts)
	case s.Mode == conf.ModeEncrypted && len(s.OpenPorts) == 0:
		w = "the port in the sequence"
	case s.Mode == conf.ModeEncrypted:
		w = ports(s.OpenPorts) + " and the port in the sequence"
	default:
		w = "what the client asks for of " + ports(s.OpenPorts)
	}
	if len(s.RestrictPorts) > 0 {
		w += " but never " + ports(s.RestrictPorts)
	}
	return w
}

func (s description) natTerms() string {
	var w []string
	if s.ForwardAccess {
		w = append(w, "only to hosts behind this one")
		if !s.InternalNets.IsZero() {
			w = append(w, "in "+netsText(s.InternalNets))
		}
	}
	if s.ForwardAll && !s.ForcesNAT() {
		w = append(w, "with NAT: every port of the host the client names")
	}
	if s.ForceNAT.IsValid() && s.ForceNAT != (netip.AddrPort{}) {
		w = append(w, "translated to "+s.ForceNAT.String())
	}
	if s.ForceSNAT.IsValid() {
		w = append(w, "coming from "+s.ForceSNAT.String())
	}
	if s.ForceMasquerade {
		w = append(w, "masqueraded")
	}
	return strings.Join(w, ", ")
}

// commands names what the client may run.
func (s description) commands() []string {
	if !s.CmdExec {
		return nil
	}
	user := s.CmdUser
	if user == "" {
		user = "root"
	}
	w := "runs any command as " + user
	if s.CmdRegex != nil {
		w = "runs commands like " + s.CmdRegex.String() + " as " + user
	}
	if s.CmdSudo {
		w += " through sudo"
	}
	if s.CmdShell {
		w += " in a shell"
	}
	return []string{w}
}

var (
	any4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	any6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// netsText is a list of networks in words.
func netsText(n conf.Nets) string {
	var in, out []string
	for _, p := range n.Include {
		switch {
		case p == any4 && slices.Contains(n.Include, any6):
			in = append(in, "anywhere")
		case p == any6 && slices.Contains(n.Include, any4):
		default:
			in = append(in, enforce.PrefixText(p))
		}
	}
	for _, p := range n.Exclude {
		out = append(out, enforce.PrefixText(p))
	}
	w := strings.Join(in, ", ")
	if len(in) == 0 {
		w = "nowhere"
	}
	if len(out) > 0 {
		w += " except " + strings.Join(out, ", ")
	}
	return w
}

func ports(list []conf.Port) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// seconds is "1 second" or "77 seconds".
func seconds(d time.Duration) string { return conf.Count(int(d/time.Second), "second") }
