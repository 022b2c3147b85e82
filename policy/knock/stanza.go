package knock

import (
	"slices"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/index"
)

// stanza is a conf.Stanza prepared for use.
type stanza struct {
	*conf.Stanza
	pass []byte // KEY, filled up
}

// passphrase returns the stanza's KEY as used for the key derivation. Clients fill it up
// whatever the dialect of the server's file; 2.6 has no sequences.
func passphrase(s *conf.Stanza) []byte { return fill(s.Key.Bytes()) }

// concerns reports whether k can advance or end an attempt at the stanza.
func (s *stanza) concerns(k *knock) bool {
	return s.destinationMatches(k) && !s.expired(k.now) && (s.Mode == conf.ModeShared || s.inWindow(k.port))
}

// startsWith reports whether p can be the first knock of the sequence.
func (s *stanza) startsWith(p conf.Port) bool {
	if s.Mode == conf.ModeShared {
		return len(s.Sequence) > 0 && s.Sequence[0] == p
	}
	return s.inWindow(p)
}

// hasKnock reports whether p is part of the sequence.
func (s *stanza) hasKnock(p conf.Port) bool {
	if s.Mode == conf.ModeShared {
		return slices.Contains(s.Sequence, p)
	}
	return s.inWindow(p)
}

// destinationMatches reports whether the packet's destination is in DESTINATION and its
// interface, if recorded, is that of RESTRICT_INTF.
func (s *stanza) destinationMatches(k *knock) bool {
	in := s.Interface == "" || k.ev.In == nil || string(k.ev.In) == s.Interface
	return in && (s.Destination.IsZero() || s.Destination.Contains(k.ev.Dst.Addr()))
}

func (s *stanza) expired(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

// inWindow reports whether p encodes a byte of an encrypted sequence, by TCP or UDP:
// clients may alternate.
func (s *stanza) inWindow(p conf.Port) bool {
	n := int(p.Number) - int(s.PortOffset)
	return n >= 0 && n < window && p.Proto != parse.ICMP
}

// window is how many ports an encrypted sequence uses, one for each value of a
// byte.
const window = 256

// A portIndex finds the stanzas that a knock is part of.
type portIndex struct {
	start  portSet               // knocks that can begin a sequence
	any    portSet               // knocks that are part of one
	stanza map[conf.Port][]int32 // the stanzas that a knock is part of, in reading order
}

func newPortIndex(stanzas []stanza) *portIndex {
	a := &portIndex{stanza: make(map[conf.Port][]int32)}
	for i := range stanzas {
		for n, p := range stanzas[i].knocks() {
			if n == 0 || stanzas[i].Mode == conf.ModeEncrypted {
				a.start.add(p)
			}
			a.any.add(p)
			if l := a.stanza[p]; len(l) == 0 || l[len(l)-1] != int32(i) {
				a.stanza[p] = append(l, int32(i))
			}
		}
	}
	return a
}

// knocks returns the knocks of the stanza, those of a shared sequence in order.
func (s *stanza) knocks() []conf.Port {
	switch s.Mode {
	case conf.ModeShared:
		return s.Sequence
	case conf.ModeEncrypted:
		var all []conf.Port
		for b := range window {
			if n := int(s.PortOffset) + b; n < 1<<16 {
				all = append(all,
					conf.Port{Proto: parse.TCP, Number: uint16(n)},
					conf.Port{Proto: parse.UDP, Number: uint16(n)})
			}
		}
		return all
	}
	return nil
}

// newFinder returns the stanzas with a sequence by their addresses.
func newFinder(stanzas []stanza) *index.Finder {
	f := new(index.Finder)
	for i := range stanzas {
		if s := &stanzas[i]; s.Mode != conf.ModeSPA {
			f.Add(i, &s.Source, &s.Destination)
		}
	}
	f.Link()
	return f
}

// A portSet is a set of knocks; a lookup is one load and a shift.
type portSet struct {
	tcp, udp [1 << 16 / 64]uint64
	icmp     bool
}

func (s *portSet) add(p conf.Port) {
	switch p.Proto {
	case parse.TCP:
		s.tcp[p.Number/64] |= 1 << (p.Number % 64)
	case parse.UDP:
		s.udp[p.Number/64] |= 1 << (p.Number % 64)
	case parse.ICMP:
		s.icmp = true
	}
}

func (s *portSet) has(p conf.Port) bool {
	switch p.Proto {
	case parse.TCP:
		return s.tcp[p.Number/64]>>(p.Number%64)&1 != 0
	case parse.UDP:
		return s.udp[p.Number/64]>>(p.Number%64)&1 != 0
	}
	return s.icmp
}

// Is reports whether a packet may be one of a sequence: see the package comment. [Tracker.Step] passes
// over others.
func Is(ev *parse.Event) bool {
	_, ok := knockOf(ev)
	return ok
}

// knockOf returns the knock that a packet is, if it is one.
func knockOf(ev *parse.Event) (conf.Port, bool) {
	if addr := ev.Src.Addr(); !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return conf.Port{}, false
	}
	const flags = parse.FIN | parse.SYN | parse.RST | parse.PSH | parse.ACK | parse.URG
	switch ev.Proto {
	case parse.TCP:
		return conf.Port{Proto: parse.TCP, Number: ev.Dst.Port()}, ev.Flags&flags != 0
	case parse.UDP:
		return conf.Port{Proto: parse.UDP, Number: ev.Dst.Port()}, true
	case parse.ICMP:
		return conf.Port{Proto: parse.ICMP}, ev.ICMPType == 0 || ev.ICMPType == 8
	case parse.ICMPv6:
		return conf.Port{Proto: parse.ICMP}, ev.ICMPType == 128 || ev.ICMPType == 129
	}
	return conf.Port{}, false
}
