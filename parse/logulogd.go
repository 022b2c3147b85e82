package parse

import (
	"bytes"
	"math"
	"net/netip"
	"time"
)

// ulogdPacket holds the fields of ulogd's JSON output for a packet. Numbers are -1
// where there is none.
type ulogdPacket struct {
	src, dst       netip.Addr
	sport, dport   int64
	number         [ulogdNumbers]int64
	stamp          []byte
	prefix, inName []byte
}

// errFields: a record of ulogd's JSON that contradicts itself or lacks a field.
var errFields = &skipError{ErrMalformed, "malformed ulogd record"}

// The numbers of a ulogdPacket.
const (
	ulogdProto = iota
	ulogdLen
	ulogdTTL
	ulogdID
	ulogdFragment
	ulogdIHL
	ulogdSeq
	ulogdAck
	ulogdWindow
	ulogdOffset
	ulogdUrgent
	ulogdReserved
	ulogdCWRECE
	ulogdType
	ulogdCode
	ulogdSec
	ulogdUsec
	ulogdLen6
	ulogdFIN
	ulogdSYN
	ulogdRST
	ulogdPSH
	ulogdACK
	ulogdURG
	ulogdNumbers
)

// ulogd reads a record of ulogd2's JSON output: the fields of a packet that it received
// from the kernel, among which no program can write.
func ulogd(line []byte, ref time.Time, ev *Event) error {
	p := ulogdPacket{sport: -1, dport: -1}
	for n := range p.number {
		p.number[n] = -1
	}
	if !p.read(line) {
		return errFields
	}
	ev.Reset()
	ev.Origin = OriginKernel
	ev.Time = p.time(ref)
	ev.In, ev.Prefix = p.inName, p.prefix
	if len(ev.In) == 0 {
		ev.In = nil
	}
	if bytes.IndexByte(p.prefix, '\\') >= 0 {
		var ok bool
		if ev.text, ok = appendUnescaped(ev.text[:0], p.prefix); !ok {
			return errFields
		}
		ev.Prefix = ev.text
	}
	return p.packet(ev)
}

// read takes the fields of the object that line is.
func (p *ulogdPacket) read(line []byte) bool {
	i := jsonBlanks(line, 1)
	for {
		name, value, end := member(line, i)
		if end == failed || !p.set(name, unquote(line[value:end])) {
			return false
		}
		i = jsonBlanks(line, end)
		if j := after(line, i, ","); j != failed {
			i = jsonBlanks(line, j)
			continue
		}
		return true // object.read checked the rest
	}
}

// set sets the field of that name.
func (p *ulogdPacket) set(name, value []byte) bool {
	switch string(name) {
	case "src_ip", "ip.saddr.str":
		return ulogdAddr(value, &p.src)
	case "dest_ip", "ip.daddr.str":
		return ulogdAddr(value, &p.dst)
	case "src_port", "tcp.sport", "udp.sport":
		return ulogdNumber(value, &p.sport)
	case "dest_port", "tcp.dport", "udp.dport":
		return ulogdNumber(value, &p.dport)
	case "oob.prefix":
		p.prefix = value
	case "oob.in":
		p.inName = value
	case "timestamp", "@timestamp":
		p.stamp = value
	}
	if n, ok := ulogdFields[string(name)]; ok {
		return ulogdNumber(value, &p.number[n])
	}
	return true
}

// ulogdFields has which number a field is.
var ulogdFields = map[string]int{
	"ip.protocol":    ulogdProto,
	"ip6.nexthdr":    ulogdProto,
	"ip.totlen":      ulogdLen,
	"ip6.payloadlen": ulogdLen6,
	"ip.ttl":         ulogdTTL,
	"ip6.hoplimit":   ulogdTTL,
	"ip.id":          ulogdID,
	"ip.fragoff":     ulogdFragment,
	"ip6.fragoff":    ulogdFragment,
	"ip.ihl":         ulogdIHL,
	"tcp.seq":        ulogdSeq,
	"tcp.ackseq":     ulogdAck,
	"tcp.window":     ulogdWindow,
	"tcp.offset":     ulogdOffset,
	"tcp.urgp":       ulogdUrgent,
	"tcp.res1":       ulogdReserved,
	"tcp.reserved":   ulogdReserved,
	"tcp.res2":       ulogdCWRECE,
	"icmp.type":      ulogdType,
	"icmpv6.type":    ulogdType,
	"icmp.code":      ulogdCode,
	"icmpv6.code":    ulogdCode,
	"oob.time.sec":   ulogdSec,
	"oob.time.usec":  ulogdUsec,
	"tcp.fin":        ulogdFIN,
	"tcp.syn":        ulogdSYN,
	"tcp.rst":        ulogdRST,
	"tcp.psh":        ulogdPSH,
	"tcp.ack":        ulogdACK,
	"tcp.urg":        ulogdURG,
}

