// Package parse turns one record, a Netfilter log line or a captured frame, into
// one [Event]. It is pure: the same bytes and the same reference time always give
// the same event, and nothing here does I/O, reads a clock or keeps state between
// records.
//
// The two entry points are [LogLine] and [Decoder.Frame].
package parse

import (
	"errors"
	"net/netip"
	"time"
)

// ErrSkip reports that a record gives no event. The caller counts it and reads on. It
// always comes with one of the two kinds below, so that the counters of a caller add up:
// records read = events + not ours + malformed.
var ErrSkip = errors.New("no event in record")

// A skipError is an ErrSkip of one of the two kinds. All are package variables, so that
// returning one allocates nothing.
type skipError struct {
	kind error
	text string
}

func (e *skipError) Error() string { return e.text }

// Is makes errors.Is find both without the slice that Unwrap would have to make.
func (e *skipError) Is(target error) bool { return target == ErrSkip || target == e.kind }

var (
	// ErrNotOurs is the kind of an ErrSkip for a valid record of something else: a log
	// line that no Netfilter rule wrote, an ARP frame.
	ErrNotOurs = errors.New("not ours")
	// ErrMalformed is the kind of an ErrSkip for a record of a packet that breaks its own
	// format.
	ErrMalformed = errors.New("malformed")
)

// ErrNoRecord is the ErrSkip of a log line without a Netfilter record.
var ErrNoRecord error = errNoRecord

// TCPFlags are the eight control bits of RFC 9293 section 3.1, at their places in
// the header's fourteenth byte.
type TCPFlags uint8

// Control bits, least significant first.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// MaxOptions is the most bytes of options a TCP header can carry (RFC 9293: data
// offset of at most 15 words, less the 5 fixed ones).
const MaxOptions = 40

// Origin is where an event comes from. Knock sequences count a log line only if the
// kernel wrote it; fingerprinting takes any origin.
type Origin uint8

const (
	// OriginUnknown: a line that has the form of a Netfilter record, without evidence
	// that the kernel wrote it. The zero value.
	OriginUnknown Origin = iota
	// OriginKernel: the line has the kernel's tag in tag position, or the journal entry
	// has _TRANSPORT=kernel, or it is raw kernel ring buffer output. Any user can have a
	// syslog daemon write such a tag, but only the kernel sets that transport or, in the
	// ring buffer, the facility.
	OriginKernel
	// OriginFrame: not a line at all, but the packet itself.
	OriginFrame
	// OriginSocket: a payload that the daemon received on a socket, each packet once. Of
	// the headers only the addresses are known.
	OriginSocket

	// What the functions that read the head of a line return beside these; see Event.setOrigin.
	originProgram   Origin = 0xfe // a program wrote it
	originContainer Origin = 0xff // a container wrote it, with the kernel's tag
)

// setOrigin sets the origin of a line whose head names o; kern: its facility is the
// kernel's, or it has none.
func (e *Event) setOrigin(o Origin, kern bool) {
	e.Origin, e.Program, e.Container = OriginUnknown, false, false
	switch {
	case !kern || o == originProgram:
		e.Program = true
	case o == originContainer:
		e.Origin, e.Container = OriginKernel, true
	default:
		e.Origin = o
	}
}

