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
	errLater       = &skip{ErrNotOurs, "fragment without a transport header"}
	errIncomplete  = &skip{ErrNotOurs, "incomplete transport header"}
	errNoTransport = &skip{ErrNotOurs, "netfilter record that names no transport"}
	errRecord      = &skip{ErrMalformed, "malformed netfilter record"}
)

// Keys of the fields, in the order of a record. A value ends at a blank, so each
// key but the first begins with one.
const (
	keyMAC    key = ' ' | 'M'<<8 | 'A'<<16 | 'C'<<24 | '='<<32
	keySRC    key = ' ' | 'S'<<8 | 'R'<<16 | 'C'<<24 | '='<<32
	keyDST    key = ' ' | 'D'<<8 | 'S'<<16 | 'T'<<24 | '='<<32
	keyLEN    key = ' ' | 'L'<<8 | 'E'<<16 | 'N'<<24 | '='<<32
	keyTOS    key = ' ' | 'T'<<8 | 'O'<<16 | 'S'<<24 | '='<<32
	keyPREC   key = ' ' | 'P'<<8 | 'R'<<16 | 'E'<<24 | 'C'<<32 | '='<<40 | '0'<<48 | 'x'<<56
	keyTTL    key = ' ' | 'T'<<8 | 'T'<<16 | 'L'<<24 | '='<<32
	keyTC     key = ' ' | 'T'<<8 | 'C'<<16 | '='<<24
	keyID     key = ' ' | 'I'<<8 | 'D'<<16 | '='<<24
	keyCE     key = ' ' | 'C'<<8 | 'E'<<16
	keyDF     key = ' ' | 'D'<<8 | 'F'<<16
	keyMF     key = ' ' | 'M'<<8 | 'F'<<16
	keyFRAG   key = ' ' | 'F'<<8 | 'R'<<16 | 'A'<<24 | 'G'<<32 | ':'<<40
	keyOPT    key = ' ' | 'O'<<8 | 'P'<<16 | 'T'<<24
	keyPROTO  key = ' ' | 'P'<<8 | 'R'<<16 | 'O'<<24 | 'T'<<32 | 'O'<<40 | '='<<48
	keySPT    key = ' ' | 'S'<<8 | 'P'<<16 | 'T'<<24 | '='<<32
	keyDPT    key = ' ' | 'D'<<8 | 'P'<<16 | 'T'<<24 | '='<<32
	keySEQ    key = ' ' | 'S'<<8 | 'E'<<16 | 'Q'<<24 | '='<<32
	keyACK    key = ' ' | 'A'<<8 | 'C'<<16 | 'K'<<24 | '='<<32
	keyWINDOW key = ' ' | 'W'<<8 | 'I'<<16 | 'N'<<24 | 'D'<<32 | 'O'<<40 | 'W'<<48 | '='<<56
	keyRES    key = ' ' | 'R'<<8 | 'E'<<16 | 'S'<<24 | '='<<32 | '0'<<40 | 'x'<<48
	keyURGP   key = ' ' | 'U'<<8 | 'R'<<16 | 'G'<<24 | 'P'<<32 | '='<<40
	keyTYPE   key = ' ' | 'T'<<8 | 'Y'<<16 | 'P'<<24 | 'E'<<32 | '='<<40
	keyCODE   key = ' ' | 'C'<<8 | 'O'<<16 | 'D'<<24 | 'E'<<32 | '='<<40
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
func findRecord(b []byte, from int) (span, bool) {
	for {
		k := bytes.Index(b[from:], []byte("IN="))
		if k < 0 {
			return span{}, false
		}
		s := span{start: from + k, inLo: from + k + 3}
		s.inHi = ifname(b, s.inLo)
		if j := after(b, s.inHi, " OUT="); j != failed {
			if s.fields = ifname(b, j); s.fields != failed {
				return s, true
			}
		}
		from = s.inLo
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
		case ' ', '\t':
			return j
		case '/', ':', '=':
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
	n, i := number(b, keyLEN.after(b, i), math.MaxUint16)
	ev.Len = uint16(n)
	if src.Is4() {
		return ipv4Fields(b, i, ev)
	}
	return ipv6Fields(b, i, ev)
}

// linkLayer passes over the fields between the interfaces and the addresses and
// returns the index of the blank before SRC.
func linkLayer(b []byte, i int) (int, error) {
	i = skipField(b, i, " PHYSIN=")
	i = skipField(b, i, " PHYSOUT=")
	if j := keyMAC.after(b, i); j != failed {
		i = wordEnd(b, j) // empty if the packet has none
	} else {
		i = skipField(b, i, " MACSRC=")
		i = skipField(b, i, " MACDST=")
	}
	if keySRC.opens(load(b, i)) {
		return i, nil
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
