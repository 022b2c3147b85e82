package knock

import (
	"slices"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// stanza is a conf.Stanza made ready.
type stanza struct {
	*conf.Stanza
	pass []byte // KEY, filled up where the file asks for it
}

// passphrase is the stanza's KEY as the key derivation takes it.
func passphrase(s *conf.Stanza) []byte {
	pass := slices.Clone(s.Key.Bytes())
	for s.KeyLegacyPad && len(pass) < legacySize {
		pass = append(pass, '0')
	}
	return pass
}

// concerns reports whether k can advance or end an attempt at the stanza that its
// source has begun.
func (s *stanza) concerns(k *knock) bool {
	return s.atUs(k) && !s.expired(k.now) && (s.Mode == conf.ModeShared || s.inWindow(k.port))
}

// startsWith reports whether p can be the first knock.
func (s *stanza) startsWith(p conf.Port) bool {
	if s.Mode == conf.ModeShared {
		return s.Sequence[0] == p
	}
	return s.inWindow(p)
}

// atUs reports whether the packet went to an address of the stanza and, as far as
// the record says, came in where RESTRICT_INTF wants it.
func (s *stanza) atUs(k *knock) bool {
	in := s.Interface == "" || k.ev.In == nil || string(k.ev.In) == s.Interface
	return in && (s.Destination.IsZero() || s.Destination.Contains(k.ev.Dst.Addr()))
}

func (s *stanza) expired(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

// inWindow reports whether p spells a byte of an encrypted sequence. TCP and UDP
// count alike: clients may alternate.
func (s *stanza) inWindow(p conf.Port) bool {
	n := int(p.Number) - int(s.PortOffset)
	return n >= 0 && n < window && p.Proto != uint8(parse.ICMP)
}

// window is how many ports an encrypted sequence uses, one for each value of a
// byte.
const window = 256

// armed is what the stanzas wait for.
type armed struct {
	start  portSet               // knocks that can begin a sequence
	any    portSet               // knocks that are part of one
	stanza map[conf.Port][]int32 // the stanzas that a knock is part of, in reading order
}

func arm(stanzas []stanza) *armed {
	a := &armed{stanza: make(map[conf.Port][]int32)}
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

// knocks returns everything the stanza waits for, in order if it has one.
func (s *stanza) knocks() []conf.Port {
	switch s.Mode {
	case conf.ModeShared:
		return s.Sequence
	case conf.ModeEncrypted:
		var all []conf.Port
		for b := range window {
			if n := int(s.PortOffset) + b; n < 1<<16 {
				all = append(all,
					conf.Port{Proto: uint8(parse.TCP), Number: uint16(n)},
					conf.Port{Proto: uint8(parse.UDP), Number: uint16(n)})
			}
		}
		return all
	}
	return nil
}

// A portSet is a set of knocks. Asking it costs one load and a shift.
type portSet struct {
	tcp, udp [1 << 16 / 64]uint64
	icmp     bool
}

func (s *portSet) add(p conf.Port) {
	switch parse.Proto(p.Proto) {
	case parse.TCP:
		s.tcp[p.Number/64] |= 1 << (p.Number % 64)
	case parse.UDP:
		s.udp[p.Number/64] |= 1 << (p.Number % 64)
	case parse.ICMP:
		s.icmp = true
	}
}

func (s *portSet) has(p conf.Port) bool {
	switch parse.Proto(p.Proto) {
	case parse.TCP:
		return s.tcp[p.Number/64]>>(p.Number%64)&1 != 0
	case parse.UDP:
		return s.udp[p.Number/64]>>(p.Number%64)&1 != 0
	}
	return s.icmp
}

// knockOf says what kind of knock a packet is. Not every packet is one: TCP
// segments need one of the classic flags, ICMP counts only as echo. What is no
// knock neither advances nor ends a sequence.
func knockOf(ev *parse.Event) (conf.Port, bool) {
	const flags = parse.FIN | parse.SYN | parse.RST | parse.PSH | parse.ACK | parse.URG
	switch ev.Proto {
	case parse.TCP:
		return conf.Port{Proto: uint8(parse.TCP), Number: ev.Dst.Port()}, ev.Flags&flags != 0
	case parse.UDP:
		return conf.Port{Proto: uint8(parse.UDP), Number: ev.Dst.Port()}, true
	case parse.ICMP:
		return conf.Port{Proto: uint8(parse.ICMP)}, ev.ICMPType == 0 || ev.ICMPType == 8
	case parse.ICMPv6:
		return conf.Port{Proto: uint8(parse.ICMP)}, ev.ICMPType == 128 || ev.ICMPType == 129
	}
	return conf.Port{}, false
}