// An Event is one observed packet. The caller owns it and reuses it; everything
// it refers to stays valid until the next record is decoded into it.
//
// Fields that a record did not carry are zero. A decoder that returns an error
// leaves the event in an unspecified state.
type Event struct {
	// Time is when the packet was seen, by the clock of the host that recorded it.
	// Log stamps mostly have a resolution of one second. If a log line has nothing but
	// the kernel's uptime, Time is that long after the Unix epoch: the day is
	// wrong, but gaps between such times are exact; see [OfClock]. Zero if the record
	// has none.
	Time time.Time
	// Src and Dst are IPv4 or IPv6, never IPv4-mapped; the ports are valid iff
	// Proto is TCP or UDP.
	Src, Dst netip.AddrPort
	Proto    Proto
	Origin   Origin
	// Program: the line shows that a program wrote it, not the kernel: a tag with a process,
	// a facility other than kern, a transport other than kernel, a second head behind the
	// first. Origin is OriginUnknown then.
	Program bool
	// Container: a container wrote the line to its standard output or error, so that the
	// kernel's tag in it is text of the container's.
	Container bool
	depth     uint8 // tunnels around the packet
	// Len is the whole packet in bytes: the IPv4 total length, or the IPv6
	// payload length plus 40. A packet that has no length in its header, since a
	// network card is yet to cut it into segments, has that of its frame; 65535
	// stands for every greater length.
	Len uint16
	// TTL is the IPv4 time to live or the IPv6 hop limit.
	TTL uint8
	// DF is the IPv4 don't-fragment bit.
	DF bool
	// ID is the IPv4 identification.
	ID uint16
	// IPOptions: the IPv4 header carried options.
	IPOptions bool
	// Fragment: this is one piece of a fragmented packet. Only a first fragment becomes
	// an event; its payload is incomplete.
	Fragment bool

	// Tagged: VLAN tags or a PPPoE header stand in front of the IP header; not said of a packet
	// in a tunnel.
	Tagged bool

	// ICMPType and ICMPCode are valid iff Proto is ICMP or ICMPv6.
	ICMPType, ICMPCode uint8

	// Flags, Window (unscaled), Urgent, Reserved, Seq, Ack and Options are valid
	// iff Proto is TCP.
	Flags    TCPFlags
	Reserved uint8 // the four reserved bits of the header, as a number 0..15
	Window   uint16
	Urgent   uint16
	Seq, Ack uint32
	// HasSeq: the record has Seq and Ack, always for a frame, for a log line only with
	// --log-tcp-sequence.
	HasSeq bool
	// HasOptions: Options are all the options of the packet. Always true for a frame, for
	// a log line if it carries OPT or if its length leaves no room for options.
	HasOptions  bool
	nopt        uint8
	recordStart int // of the record in the line
	stampEnd    int // of a stamp that the line begins with, for LineDecoder
	heading     int // bytes before the addresses, for LineDecoder; 0 if the line was not read as it is
	opt         [MaxOptions]byte

	// Payload is the transport payload, for ICMP what follows the 8-byte header. It
	// is nil for log lines. Ethernet padding is never part of it. Of a fragment and
	// of a truncated packet (Whole) it is the beginning.
	Payload []byte

	// Captured and Whole are the bytes present and the bytes of the complete packet. They
	// are zero unless the packet is truncated: by the capture (tcpdump -s), or because it
	// is shorter than its header claims. They count from the start of the frame if the
	// capture has the length of that, else from the IP header.
	Captured, Whole uint32

	// In is the input interface a log line names, nil if none. Prefix is the text
	// of the log rule (--log-prefix) before IN=, as written. Both alias the line,
	// or text if that had to be decoded.
	In, Prefix []byte
	text       []byte // scratch space for messages with JSON escapes

	tunnels TunnelPath // of which depth are valid
}

// Tunnels returns what the packet was carried in; see [Decoder.Inner].
func (e *Event) Tunnels() (p TunnelPath) {
	copy(p[:], e.tunnels[:e.depth])
	return p
}

// Tunnelled reports whether the packet was carried in another one.
func (e *Event) Tunnelled() bool { return e.depth > 0 }

// Options returns the raw TCP options, at most [MaxOptions] bytes.
func (e *Event) Options() []byte { return e.opt[:e.nopt] }

// SetOptions copies b into the event and marks it complete. It reports false, and
// changes nothing, if b is longer than a TCP header can hold.
func (e *Event) SetOptions(b []byte) bool {
	if len(b) > MaxOptions {
		return false
	}
	e.nopt = uint8(copy(e.opt[:], b))
	e.HasOptions = true
	return true
}

// Reset makes the event ready for the next record. The option bytes are left as they
// are, as are the tunnels: their number is what counts. Scratch space is kept. It assigns field by
// field because clearing the struct and restoring those two costs more than twice as
// much.
func (e *Event) Reset() {
	e.Time, e.Src, e.Dst, e.Proto, e.Origin = time.Time{}, netip.AddrPort{}, netip.AddrPort{}, 0, 0
	e.Len, e.TTL, e.DF, e.ID, e.IPOptions, e.Fragment, e.Tagged = 0, 0, false, 0, false, false, false
	e.ICMPType, e.ICMPCode = 0, 0
	e.Flags, e.Reserved, e.Window, e.Urgent, e.Seq, e.Ack, e.HasSeq, e.HasOptions = 0, 0, 0, 0, 0, 0, false, false
	e.nopt, e.depth, e.recordStart, e.stampEnd, e.heading, e.Program, e.Container = 0, 0, 0, 0, 0, false, false
	e.Payload, e.Captured, e.Whole, e.In, e.Prefix = nil, 0, 0, nil, nil
}
