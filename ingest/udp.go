package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

const (
	// maxMessage is the longest message a server takes: an SPA packet has to fit
	// into one Ethernet frame.
	maxMessage = 1500
	// udpBuffer is what the kernel may queue for the UDP server.
	udpBuffer = 16 << 20
)

var errLongMessage error = badRecord("message too long")

// A UDPServer is a Source of the datagrams that reach a UDP port: no capture, no
// special rights. It never answers. Events have the addresses and ports of the
// packet and its TTL, as a capture would. Counts.Lost are the datagrams that
// the kernel dropped because we were too slow, as reported with the next one; among
// Counts.NotOurs are those that its filter dropped.
type UDPServer struct {
	accounting
	conn    *net.UDPConn
	batch   *batch
	local   netip.AddrPort
	dropped dropCount
}

// openUDP opens a socket at an address such as ":62201" or "192.0.2.1:62201"; without a
// host on all addresses, IPv4 and IPv6. It has room for a burst, and takes only datagrams
// for which p is true, where the system can filter.
func openUDP(addr string, p filter.Payload) (*os.File, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raiseBuffer(raw, udpBuffer)
	}
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			for _, o := range udpOptions { // on an IPv4 socket those of IPv6 fail, which is fine
				_ = unix.SetsockoptInt(int(fd), o[0], o[1], 1)
			}
		})
	}
	if err == nil {
		err = narrow(raw, p)
	}
	if err != nil {
		return nil, err
	}
	return conn.File()
}

// newUDPServer makes a source of a socket that [openUDP] opened, with the same p.
func newUDPServer(f *os.File, p filter.Payload, problem func(Problem)) (*UDPServer, error) {
	defer f.Close()
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("%s: not a UDP socket", f.Name())
	}
	s := &UDPServer{accounting: accounting{name: "udp " + conn.LocalAddr().String(), problem: problem}, conn: conn}
	s.local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := s.prepare(p); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

func (s *UDPServer) prepare(p filter.Payload) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	// One byte more, to detect a message that is too long.
	s.batch = newBatch(raw, maxMessage+1, s.conn.SetReadDeadline)
	if !p.IsZero() {
		s.countFiltered(raw)
	}
	return nil
}

// Next implements [Source].
func (s *UDPServer) Next(ctx context.Context, ev *parse.Event) error {
	for {
		d, err := s.batch.next(ctx)
		if err != nil {
			if isSocketError(err) {
				continue // an ICMP error that the kernel passes on
			}
			return err
		}
		s.bytes.Add(uint64(len(d.data)))
		return s.count(s.decode(d, ev))
	}
}

// Buffered implements [Source].
func (s *UDPServer) Buffered() bool { return s.batch.pending() }

// A datagram is one message of a batch. It is valid until the next one is asked for.
type datagram struct {
	data    []byte
	from    *unix.RawSockaddrAny
	control []byte
}

func (s *UDPServer) decode(d datagram, ev *parse.Event) error {
	ev.Reset()
	ev.Time, ev.Origin, ev.Proto = time.Now(), parse.OriginSocket, parse.UDP
	ev.Src, ev.Dst = sockaddr(d.from), s.local
	s.control(d.control, ev)
	if len(d.data) > maxMessage {
		return errLongMessage
	}
	header := 28
	if ev.Src.Addr().Is6() {
		header = 48
	}
	ev.Len, ev.Payload = uint16(header+len(d.data)), d.data
	return nil
}

// control reads the control messages of a datagram: where it was sent to, its TTL,
// when the kernel received it, how many were dropped before it.
func (s *UDPServer) control(b []byte, ev *parse.Event) {
	for len(b) > 0 {
		kind, data, rest := cutControl(b)
		s.option(kind, data, ev)
		b = rest
	}
}

// cutControl takes the first control message off b: its level and type, its data and
// what follows it. What is malformed ends b.
func cutControl(b []byte) (kind [2]int32, data, rest []byte) {
	header := unix.CmsgLen(0)
	if len(b) < header {
		return kind, nil, nil
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	n := int(h.Len)
	if n < header || n > len(b) {
		return kind, nil, nil
	}
	return [2]int32{h.Level, h.Type}, b[header:n], b[min(unix.CmsgSpace(n-header), len(b)):]
}

// sockaddr reads an address that the kernel wrote, unmapped.
func sockaddr(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), hostOrder(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), hostOrder(a.Port))
	}
	return netip.AddrPort{}
}

func hostOrder(n uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&n))[:])
}

// Close ends a Next that waits in another goroutine.
func (s *UDPServer) Close() error {
	s.batch.release()
	return s.conn.Close()
}

// LocalAddr returns the address that is listened on, its port as the system chose
// it if none was given.
func (s *UDPServer) LocalAddr() netip.AddrPort { return s.local }
