package parse

import (
	"bytes"
	"math"
	"net/netip"
)

// What a record can be besides an event.
var (
	errNoRecord    = &skip{ErrNotOurs, "no netfilter record in line"}
	errNoPacket    = &skip{ErrNotOurs, "netfilter record of something else than an IP packet"}
	errBridge      = &skip{ErrNotOurs, "record of ebtables, which lacks what an event needs"}
	errLater       = &skip{ErrNotOurs, "fragment without a transport header"}
	errIncomplete  = &skip{ErrNotOurs, "incomplete transport header"}
	errNoTransport = &skip{ErrNotOurs, "netfilter record that names no transport"}
	errRecord      = &skip{ErrMalformed, "malformed netfilter record"}
)

// Keys of the fields, in the order of a record. A value ends at a blank, so each
// key begins with one.
var (
	keyOUT    = newKey(" OUT=")
	keyMAC    = newKey(" MAC=")
	keySRC    = newKey(" SRC=")
	keyDST    = newKey(" DST=")
	keyLEN    = newKey(" LEN=")
	keyTOS    = newKey(" TOS=")
	keyPREC   = newKey(" PREC=0x")
	keyTTL    = newKey(" TTL=")
	keyTC     = newKey(" TC=")
	keyID     = newKey(" ID=")
	keyFRAG   = newKey(" FRAG:")
	keyOPT    = newKey(" OPT")
	keyPROTO  = newKey(" PROTO=")
	keySPT    = newKey(" SPT=")
	keyDPT    = newKey(" DPT=")
	keySEQ    = newKey(" SEQ=")
	keyACK    = newKey(" ACK=")
	keyWINDOW = newKey(" WINDOW=")
	keyRES    = newKey(" RES=0x")
	keyURGP   = newKey(" URGP=")
	keyTYPE   = newKey(" TYPE=")
	keyCODE   = newKey(" CODE=")
)

// A span is where a record and its first two fields lie in a line.
type span struct {
	start      int // of "IN="
	inLo, inHi int // the input interface
	fields     int // the blank behind the output interface
}

// maxIfname is the longest name of a Linux interface (IFNAMSIZ less its NUL).
const maxIfname = 15

// findRecord finds the first place at or behind from where a record begins, that
// is "IN=name OUT=name". A rule's prefix may be glued to it ("DROP:IN=eth0").
// Without a record fields says whether there was an "IN=" at all.
func findRecord(b []byte, from int) (span, bool) {
	for none := 0; ; none = 1 {
		k := indexIN(b, from)
		if k < 0 {
			return span{fields: none}, false
		}
		s := span{start: k, inLo: k + len("IN=")}
		s.inHi = ifname(b, s.inLo)
		if j := keyOUT.after(b, s.inHi); j != failed {
			if s.fields = ifname(b, j); s.fields != failed {
				if s.start > 0 && b[s.start-1] == 'S' {
					s.bridge(b)
				}
				return s, true
			}
		}
		from = s.inLo
	}
}

// indexIN returns where the first "IN=" at or behind from begins, -1 if there is none.
// The first equals sign of a line mostly is the one: no other byte is as rare.
func indexIN(b []byte, from int) int {
	for i := from + 2; i < len(b); i++ {
		k := bytes.IndexByte(b[i:], '=')
		if k < 0 {
			return -1
		}
		if i += k; b[i-1] == 'N' && b[i-2] == 'I' {
			return i - 2
		}
	}
	return -1
}

// bridge moves the beginning of a span from PHYSIN= to the IN= in front of it:
// Linux 2.4 writes "IN=br0 PHYSIN=eth0 OUT=br0 PHYSOUT=eth1".
func (s *span) bridge(b []byte) {
	before, ok := bytes.CutSuffix(b[:s.start], []byte(" PHYS"))
	if !ok {
		return
	}
	word := before[bytes.LastIndexByte(before, ' ')+1:]
	k := bytes.LastIndex(word, []byte("IN="))
	if k < 0 {
		return
	}
	lo := len(before) - len(word) + k + len("IN=")
	if ifname(before, lo) == len(before) {
		s.start, s.inLo, s.inHi = lo-len("IN="), lo, len(before)
	}
}

// ifname returns the end of the interface name at i, which may be empty. The
// kernel allows no blank, slash or colon in one. We allow no equals sign either:
// it would let the prefix "FW-IN=" pass for the field.
func ifname(b []byte, i int) int {
	for j := i; j <= i+maxIfname; j++ {
		if j >= len(b) {
			return j
		}
		switch b[j] {
		case ' ':
			return j
		case '/', ':', '=', '\t', 0x1b:
			return failed
		}
	}
	return failed
}

// record reads the record at s into ev, field by field in the order in which the
// kernel's nf_log_syslog.c writes them. It stops at the last field it needs: what
// follows in brackets is the packet that an ICMP error is about, and what follows
// the record, be it another one, says nothing about this one.
func record(b []byte, s span, ev *Event) error {
	ev.begin = s.start
	if s.inHi > s.inLo {
		ev.In = b[s.inLo:s.inHi]
	}
	i, err := linkLayer(b, s.fields)
	if err != nil {
		return err
	}
	src, i := address(b, keySRC.after(b, i))
	dst, i := address(b, keyDST.after(b, i))
	if i == failed || src.Is4() != dst.Is4() {
		return errRecord
	}
	ev.Src, ev.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	n, j := keyLEN.field(b, i, math.MaxUint16)
	if j == failed && after(b, i, " PROTO=ARP") != failed {
		return errNoPacket // ulogd's form of it
	}
	ev.Len = uint16(n)
	if src.Is4() {
		return ipv4Fields(b, j, ev)
	}
	return ipv6Fields(b, j, ev)
}

// linkLayer passes over the fields between the interfaces and the addresses and
// returns the index of the blank before SRC.
func linkLayer(b []byte, i int) (int, error) {
	if j := keyMAC.after(b, i); j != failed { // by far the most common
		if j = wordEnd(b, j); keySRC.opens(load(b, j)) {
			return j, nil
		}
	}
	i = skipField(b, i, " PHYSIN=")
	i = skipField(b, i, " PHYSOUT=")
	if j := keyMAC.after(b, i); j != failed {
		i = wordEnd(b, j) // empty if the packet has none
	} else {
		i = skipField(b, i, " MACSRC=")
		i = skipField(b, i, " MACDST=")
	}
	i = skipField(b, i, " VPROTO=")
	i = skipField(b, i, " VID=")
	i = skipField(b, i, " MACPROTO=")
	i = skipField(b, i, " TUNNEL=")
	switch {
	case keySRC.after(b, i) != failed:
		return i, nil
	case after(b, i, " ARP ") != failed, len(bytes.TrimRight(b[i:], " ")) == 0:
		return i, errNoPacket
	case after(b, i, " MAC source = ") != failed:
		return i, errBridge
	}
	return i, errRecord
}

// skipField passes over the field with this key, if it is there.
func skipField(b []byte, i int, k string) int {
	if j := after(b, i, k); j != failed {
		return wordEnd(b, j)
	}
	return i
}

// after returns the index behind the text k at i.
func after(b []byte, i int, k string) int {
	if j := i + len(k); j <= len(b) && string(b[i:j]) == k {
		return j
	}
	return failed
}

// wordEnd returns the index of the first blank at or behind i, or the line's end.
func wordEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], ' '); n >= 0 {
		return i + n
	}
	return len(b)
}
