package parse

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
)

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
next:
	for w := load(b, i); !keyURGP.isPrefixOf(w); w = load(b, i) {
		for n := range flagNames {
			f := &flagNames[n]
			if f.word.isPrefixOf(w) && ev.Flags&f.bit == 0 {
				ev.Flags |= f.bit
				i += 4
				continue next
			}
		}
		break
	}
	return i
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
	if digits <= 0 || digits%2 != 0 {
		return 0, failed
	}
	src := b[i : i+digits]
	for ; len(src)-2*n >= 8; n += 4 {
		v, ok := hexWord(binary.LittleEndian.Uint64(src[2*n:]))
		if !ok {
			return 0, failed
		}
		binary.LittleEndian.PutUint32(dst[n:], v)
	}
	for j := 2 * n; j < len(src); n++ {
		if dst[n], j = hexByte(src, j); j == failed {
			return 0, failed
		}
	}
	return n, i + digits + 1
}
