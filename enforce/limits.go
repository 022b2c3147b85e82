package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce/schedule"
)

// Limits is everything that access.conf can allow, by stanza. The privileged side checks
// each request against it, so that a compromised unprivileged side can request nothing
// else.
type Limits struct {
	Stanzas []Allowance
	// CloseConnections has the lines of the stanzas whose grants take the connections through
	// them along when they end (CLOSE_CONNECTIONS); nil: none.
	CloseConnections map[int]bool
}

// An Allowance is what one stanza allows. Its zero value allows nothing.
type Allowance struct {
	Stanza int // line of the SOURCE keyword

	// Source holds the addresses that grants may admit, less Exclude. (A client may
	// request access for another address than its own; if the stanza allows that,
	// Source includes every address.)
	Source, Exclude []netip.Prefix
	// Bits4 and Bits6 are the shortest prefixes that a grant may be for, by address family
	// (GRANT_PREFIX, as far as MAX_GRANT_PREFIX allows it); 0: it is for one address.
	Bits4, Bits6 uint8
	Two          bool   // a grant may have a second source (GRANT_ADDRESS both)
	Ports        []Port // OPEN_PORTS
	AnyPort      bool
	Denied       []Port // RESTRICT_PORTS: not even with AnyPort
	Destination  bool   // Dst may be set (ENABLE_DESTINATION_RULE)
	All          bool   // FORWARD_ALL
	Output       bool

	// NAT: Targets are allowed with their port (FORCE_NAT), TargetNets less TargetExclude
	// and loopback with any port (INTERNAL_NET_ACCESS). Clients of 1.x request the inside
	// port, later ones the outside port; either may be the one in Ports.
	Targets       []netip.AddrPort
	TargetNets    []netip.Prefix
	TargetExclude []netip.Prefix
	NoDNAT        bool // a zero target may be requested (DISABLE_DNAT)
	Local         bool
	LocalOnly     bool // no translation to another host (ENABLE_IPT_FORWARDING off)
	SNAT          []netip.Addr
	Masquerade    bool

	// MaxGrants is how many grants may be open at a time, each port counted (MAX_GRANTS);
	// 0 is no limit. It also bounds the rate of new ones.
	MaxGrants int

	MaxLifetime time.Duration
	Permanent   bool // grants without end may be requested (FW_ACCESS_TIMEOUT 0)

	// Windows are when the stanza grants, and when its grants end at the latest
	// (ACCESS_WINDOW). Uses is how often it grants (ACCESS_USES), counted by Name; Check does
	// not ask for it.
	Windows schedule.Windows
	Uses    schedule.Uses
	Name    string

	External []ExternalLimit // commands that open in place of rules; with them no rules are allowed
	Commands *CommandLimit   // nil: none
}

// Sizes above which a request is refused without further checks.
const (
	MaxPorts    = 128
	MaxCommand  = 2048 // bytes of a command's text
	clockSlack  = 2 * time.Second
	maxExternal = 4096 // bytes of one argument
)

// Errors of [Limits.Check], wrapped with the numbers.
var (
	ErrStanza   = errors.New("no such stanza")
	ErrSource   = errors.New("source is not offered")
	ErrPort     = errors.New("port is not offered")
	errForm     = errors.New("form of access is not offered")
	errNAT      = errors.New("translation is not offered")
	ErrLifetime = errors.New("lifetime is not offered")
	ErrWindow   = errors.New("outside of ACCESS_WINDOW")
	ErrCommand  = errors.New("command is not offered")
)

// MaxGrants returns how many grants of the stanza may be open at a time, 0 for no limit.
// Of several stanzas of that line it is the most, since one of them has to allow a grant.
func (l *Limits) MaxGrants(stanza int) (most int) {
	for i := range l.Stanzas {
		if a := &l.Stanzas[i]; a.Stanza == stanza {
			if a.MaxGrants == 0 {
				return 0
			}
			most = max(most, a.MaxGrants)
		}
	}
	return most
}

// Uses returns how often the stanza grants, and the name by which that is counted. It must be
// the only stanza of that line if it has a number.
func (l *Limits) Uses(stanza int) (name string, uses schedule.Uses) {
	for i := range l.Stanzas {
		if a := &l.Stanzas[i]; a.Stanza == stanza && !a.Uses.IsZero() {
			return a.Name, a.Uses
		}
	}
	return "", schedule.Uses{}
}

// Check returns an error unless g's stanza allows it, with its lifetime counted from now.
//
// Stanzas of several files may begin in lines of the same number: one of them has to
// allow it.
func (l *Limits) Check(g Grant, now time.Time) error {
	err := fmt.Errorf("%w: %d", ErrStanza, g.Stanza)
	for i := range l.Stanzas {
		if a := &l.Stanzas[i]; a.Stanza == g.Stanza && g.Stanza != 0 {
			if err = a.check(g, now); err == nil {
				return nil
			}
		}
	}
	return err
}

