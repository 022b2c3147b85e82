package knock

import (
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// window is how many ports an encrypted sequence uses, one for each value of a
// byte.
const window = 256

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
