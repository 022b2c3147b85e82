package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// anyAddress has every address: a client may name any as its own in a message.
var anyAddress = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// compileLimits returns what the stanzas permit, as the monitor enforces it. It may
// permit more than the engine grants, where that depends on the packet, but never less.
//
// A request identifies a stanza by its line, see [conf.Access.LineProblems].
func compileLimits(s *conf.Server, access *conf.Access) (enforce.Limits, error) {
	l := enforce.Limits{Stanzas: make([]enforce.Allowance, 0, len(access.Stanzas))}
	if shared := access.LineProblems(); len(shared) > 0 {
		return l, errors.New(shared[0].String())
	}
	for i := range access.Stanzas {
		st := &access.Stanzas[i]
		if st.Shadow {
			continue
		}
		a, err := allowance(s, st)
		if err != nil {
			return l, fmt.Errorf("%s:%d: %w", st.Pos.File, st.Pos.Line, err)
		}
		a.Windows, a.Uses, a.Name = st.Windows, st.Uses, st.Name
		l.Stanzas = append(l.Stanzas, a)
		if st.CloseConnections {
			if l.CloseConnections == nil {
				l.CloseConnections = make(map[int]bool)
			}
			l.CloseConnections[st.Pos.Line] = true
		}
	}
	return l, nil
}

// allowance returns what one stanza permits.
func allowance(s *conf.Server, st *conf.Stanza) (enforce.Allowance, error) {
	a := enforce.Allowance{
		Stanza:      st.Pos.Line,
		Source:      anyAddress,
		AnyPort:     st.OpenPortsAny || st.PermitClientPorts || st.Mode == conf.ModeEncrypted,
		Ports:       slices.Clone(st.OpenPorts),
		Denied:      slices.Clone(st.RestrictPorts),
		Destination: s.DestinationRule,
		Output:      s.Output && (st.OutputAccess || s.Dialect == conf.C26),
		MaxGrants:   st.MaxGrants,
		MaxLifetime: maxLifetime(st),
		Permanent:   st.AccessTimeout == 0,
	}
	if len(s.Blacklist.Exclude) == 0 {
		a.Exclude = s.Blacklist.Include
	}
	prefix := st.GrantPrefix.Cap(s.MaxGrantPrefix)
	a.Bits4, a.Bits6, a.Two = prefix.V4, prefix.V6, st.GrantAddress == conf.AddressBoth
	if st.Mode == conf.ModeShared || st.GrantAddress == conf.AddressPacket && !s.XForwardedFor { // the source of the packet is what gets access
		a.Source, a.Exclude = st.Source.Include, append(a.Exclude[:len(a.Exclude):len(a.Exclude)], st.Source.Exclude...)
	}
	if st.Mode != conf.ModeSPA {
		// RESTRICT_PORTS applies to the port in the sequence, not to OPEN_PORTS.
		a.Denied = slices.DeleteFunc(a.Denied, func(p enforce.Port) bool { return slices.Contains(a.Ports, p) })
		return a, nil
	}
	if st.DisableAccess {
		a = enforce.Allowance{Stanza: a.Stanza, MaxGrants: a.MaxGrants}
	} else {
		addNAT(&a, s, st)
	}
	if st.CmdExec {
		a.Commands = commandLimit(s, st)
	}
	var err error
	a.External, err = policy.ExternalLimits(st, s)
	return a, err
}

// maxLifetime returns the longest lifetime of a grant: that of the stanza, or the most
// a client may ask for.
func maxLifetime(st *conf.Stanza) time.Duration {
	d := max(st.AccessTimeout, st.CycleTimer)
	if st.PermitClientTimeout {
		d = max(d, st.MaxAccessTimeout)
	}
	return d
}

// addNAT adds the permitted translations: the forced one, or those that a client may
// ask for.
func addNAT(a *enforce.Allowance, s *conf.Server, st *conf.Stanza) {
	forced := st.ForcesNAT()
	asked := s.Forwarding && (st.Dialect != conf.Perl19 || st.ForwardAccess)
	switch {
	case forced && (s.Forwarding || s.LocalNAT):
		a.All = st.ForwardAll
		if to := st.ForceNAT.Addr(); to.IsValid() && !to.IsUnspecified() {
			a.Targets = []netip.AddrPort{st.ForceNAT}
		}
	case !forced && (asked || s.LocalNAT):
		a.TargetNets, a.TargetExclude = anyAddress, st.InternalNets.Exclude
		if !st.InternalNets.IsZero() {
			a.TargetNets = st.InternalNets.Include
		}
		a.Local, a.LocalOnly = s.LocalNAT, !asked
		a.All = st.ForwardAll && asked
	default:
		return
	}
	a.NoDNAT = st.DisableDNAT
	to, masquerade := st.SourceNAT(s)
	if a.Masquerade = masquerade; to.IsValid() {
		a.SNAT = []netip.Addr{to}
	}
}

func commandLimit(s *conf.Server, st *conf.Stanza) *enforce.CommandLimit {
	return &enforce.CommandLimit{
		Regexp: st.CmdRegex,
		User:   st.CmdUser, Group: st.CmdGroup,
		Sudo: st.CmdSudo, SudoUser: st.CmdSudoUser, SudoGroup: st.CmdSudoGroup,
		Shell:   st.CmdShell,
		Timeout: s.CmdTimeout,
	}
}