func (a *Allowance) check(g Grant, now time.Time) error {
	requested := g.Ports
	g = g.Normal()
	if !g.Also.IsValid() {
		return a.checkOne(g, requested, now)
	}
	if !a.Two || g.External != nil {
		return fmt.Errorf("%w: a second client, %s", errForm, g.Also)
	}
	for _, one := range g.BySource() {
		if err := a.checkOne(one, requested, now); err != nil {
			return err
		}
	}
	return nil
}

// checkOne checks a grant of one source, in normal form. requested are its ports as they
// came.
func (a *Allowance) checkOne(g Grant, requested []Port, now time.Time) error {
	if err := a.checkSource(&g); err != nil {
		return err
	}
	if err := a.checkLifetime(g.Expires, now); err != nil {
		return err
	}
	if err := a.checkWindow(g.Expires, now); err != nil {
		return err
	}
	if err := a.checkForm(g); err != nil {
		return err
	}
	if g.External != nil || len(a.External) > 0 {
		return a.checkExternal(g, requested)
	}
	if g.NAT != nil {
		return a.checkNAT(g, g.NAT)
	}
	return nil
}

// commandStanza returns the stanza of that line that runs commands, else another one of
// that line, or nil.
func (l *Limits) commandStanza(line int) (found *Allowance) {
	for i := range l.Stanzas {
		if a := &l.Stanzas[i]; a.Stanza == line && line != 0 && (found == nil || found.Commands == nil) {
			found = a
		}
	}
	return found
}

func (a *Allowance) checkSource(g *Grant) error {
	src := g.Src
	bad := !src.IsValid() || src.IsUnspecified() || src.IsMulticast() || src.Zone() != ""
	switch {
	case bad, g.Bits == 0 && (covers(a.Exclude, src) || !covers(a.Source, src)):
		return fmt.Errorf("%w: %s", ErrSource, src)
	case g.Bits != 0 && !a.allowsPrefix(g):
		return fmt.Errorf("%w: %s", ErrSource, g.SourceText())
	}
	return nil
}

// allowsPrefix checks a prefix: it is no shorter than allowed, not that of several sites, has an
// address that grants may admit, and none that they may not.
func (a *Allowance) allowsPrefix(g *Grant) bool {
	shortest := a.Bits6
	if g.Src.Is4() {
		shortest = a.Bits4
	}
	p := g.Source()
	overlaps := func(nets []netip.Prefix) bool { return slices.ContainsFunc(nets, p.Overlaps) }
	return shortest != 0 && g.Bits >= shortest && g.hasValidBits() && p.Bits() >= LeastBits(p) && overlaps(a.Source) && !overlaps(a.Exclude)
}

