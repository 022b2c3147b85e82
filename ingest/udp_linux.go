package ingest

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// udpOptions have the kernel send control messages.
var udpOptions = [][2]int{
	{unix.SOL_SOCKET, unix.SO_RXQ_OVFL}, {unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW},
	{unix.SOL_IP, unix.IP_PKTINFO}, {unix.SOL_IP, unix.IP_RECVTTL},
	{unix.SOL_IPV6, unix.IPV6_RECVPKTINFO}, {unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT},
}

// option reads the control message of a level and type.
func (s *UDPServer) option(kind [2]int32, data []byte, ev *parse.Event) {
	switch kind {
	case stampControl:
		ev.Time = stampOf(data)
	case [2]int32{unix.SOL_SOCKET, unix.SO_RXQ_OVFL}:
		if s.dropped.raw != nil {
			break // counted with what the filter drops
		}
		now := binary.NativeEndian.Uint32(data)
		s.lost.Add(uint64(now - s.dropped.last))
		s.dropped.last = now
	case [2]int32{unix.SOL_IP, unix.IP_PKTINFO}: // in_pktinfo: index, local address, destination
		if len(data) >= unix.SizeofInet4Pktinfo {
			ev.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[8:12])), s.local.Port())
		}
	case [2]int32{unix.SOL_IPV6, unix.IPV6_PKTINFO}:
		if a := netip.AddrFrom16([16]byte(data[:16])); !a.Is4In6() {
			ev.Dst = netip.AddrPortFrom(a, s.local.Port())
		}
	case [2]int32{unix.SOL_IP, unix.IP_TTL}, [2]int32{unix.SOL_IPV6, unix.IPV6_HOPLIMIT}:
		ev.TTL = uint8(binary.NativeEndian.Uint32(data))
	}
}
