package config

import (
	"net/netip"
	"reflect"
	"slices"

	"fwknopd/policy/conf"
)

// maxSameKey is how many stanzas of one key are compared with each other.
const maxSameKey = 64

// shadowed warns of a stanza for SPA that decides nothing: an earlier one with the same key
// grants all that it would grant. Knock sequences advance in every stanza.
func (d *linter) shadowed(stanzas []conf.Stanza) {
	byKey := make(map[string][]*conf.Stanza)
	for i := range stanzas {
		s := &stanzas[i]
		if s.Mode != conf.ModeSPA || s.GPG != nil {
			continue
		}
		key := string(s.Key.Bytes()) + "\x00" + string(s.HMACKey.Bytes())
		same := byKey[key]
		if n := slices.IndexFunc(same, func(first *conf.Stanza) bool { return covers(first, s) }); n >= 0 {
			d.s, d.values = s, s.Values
			d.warn("SOURCE", "the stanza never decides: %s has the same key and grants all that this one would", same[n].Title())
		} else if len(same) < maxSameKey {
			byKey[key] = append(same, s)
		}
	}
}

// covers reports whether the stanza a grants whatever b, which has the same keys, would
// grant. In doubt it does not.
func covers(a, b *conf.Stanza) bool {
	switch {
	case a.Shadow, a.DisableAccess != b.DisableAccess, a.AuthMethod != "",
		!netsCover(a.Source, b.Source),
		!a.Destination.IsZero() && (b.Destination.IsZero() || !netsCover(a.Destination, b.Destination)),
		a.Interface != "" && a.Interface != b.Interface,
		!a.Expires.IsZero() && (b.Expires.IsZero() || a.Expires.Before(b.Expires)),
		len(a.Windows) > 0 && !reflect.DeepEqual(a.Windows, b.Windows), !a.Uses.IsZero(),
		len(a.Usernames) > 0 && (len(b.Usernames) == 0 || !containsAll(a.Usernames, b.Usernames)),
		!a.OpenPortsAny && (b.OpenPortsAny || !containsAll(a.OpenPorts, b.OpenPorts)),
		!containsAll(b.RestrictPorts, a.RestrictPorts),
		a.MaxGrants != b.MaxGrants, b.CloseConnections && !a.CloseConnections, b.CmdExec && !a.CmdExec:
		return false
	}
	return reflect.DeepEqual(terms(a), terms(b))
}

// terms are the fields of a stanza that must be equal for one to cover another. What is
// opened for how long, and what is run, may differ: the first that grants decides.
func terms(s *conf.Stanza) []any {
	regex := func() string {
		if !s.CmdExec || s.CmdRegex == nil {
			return ""
		}
		return s.CmdRegex.String()
	}
	return []any{s.Dialect, s.EncryptionMode, s.HMACType, s.SourceAddress, s.PermitClientTimeout, s.ForwardAccess, s.ForwardAll,
		s.OutputAccess, s.InternalNets, s.ForceNAT, s.DisableDNAT, s.MaxAccessTimeout, s.GrantAddress, s.GrantPrefix, regex()}
}

func containsAll[T comparable](all, some []T) bool {
	return !slices.ContainsFunc(some, func(v T) bool { return !slices.Contains(all, v) })
}

// netsCover reports whether every address of b is in a. It compares entry by entry: two
// halves do not cover the whole.
func netsCover(a, b conf.Nets) bool {
	inside := func(whole []netip.Prefix, p netip.Prefix) bool {
		return slices.ContainsFunc(whole, func(w netip.Prefix) bool { return w.Bits() <= p.Bits() && w.Contains(p.Addr()) })
	}
	for _, p := range b.Include {
		if !inside(a.Include, p) {
			return false
		}
		for _, out := range a.Exclude {
			if out.Overlaps(p) && !inside(b.Exclude, out) {
				return false
			}
		}
	}
	return true
}