func ulogdAddr(value []byte, a *netip.Addr) bool {
	var end int
	*a, end = address(value, 0)
	return end == len(value)
}

// ulogdNumber reads an unsigned number or a truth value.
func ulogdNumber(value []byte, n *int64) bool {
	switch string(value) {
	case "true":
		*n = 1
		return true
	case "false":
		*n = 0
		return true
	}
	v, end := number(value, 0, math.MaxUint32)
	*n = int64(v)
	return end == len(value)
}

func (p *ulogdPacket) time(ref time.Time) time.Time {
	if sec := p.number[ulogdSec]; sec > 0 {
		return time.Unix(sec, max(p.number[ulogdUsec], 0)*1000).In(ref.Location())
	}
	return jsonTime(p.stamp, ref)
}

// packet fills the event.
func (p *ulogdPacket) packet(ev *Event) error {
	switch {
	case !p.src.IsValid() && !p.dst.IsValid():
		return errNoPacket // of ARP, or without the filter that writes addresses
	case !p.src.IsValid() || !p.dst.IsValid() || p.src.Is4() != p.dst.Is4(),
		p.number[ulogdProto] < 0 || p.number[ulogdTTL] < 0:
		return errFields
	}
	ok := true
	ev.Src, ev.Dst = netip.AddrPortFrom(p.src, 0), netip.AddrPortFrom(p.dst, 0)
	ev.Proto = Proto(p.get(ulogdProto, math.MaxUint8, &ok))
	ev.TTL = uint8(p.get(ulogdTTL, math.MaxUint8, &ok))
	ev.ID = uint16(p.get(ulogdID, math.MaxUint16, &ok))
	if p.src.Is4() {
		ev.Len = uint16(p.get(ulogdLen, math.MaxUint16, &ok))
		ev.IPOptions = p.number[ulogdIHL] > ipv4Header/4
	} else {
		ev.Len = uint16(ipv6Header + p.get(ulogdLen6, math.MaxUint16-ipv6Header, &ok))
	}
	fragment := p.get(ulogdFragment, math.MaxUint16, &ok)
	if !ok {
		return errFields
	}
	if p.src.Is4() {
		ev.DF, ev.Fragment = fragment&0x4000 != 0, fragment&0x2000 != 0
		fragment &= 0x1fff
	}
	if fragment > 0 {
		return errLaterFragment
	}
	return p.transport(ev)
}

func (p *ulogdPacket) transport(ev *Event) error {
	ok := true
	switch ev.Proto {
	case TCP, UDP:
		if p.sport < 0 || p.dport < 0 {
			return errIncomplete
		}
		if p.sport > math.MaxUint16 || p.dport > math.MaxUint16 {
			return errFields
		}
		ev.Src = netip.AddrPortFrom(p.src, uint16(p.sport))
		ev.Dst = netip.AddrPortFrom(p.dst, uint16(p.dport))
		if ev.Proto == TCP {
			return p.tcp(ev)
		}
	case ICMP, ICMPv6:
		if p.number[ulogdType] < 0 {
			return errIncomplete
		}
		ev.ICMPType = uint8(p.get(ulogdType, math.MaxUint8, &ok))
		ev.ICMPCode = uint8(p.get(ulogdCode, math.MaxUint8, &ok))
	}
	if !ok {
		return errFields
	}
	return nil
}

// tcp reads the TCP header. ulogd does not write its options.
func (p *ulogdPacket) tcp(ev *Event) error {
	ok := true
	for n, bit := range [...]TCPFlags{FIN, SYN, RST, PSH, ACK, URG} {
		if p.get(ulogdFIN+n, 1, &ok) > 0 {
			ev.Flags |= bit
		}
	}
	ev.Flags |= TCPFlags(p.get(ulogdCWRECE, 3, &ok)) << 6
	ev.Reserved = uint8(p.get(ulogdReserved, 15, &ok))
	ev.Window = uint16(p.get(ulogdWindow, math.MaxUint16, &ok))
	ev.Urgent = uint16(p.get(ulogdUrgent, math.MaxUint16, &ok))
	ev.Seq, ev.Ack = uint32(max(p.number[ulogdSeq], 0)), uint32(max(p.number[ulogdAck], 0))
	ev.HasSeq = p.number[ulogdSeq] >= 0 && p.number[ulogdAck] >= 0
	ev.HasOptions = p.number[ulogdOffset] == 5
	if !ok {
		return errFields
	}
	return nil
}

// get returns a number, 0 if there is none, and notes in ok whether it is at most
// limit.
func (p *ulogdPacket) get(n int, limit int64, ok *bool) int64 {
	v := p.number[n]
	*ok = *ok && v <= limit
	return max(v, 0)
}
