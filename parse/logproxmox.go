package parse

import "bytes"

// The log of Proxmox VE's firewall, /var/log/pve-firewall.log, is written by its
// pvefw-logger from NFLOG messages:
//
//	101 6 tap101i0-IN 27/Nov/2026:21:00:05 +0100 policy DROP: IN=fwbr101i0 …
//
// Its records have no interface that the packet has not, no RES, URGP only where
// there is urgent data, FLOWLBL before HOPLIMIT, and as LEN of an IPv6 packet
// that of its payload.

// findProxmox finds the record in a line of Proxmox's that findRecord finds none in,
// since only one interface is named.
func findProxmox(b []byte) (span, bool) {
	from := afterProxmoxHead(b)
	if from == failed {
		return span{}, false
	}
	for i := from; i < len(b); i++ {
		if b[i] != '=' || i > from+maxPrefix+len("OUT=") {
			continue
		}
		s := span{start: failed}
		switch {
		case bytes.HasSuffix(b[from:i], []byte("IN")):
			s.start, s.inLo = i-len("IN"), i+1
			s.inHi = ifname(b, i+1)
			s.fields = s.inHi
		case bytes.HasSuffix(b[from:i], []byte("OUT")):
			s.start, s.fields = i-len("OUT"), ifname(b, i+1)
		}
		if s.start != failed && s.fields != failed && packetFieldAt(b, s.fields) {
			return s, true
		}
	}
	return span{}, false
}

// afterProxmoxHead returns the end of the head of a line of Proxmox's, which grep may
// have prefixed with a file name.
func afterProxmoxHead(b []byte) int {
	var s stamp
	from := s.proxmox(b, 0)
	for i := 1; from == failed && i < len(b) && i < maxFileName; i++ {
		if !isSeparator(b[i-1]) || b[i]-'0' > 9 {
			continue
		}
		if from = s.proxmox(b, i); from != failed && !mayBeFileName(b[:i]) {
			return failed
		}
	}
	return from
}

// proxmox reads the head of a line of it, up to the message.
func (s *stamp) proxmox(b []byte, i int) int {
	const maxGuest, maxLevel = 999999999, 7
	_, i = number(b, i, maxGuest)
	_, i = number(b, after(b, i, " "), maxLevel)
	i = after(b, i, " ")
	if i == failed {
		return failed
	}
	i = s.clf(b, after(b, wordEnd(b, i), " "))
	return after(b, s.checkDay(i), " ")
}

// packetFieldAt reports whether one of the fields that may follow the interfaces is at i.
func packetFieldAt(b []byte, i int) bool {
	return keyMAC.after(b, i) != failed || keySRC.after(b, i) != failed || after(b, i, " PHYS") != failed
}

// flowLabelFirst reads HOPLIMIT and FLOWLBL in Proxmox's order, from the end of TC on.
func flowLabelFirst(b []byte, i int, ev *Event) (hops uint64, next int) {
	_, i = number(b, after(b, i, " FLOWLBL="), 1<<20-1)
	hops, i = number(b, after(b, i, " HOPLIMIT="), 255)
	if i == failed || ev.Len > 1<<16-1-ipv6Header {
		return 0, failed
	}
	ev.Len += ipv6Header
	return hops, i
}

// endsWithFlags reports whether a TCP record whose flags end at i is one of
// Proxmox's: nothing but the options follows, and RES was not there.
// The last flag may have lost its blank.
func endsWithFlags(b []byte, i int, ev *Event) bool {
	if i == failed {
		return false
	}
	rest := bytes.TrimRight(b[i:], " ")
	if len(rest) == len(" SYN") {
		for n := range flagNames {
			if string(rest[1:]) == flagNames[n].name && rest[0] == ' ' && ev.Flags&flagNames[n].bit == 0 {
				ev.Flags |= flagNames[n].bit
				return true
			}
		}
	}
	return ev.Flags != 0 && (len(rest) == 0 || keyOPT.after(b, i) != failed)
}
