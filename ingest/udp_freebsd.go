package ingest

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// udpOptions have the kernel send control messages. It does not count what it drops.
var udpOptions = [][2]int{
	{unix.IPPROTO_IP, unix.IP_RECVDSTADDR}, {unix.IPPROTO_IP, unix.IP_RECVTTL},
	{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO}, {unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT},
}

// A dropCount is for systems on which sockets have filters.
type dropCount struct{}

// NarrowsUDP: the socket of a UDP server takes only datagrams that a [filter.Payload] is true of.
const NarrowsUDP = false

// narrow does nothing: UDP sockets have no filters here.
func narrow(syscall.RawConn, filter.Payload) error { return nil }

func (s *UDPServer) countFiltered(syscall.RawConn) {}

// option reads the control message of a level and type.
func (s *UDPServer) option(kind [2]int32, data []byte, ev *parse.Event) {
	switch kind {
	case [2]int32{unix.IPPROTO_IP, unix.IP_RECVDSTADDR}:
		if len(data) >= 4 {
			ev.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data)), s.local.Port())
		}
	case [2]int32{unix.IPPROTO_IPV6, unix.IPV6_PKTINFO}:
		if len(data) >= 16 {
			ev.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(data)).Unmap(), s.local.Port())
		}
	case [2]int32{unix.IPPROTO_IP, unix.IP_RECVTTL}:
		if len(data) > 0 {
			ev.TTL = data[0]
		}
	case [2]int32{unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT}:
		if len(data) >= 4 {
			ev.TTL = uint8(binary.NativeEndian.Uint32(data))
		}
	}
}
