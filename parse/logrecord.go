package parse

import (
	"bytes"
	"math"
	"net/netip"
)

// Why a record gives no event.
var (
	errNoRecord      = &skipError{ErrNotOurs, "no netfilter record in line"}
	errNoPacket      = &skipError{ErrNotOurs, "netfilter record of something else than an IP packet"}
	errEbtables      = &skipError{ErrNotOurs, "record of ebtables, which lacks what an event needs"}
	errLaterFragment = &skipError{ErrNotOurs, "fragment without a transport header"}
	errIncomplete    = &skipError{ErrNotOurs, "incomplete transport header"}
	errNoTransport   = &skipError{ErrNotOurs, "netfilter record that names no transport"}
	errRecord        = &skipError{ErrMalformed, "malformed netfilter record"}
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
	fields     int // the blank after the output interface
}

// maxIfname is the longest name of a Linux interface (IFNAMSIZ less its NUL).
const maxIfname = 15

// findRecord finds the first place at or after from where a record begins, that
// is "IN=name OUT=name". A rule's prefix may come directly before it ("DROP:IN=eth0").
// Without a record, fields is 1 if there was an "IN=" at all, else 0.
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

// indexIN returns where the first "IN=" at or after from begins, -1 if there is none.
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

// bridge moves the beginning of a span from PHYSIN= to the IN= before it: Linux 2.4
// writes "IN=br0 PHYSIN=eth0 OUT=br0 PHYSOUT=eth1".
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
// kernel's nf_log_syslog.c writes them. It stops at the last field it needs: in
// brackets follows the packet that an ICMP error quotes, and what comes after the record,
// even another one, does not belong to it.
func record(b []byte, s span, ev *Event) error {
	ev.recordStart = s.start
	if s.inHi > s.inLo {
		ev.In = b[s.inLo:s.inHi]
	}
	i, err := linkLayer(b, s.fields)
	if err != nil {
		return err
	}
	ev.heading = keySRC.after(b, i)
	return packet(b, ev.heading, nil, ev)
}

// packet reads the record from its source address on. last may know the destination.
func packet(b []byte, i int, last *destination, ev *Event) error {
	src, i := address(b, i)
	var dst netip.Addr
	if last != nil {
		dst, i = last.read(b, i)
	} else {
		dst, i = address(b, keyDST.after(b, i))
	}
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
		if j = wordEnd(b, j); keySRC.isPrefixOf(load(b, j)) {
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
		return i, errEbtables
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

// ipv4Fields reads an IPv4 header from the end of LEN on:
//
//	TOS=0x00 PREC=0x00 TTL=64 ID=1 [CE] [DF] [MF] [FRAG:n] [OPT (hex)] PROTO=
//
// ulogd writes the type of service without 0x.
func ipv4Fields(b []byte, i int, ev *Event) error {
	i = keyTOS.after(b, i)
	if j := after(b, i, "0x"); j != failed {
		i = j
	}
	_, i = hexByte(b, i)
	_, i = hexByte(b, keyPREC.after(b, i))
	ttl, i := keyTTL.field(b, i, math.MaxUint8)
	id, i := keyID.field(b, i, math.MaxUint16)
	if i == failed {
		return errRecord
	}
	ev.TTL, ev.ID = uint8(ttl), uint16(id)
	if keyPROTO.isPrefixOf(load(b, i)) {
		return transport(b, i, ev)
	}
	i, later := fragmentation(b, i, ev)
	if j := keyOPT.after(b, i); j != failed {
		var opt [MaxOptions]byte
		ev.IPOptions = true
		_, i = optionBytes(b, j, &opt)
	}
	if later && i != failed {
		return errLaterFragment
	}
	return transport(b, i, ev)
}

// The flags of the IPv4 header, with the blanks around them. CE is the reserved bit.
var (
	flagCE = newKey(" CE ")
	flagDF = newKey(" DF ")
	flagMF = newKey(" MF ")
)

// fragmentation reads the flags of the IPv4 header and the fragment offset.
func fragmentation(b []byte, i int, ev *Event) (next int, later bool) {
	for {
		w := load(b, i)
		switch {
		case flagDF.isPrefixOf(w):
			ev.DF = true
		case flagMF.isPrefixOf(w):
			ev.Fragment = true
		case !flagCE.isPrefixOf(w):
			if j := keyFRAG.after(b, i); j != failed {
				var n uint64
				n, i = number(b, j, 0x1fff)
				return i, n > 0
			}
			return i, false
		}
		i += flagDF.width - 1
	}
}

// ipv6Fields reads an IPv6 header from the end of LEN on:
//
//	TC=0 HOPLIMIT=64 FLOWLBL=1 [extension headers] PROTO=
func ipv6Fields(b []byte, i int, ev *Event) error {
	_, i = keyTC.field(b, i, math.MaxUint8)
	ttl, j := number(b, after(b, i, " HOPLIMIT="), math.MaxUint8)
	_, j = number(b, after(b, j, " FLOWLBL="), 1<<20-1)
	if j == failed {
		ttl, j = flowLabelFirst(b, i, ev)
	}
	if i = j; i == failed {
		return errRecord
	}
	ev.TTL = uint8(ttl)
	if keyPROTO.isPrefixOf(load(b, i)) {
		return transport(b, i, ev)
	}
	i, later := extensionHeaders(b, i, ev)
	if later {
		return errLaterFragment
	}
	return transport(b, i, ev)
}

// extensionHeaders passes over IPv6 extension headers. Each shows as "OPT ( … )"
// if the rule logs IP options, and else not at all, but for a fragment header:
//
//	OPT ( ) OPT ( AH SPI=0x1 ) OPT ( FRAG:0 INCOMPLETE ID:0000002a )
//
// INCOMPLETE there means that more fragments follow.
func extensionHeaders(b []byte, i int, ev *Event) (next int, later bool) {
	for {
		if j := after(b, i, " OPT ("); j != failed {
			i = j
		} else if j := after(b, i, " AH SPI=0x"); j != failed {
			i = wordEnd(b, j)
		} else if j := after(b, i, " )"); j != failed {
			i = j
		} else if j := keyFRAG.after(b, i); j != failed {
			if i, later = ipv6Fragment(b, j, ev); later || i == failed {
				return i, later
			}
		} else {
			return i, false
		}
	}
}

// ipv6Fragment reads the fragment header after "FRAG:". ulogd puts blanks after
// its colons.
func ipv6Fragment(b []byte, i int, ev *Event) (next int, later bool) {
	n, i := number(b, skipBlank(b, i), math.MaxUint16)
	if j := after(b, i, " INCOMPLETE"); j != failed {
		ev.Fragment = true
		i = j
	}
	i = after(b, i, " ID:")
	if i == failed {
		return failed, false
	}
	return wordEnd(b, skipBlank(b, i)), n > 0
}
