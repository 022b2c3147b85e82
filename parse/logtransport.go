package parse

import (
	"bytes"
	"math"
	"net/netip"
)

// transport reads PROTO and what the event needs behind it. The kernel names the
// protocols it knows the header of and numbers the others.
func transport(b []byte, i int, ev *Event) error {
	j := keyPROTO.after(b, i)
	if j == failed {
		if stopsShort(b, i) {
			return errNoTransport
		}
		return errRecord
	}
	end := wordEnd(b, j)
	switch string(b[j:end]) {
	case "TCP":
		return tcpFields(b, end, ev)
	case "UDP":
		return udpFields(b, end, ev)
	case "ICMP":
		return icmpFields(b, end, ICMP, ev)
	case "ICMPv6":
		return icmpFields(b, end, ICMPv6, ev)
	}
	return otherProto(b[j:end], ev)
}

// The other protocols that a logger names.
const (
	protoESP     Proto = 50
	protoAH      Proto = 51
	protoSCTP    Proto = 132
	protoUDPLite Proto = 136
)

// otherProto takes a protocol without ports or types of its own in an Event.
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
	case "ARP":
		return errNoPacket
	default:
		n, i := number(name, 0, math.MaxUint8)
		if i != len(name) {
			return errRecord
		}
		return numberedProto(Proto(n), ev)
	}
	return nil
}

// numberedProto takes a protocol that the kernel has no name for. TCP and UDP are
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

// incomplete tells a header that was cut short on the wire from a broken record.
func incomplete(b []byte, i int) error {
	if after(b, i, " INCOMPLETE") != failed {
		return errIncomplete
	}
	return errRecord
}

// ports reads SPT and DPT into ev.
func ports(b []byte, i int, ev *Event) int {
	spt, i := number(b, keySPT.after(b, i), math.MaxUint16)
	dpt, i := number(b, keyDPT.after(b, i), math.MaxUint16)
	ev.Src = netip.AddrPortFrom(ev.Src.Addr(), uint16(spt))
	ev.Dst = netip.AddrPortFrom(ev.Dst.Addr(), uint16(dpt))
	return i
}

// udpFields reads SPT= DPT= LEN=.
func udpFields(b []byte, i int, ev *Event) error {
	j := ports(b, i, ev)
	_, j = number(b, keyLEN.after(b, j), math.MaxUint16)
	if endOfWord(b, j) == failed {
		return incomplete(b, i)
	}
	ev.Proto = UDP
	return nil
}

// icmpFields reads TYPE= CODE= and nothing behind them: what stands in brackets
// there is somebody else's packet.
func icmpFields(b []byte, i int, p Proto, ev *Event) error {
	typ, j := number(b, keyTYPE.after(b, i), math.MaxUint8)
	code, j := number(b, keyCODE.after(b, j), math.MaxUint8)
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
// where only ulogd leaves out RES.
func tcpFields(b []byte, i int, ev *Event) error {
	j := ports(b, i, ev)
	if keySEQ.opens(load(b, j)) {
		var seq, ack uint64
		seq, j = number(b, keySEQ.after(b, j), math.MaxUint32)
		ack, j = number(b, keyACK.after(b, j), math.MaxUint32)
		ev.Seq, ev.Ack, ev.HasSeq = uint32(seq), uint32(ack), true
	}
	window, j := number(b, keyWINDOW.after(b, j), math.MaxUint16)
	if k := keyRES.after(b, j); k != failed {
		var res uint8
		res, j = hexByte(b, k)
		ev.Reserved = res >> 2 & 0xf // the kernel writes the four bits shifted up by two
	}
	j = flags(b, j, ev)
	urgent, j := number(b, keyURGP.after(b, j), math.MaxUint16)
	if endOfWord(b, j) == failed {
		return incomplete(b, i)
	}
	ev.Proto, ev.Window, ev.Urgent = TCP, uint16(window), uint16(urgent)
	return tcpOptions(b, j, ev)
}

// flagNames are the words for the control bits, with the blanks around them.
var flagNames = [...]struct {
	word key
	bit  TCPFlags
}{
	{' ' | 'S'<<8 | 'Y'<<16 | 'N'<<24 | ' '<<32, SYN},
	{' ' | 'A'<<8 | 'C'<<16 | 'K'<<24 | ' '<<32, ACK},
	{' ' | 'R'<<8 | 'S'<<16 | 'T'<<24 | ' '<<32, RST},
	{' ' | 'F'<<8 | 'I'<<16 | 'N'<<24 | ' '<<32, FIN},
	{' ' | 'P'<<8 | 'S'<<16 | 'H'<<24 | ' '<<32, PSH},
	{' ' | 'U'<<8 | 'R'<<16 | 'G'<<24 | ' '<<32, URG},
	{' ' | 'E'<<8 | 'C'<<16 | 'E'<<24 | ' '<<32, ECE},
	{' ' | 'C'<<8 | 'W'<<16 | 'R'<<24 | ' '<<32, CWR},
}

// keyAE is the accurate ECN bit (RFC 9768), the lowest of the reserved ones until
// 2025; newer kernels name it before the others.
const keyAE key = ' ' | 'A'<<8 | 'E'<<16 | ' '<<24

// flags reads the names of the control bits that are set, each at most once.
func flags(b []byte, i int, ev *Event) int {
	if keyAE.opens(load(b, i)) {
		ev.Reserved |= 1
		i += 3
	}
next:
	for {
		w := load(b, i)
		for _, f := range flagNames {
			if f.word.opens(w) && ev.Flags&f.bit == 0 {
				ev.Flags |= f.bit
				i += 4
				continue next
			}
		}
		return i
	}
}

// smallestOptions is the least room that TCP options take: the header's length is
// counted in words of four bytes.
const smallestOptions = 4

// tcpOptions reads the options behind URGP. The rule may not log them, so none in
// the record means none in the packet only if they would not have fitted.
func tcpOptions(b []byte, i int, ev *Event) error {
	i = keyOPT.after(b, i)
	if i == failed {
		headers := uint16(20 + 20)
		if ev.Src.Addr().Is6() {
			headers = 40 + 20
		}
		ev.HasOptions = headers <= ev.Len && ev.Len < headers+smallestOptions
		return nil
	}
	if after(b, i, " (TRUNCATED)") != failed {
		return nil
	}
	n, j := optionBytes(b, i, &ev.opt)
	if j == failed {
		return errRecord
	}
	ev.nopt, ev.HasOptions = uint8(n), true
	return nil
}

// optionBytes reads the " (hex)" behind OPT into dst and returns how many bytes it
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
