package fingerprint

import (
	"strconv"

	"fwknopd/parse"
)

// AppendSignature appends the SYN's own signature, of six fields, in the syntax of
// the file: numbers as seen, but a window that is a multiple of the MSS or of the
// MSS+40 is written so, and the TTL is the likely initial one. Loaded again, it
// fits that SYN, at a distance limit of [DefaultMaxHops] unless its TTL is too far from
// any that systems start with. It appends nothing if ev is not a SYN or its options are
// not known.
func AppendSignature(dst []byte, ev *parse.Event) []byte {
	if !isSYN(ev) || !ev.HasOptions {
		return dst
	}
	var s syn
	s.decode(ev)
	dst = s.appendWindow(dst)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(initialTTL(s.ttl)), 10)
	dst = append(dst, ':', "01*"[s.df], ':')
	dst = strconv.AppendUint(dst, uint64(s.size), 10)
	dst = append(dst, ':')
	dst = s.appendOptions(dst)
	dst = append(dst, ':')
	return s.quirks.appendTo(dst)
}

func (s *syn) appendWindow(dst []byte) []byte {
	switch mss, mtu := s.windowIn[timesMSS], s.windowIn[timesMTU]; {
	case mss != 0:
		return strconv.AppendUint(append(dst, 'S'), uint64(mss), 10)
	case mtu != 0:
		return strconv.AppendUint(append(dst, 'T'), uint64(mtu), 10)
	}
	return strconv.AppendUint(dst, uint64(s.window), 10)
}

// initialTTL returns the TTL that a packet most likely started with. One of 1 was meant
// to go no further (BGP, traceroute).
func initialTTL(ttl uint8) uint8 {
	switch {
	case ttl <= 1:
		return 1
	case ttl <= 32:
		return 32
	case ttl <= 64:
		return 64
	case ttl <= 128:
		return 128
	default:
		return 255
	}
}

func (s *syn) appendOptions(dst []byte) []byte {
	start := len(dst)
	for i, kind := range s.layout.kind[:s.layout.n] {
		dst = s.appendOption(dst, kind, s.value[i])
		dst = append(dst, ',')
	}
	ends := s.tail
	if !s.zeroTail {
		ends = 1
	}
	for range ends {
		dst = append(dst, 'E', ',')
	}
	if len(dst) == start {
		return append(dst, '.')
	}
	return dst[:len(dst)-1]
}

func (s *syn) appendOption(dst []byte, kind uint8, value uint16) []byte {
	switch kind {
	case kindNOP:
		return append(dst, 'N')
	case kindSACKPermitted:
		return append(dst, 'S')
	case kindTimestamp:
		if value == 0 {
			return append(dst, 'T', '0')
		}
		return append(dst, 'T')
	case kindMSS:
		dst = append(dst, 'M')
	case kindScale:
		dst = append(dst, 'W')
	default:
		dst, value = append(dst, '?'), uint16(kind)
	}
	return strconv.AppendUint(dst, uint64(value), 10)
}
