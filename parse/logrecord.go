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

// The protocols whose fields an event holds, by name, with the blank after it.
var (
	nameTCP    = newKey("TCP ")
	nameUDP    = newKey("UDP ")
	nameICMP   = newKey("ICMP ")
	nameICMPv6 = newKey("ICMPv6 ")
)

// transport reads PROTO and what the event needs after it. The kernel names the
// protocols it knows the header of and numbers the others.
func transport(b []byte, i int, ev *Event) error {
	j := keyPROTO.after(b, i)
	if j == failed {
		if endsEarly(b, i, ev.Src.Addr().Is6()) {
			return errNoTransport
		}
		return errRecord
	}
	switch w := load(b, j); {
	case nameTCP.isPrefixOf(w):
		return tcpFields(b, j+3, ev)
	case nameUDP.isPrefixOf(w):
		return udpFields(b, j+3, ev)
	case nameICMP.isPrefixOf(w):
		return icmpFields(b, j+4, ICMP, ev)
	case nameICMPv6.isPrefixOf(w):
		return icmpFields(b, j+6, ICMPv6, ev)
	}
	return otherProto(b[j:wordEnd(b, j)], ev)
}

// endsEarly reports whether a record ends at i for a reason that the kernel logs or, for
// an encrypted IPv6 payload, does not log.
func endsEarly(b []byte, i int, v6 bool) bool {
	if i == failed {
		return false
	}
	rest := bytes.TrimLeft(b[i:], " ")
	for _, reason := range []string{"TRUNCATED", "ESP ", "INCOMPLETE ", "Unknown Ext Hdr "} {
		if after(rest, 0, reason) != failed {
			return true
		}
	}
	return v6 && len(rest) == 0
}

// The other protocols that a logger names.
const (
	protoESP     Proto = 50
	protoAH      Proto = 51
	protoSCTP    Proto = 132
	protoUDPLite Proto = 136
)

// otherProto sets a protocol that has neither ports nor types in an Event.
func otherProto(name []byte, ev *Event) error {
	switch string(name) {
	case "UDPLITE":
		ev.Proto = protoUDPLite
	case "ESP":
		ev.Proto = protoESP
	case "AH":
		ev.Proto = protoAH
	case "SCTP":
		ev.Proto = protoSCTP
	default:
		n, i := number(name, 0, math.MaxUint8)
		if i != len(name) {
			return errRecord
		}
		return numberedProto(Proto(n), ev)
	}
	return nil
}

// numberedProto sets a protocol that the kernel has no name for. TCP and UDP are
// never written so; ICMP is, in the wrong family, and then has no fields.
func numberedProto(p Proto, ev *Event) error {
	switch p {
	case TCP, UDP:
		return errRecord
	case ICMP, ICMPv6:
		return errNoTransport
	}
	ev.Proto = p
	return nil
}

// udpFields reads SPT= DPT= LEN=.
func udpFields(b []byte, i int, ev *Event) error {
	j := ports(b, i, ev)
	_, j = keyLEN.field(b, j, math.MaxUint16)
	if endOfWord(b, j) == failed {
		return incomplete(b, i)
	}
	ev.Proto = UDP
	return nil
}

// icmpFields reads TYPE= CODE= and nothing after them: the brackets there hold the packet
// that the ICMP error quotes.
func icmpFields(b []byte, i int, p Proto, ev *Event) error {
	typ, j := keyTYPE.field(b, i, math.MaxUint8)
	code, j := keyCODE.field(b, j, math.MaxUint8)
	if endOfWord(b, j) == failed {
		return incomplete(b, i)
	}
	if after(b, j, " INCOMPLETE") != failed {
		return errIncomplete
	}
	ev.Proto, ev.ICMPType, ev.ICMPCode = p, uint8(typ), uint8(code)
	return nil
}