func covers(nets []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (a *Allowance) checkLifetime(end, now time.Time) error {
	if end.IsZero() {
		if !a.Permanent {
			return fmt.Errorf("%w: no end", ErrLifetime)
		}
		return nil
	}
	left := end.Sub(now)
	if left <= 0 || (!a.Permanent && left > a.MaxLifetime+clockSlack) {
		return fmt.Errorf("%w: %v of at most %v", ErrLifetime, left.Round(time.Second), a.MaxLifetime)
	}
	return nil
}

// checkWindow requires that now is in the windows, and that the grant ends with them.
func (a *Allowance) checkWindow(end, now time.Time) error {
	switch {
	case !a.Windows.Contain(now):
		return fmt.Errorf("%w: %s at %s", ErrWindow, a.Windows, a.Windows.Clock(now))
	case !a.Windows.Until(now, end).Equal(end):
		return fmt.Errorf("%w: the grant outlives %s", ErrWindow, a.Windows)
	}
	return nil
}

func (a *Allowance) checkForm(g Grant) error {
	switch {
	case g.Foreign != "":
		return fmt.Errorf("%w: a rule of another program", errForm)
	case g.All && (!a.All || len(g.Ports) > 0):
		return fmt.Errorf("%w: every port", errForm)
	case !g.All && len(g.Ports) == 0, len(g.Ports) > MaxPorts:
		return fmt.Errorf("%w: %d ports", ErrPort, len(g.Ports))
	case g.Output && !a.Output:
		return fmt.Errorf("%w: output", errForm)
	case g.Dst.IsValid() && !a.allowsDst(g):
		return fmt.Errorf("%w: destination %s", errForm, g.Dst)
	}
	for _, p := range g.Ports {
		if !isValidPort(p) || !a.allowsPort(p, g) {
			return fmt.Errorf("%w: %s", ErrPort, p)
		}
	}
	return nil
}

// forwardsOnly reports whether g is a translation without DNAT: Dst and the ports are
// those of the inside host.
func (g Grant) forwardsOnly() bool { return g.NAT != nil && !g.NAT.Target.IsValid() }

func (a *Allowance) allowsDst(g Grant) bool {
	if g.Dst.Is4() != g.Src.Is4() || g.Dst.IsUnspecified() {
		return false
	}
	if !g.forwardsOnly() {
		return a.Destination
	}
	return a.allowsInside(g)
}

// allowsInside checks Dst and port of a grant that only forwards, as a target.
func (a *Allowance) allowsInside(g Grant) bool {
	var port uint16
	if len(g.Ports) == 1 {
		port = g.Ports[0].Number
	}
	return a.allowsTarget(netip.AddrPortFrom(g.Dst, port), g.Src.Is4())
}

func (a *Allowance) allowsPort(p Port, g Grant) bool {
	listed := func(ports []Port, p Port) bool {
		return slices.ContainsFunc(ports, func(o Port) bool { return inFamily(o, g.Src) == p })
	}
	switch {
	case g.forwardsOnly() && g.Dst.IsValid() && p.HasNumber() && a.allowsInside(g):
		return true // RESTRICT_PORTS is for what clients request, this is the target
	case listed(a.Denied, p):
		return false
	case a.AnyPort || listed(a.Ports, p):
		return true
	case g.NAT != nil && g.NAT.Target.IsValid() && p.HasNumber():
		return listed(a.Ports, Port{Proto: p.Proto, Number: g.NAT.Target.Port()})
	}
	return false
}

func (a *Allowance) checkNAT(g Grant, n *NAT) error {
	allows := a.allowsTarget(n.Target, g.Src.Is4())
	if g.forwardsOnly() {
		allows = a.allowsForward(g)
	}
	switch {
	case !allows:
		return fmt.Errorf("%w: target %s", errNAT, n.Target)
	case n.Local && !(a.Local && n.Target.IsValid()), !n.Local && a.LocalOnly:
		return fmt.Errorf("%w: local", errNAT)
	case n.Target.IsValid() && (n.Target.Port() == 0) != g.All:
		return fmt.Errorf("%w: target %s", errNAT, n.Target)
	}
	return a.checkSourceNAT(n, g.Src.Is4())
}

// checkSourceNAT checks the translation of the client's address.
func (a *Allowance) checkSourceNAT(n *NAT, is4 bool) error {
	switch {
	case n.SNAT.IsValid() && (n.Masquerade || !slices.Contains(a.SNAT, n.SNAT) || n.SNAT.Is4() != is4):
		return fmt.Errorf("%w: source %s", errNAT, n.SNAT)
	case n.Masquerade && !a.Masquerade:
		return fmt.Errorf("%w: masquerade", errNAT)
	}
	return nil
}

// allowsForward checks a translation without DNAT: to one host with DISABLE_DNAT, to all
// with FORWARD_ALL.
func (a *Allowance) allowsForward(g Grant) bool {
	if g.NAT.Target != (netip.AddrPort{}) {
		return false
	}
	if g.Dst.IsValid() {
		return a.NoDNAT // allowsDst has checked the host
	}
	return g.All && len(a.Targets) == 0
}

// allowsTarget compares forced targets by the address alone if the port is not to be
// translated.
func (a *Allowance) allowsTarget(t netip.AddrPort, is4 bool) bool {
	addr := t.Addr()
	if addr.Is4() != is4 || addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != "" {
		return false
	}
	forced := func(o netip.AddrPort) bool { return o == t || t.Port() == 0 && o.Addr() == addr }
	return slices.ContainsFunc(a.Targets, forced) || !addr.IsLoopback() && covers(a.TargetNets, addr) && !covers(a.TargetExclude, addr)
}

// A CommandLimit is how a stanza's SPA commands are run (ENABLE_CMD_EXEC).
type CommandLimit struct {
	Regexp              *regexp.Regexp // nil: any text
	User, Group         string
	Sudo                bool
	SudoUser, SudoGroup string
	Shell               bool
	Timeout             time.Duration
}

// Command returns how to run text for a stanza at the time now. Only the text comes from the
// request, and the address in front of it as the client wrote it ("" if there was none), which
// is matched together with the text.
func (l *Limits) Command(stanza int, from, text string, now time.Time) (CommandLimit, error) {
	a := l.commandStanza(stanza)
	message := text
	if from != "" {
		message = from + "," + text
	}
	switch {
	case from != "" && !isAddr(from):
		return CommandLimit{}, fmt.Errorf("%w: not an address in front of it", ErrCommand)
	case a == nil:
		return CommandLimit{}, fmt.Errorf("%w: %d", ErrStanza, stanza)
	case a.Commands == nil:
		return CommandLimit{}, fmt.Errorf("%w: the stanza runs none", ErrCommand)
	case !a.Windows.Contain(now):
		return CommandLimit{}, fmt.Errorf("%w: %s at %s", ErrWindow, a.Windows, a.Windows.Clock(now))
	case text == "" || len(text) > MaxCommand || strings.ContainsAny(text, "\x00\n\r"):
		return CommandLimit{}, fmt.Errorf("%w: text of %d bytes", ErrCommand, len(text))
	case a.Commands.Regexp != nil && !a.Commands.Regexp.MatchString(message):
		return CommandLimit{}, fmt.Errorf("%w: text does not match", ErrCommand)
	}
	return *a.Commands, nil
}

func isAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}