// tcpFields reads, in this order,
//
//	SPT= DPT= [SEQ= ACK=] WINDOW= [RES=0x] flags URGP= [OPT (hex)]
//
// where only ulogd leaves out RES, and Proxmox URGP as well.
func tcpFields(b []byte, i int, ev *Event) error {
	j := ports(b, i, ev)
	if keySEQ.isPrefixOf(load(b, j)) {
		var seq, ack uint64
		seq, j = keySEQ.field(b, j, math.MaxUint32)
		ack, j = keyACK.field(b, j, math.MaxUint32)
		ev.Seq, ev.Ack, ev.HasSeq = uint32(seq), uint32(ack), true
	}
	window, j := keyWINDOW.field(b, j, math.MaxUint16)
	reserved := keyRES.after(b, j)
	if reserved != failed {
		var res uint8
		res, j = hexByte(b, reserved)
		ev.Reserved = res >> 2 & 0xf // the kernel writes the four bits shifted up by two
	}
	behind := flags(b, j, ev)
	urgent, j := keyURGP.field(b, behind, math.MaxUint16)
	if endOfWord(b, j) == failed {
		if reserved != failed || !endsWithFlags(b, behind, ev) {
			return incomplete(b, i)
		}
		j = behind
	}
	ev.Proto, ev.Window, ev.Urgent = TCP, uint16(window), uint16(urgent)
	return tcpOptions(b, j, ev)
}

// incomplete returns the error for missing fields: a header that was cut short on the
// wire, or a broken record.
func incomplete(b []byte, i int) error {
	if after(b, i, " INCOMPLETE") != failed {
		return errIncomplete
	}
	return errRecord
}

// ports reads SPT and DPT into ev.
func ports(b []byte, i int, ev *Event) int {
	spt, i := keySPT.field(b, i, math.MaxUint16)
	dpt, i := keyDPT.field(b, i, math.MaxUint16)
	ev.Src = netip.AddrPortFrom(ev.Src.Addr(), uint16(spt))
	ev.Dst = netip.AddrPortFrom(ev.Dst.Addr(), uint16(dpt))
	return i
}

// flagNames are the words for the control bits, with the blanks around them, the
// common ones first.
var flagNames = [...]struct {
	name string
	word key
	bit  TCPFlags
}{
	{"SYN", newKey(" SYN "), SYN},
	{"ACK", newKey(" ACK "), ACK},
	{"RST", newKey(" RST "), RST},
	{"FIN", newKey(" FIN "), FIN},
	{"PSH", newKey(" PSH "), PSH},
	{"URG", newKey(" URG "), URG},
	{"ECE", newKey(" ECE "), ECE},
	{"CWR", newKey(" CWR "), CWR},
}

// flagAE is the accurate ECN bit (RFC 9768), the lowest of the four that used to be
// reserved. Kernels that know it name it before the others.
var flagAE = newKey(" AE ")

// flags reads the names of the control bits that are set, each at most once.
func flags(b []byte, i int, ev *Event) int {
	if flagAE.isPrefixOf(load(b, i)) {
		ev.Reserved |= 1
		i += 3
	}
	for {
		w := load(b, i)
		if keyURGP.isPrefixOf(w) {
			return i
		}
		bit := flag(w)
		if bit == 0 || ev.Flags&bit != 0 {
			return i
		}
		ev.Flags |= bit
		i += 4
	}
}

// flag returns the control bit whose name the word w begins with, 0 if none.
func flag(w uint64) TCPFlags {
	for i := range flagNames {
		if flagNames[i].word.isPrefixOf(w) {
			return flagNames[i].bit
		}
	}
	return 0
}

// minOptions is the least room that TCP options take: the header's length is
// counted in words of four bytes.
const minOptions = 4

// tcpOptions reads the options after URGP. The rule may not log them, so none in
// the record means none in the packet only if they would not have fitted.
func tcpOptions(b []byte, i int, ev *Event) error {
	i = keyOPT.after(b, i)
	if i == failed {
		headers := uint16(20 + 20)
		if ev.Src.Addr().Is6() {
			headers = 40 + 20
		}
		ev.HasOptions = headers <= ev.Len && ev.Len < headers+minOptions
		return nil
	}
	n, j := optionBytes(b, i, &ev.opt)
	if j == failed {
		if after(b, i, " (TRUNCATED)") != failed {
			return nil
		}
		return errRecord
	}
	ev.nopt, ev.HasOptions = uint8(n), true
	return nil
}

// optionBytes reads the " (hex)" after OPT into dst and returns how many bytes it
// held.
func optionBytes(b []byte, i int, dst *[MaxOptions]byte) (n, next int) {
	i = after(b, i, " (")
	if i == failed {
		return 0, failed
	}
	digits := bytes.IndexByte(b[i:min(len(b), i+2*MaxOptions+1)], ')')
	if digits <= 0 || digits%2 != 0 || !decodeHex(dst[:digits/2], b[i:i+digits]) {
		return 0, failed
	}
	return digits / 2, i + digits + 1
}
