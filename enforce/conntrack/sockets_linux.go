package conntrack

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Numbers of linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h.
const (
	diagByFamily = 20
	diagDestroy  = 21
	diagIDLen    = 48
	diagIDAt     = 4 // of the socket's id in a message of the kernel
	// diagAlive are the states of sockets by which a peer can still be heard: ESTABLISHED,
	// SYN_RECV, FIN_WAIT1, FIN_WAIT2 and CLOSE_WAIT.
	diagAlive = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<8
)

// A socket is a connected TCP socket of this host.
type socket struct {
	local, peer netip.AddrPort // IPv4 as such, also if the socket is one of IPv6
	family      uint8
	id          [diagIDLen]byte // by which the kernel knows it
}

// eachSocket calls f with the TCP sockets of this network namespace that are alive.
func eachSocket(f func(*socket)) error {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("list sockets: %w", err)
	}
	defer conn.Close()
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if _, err := conn.Send(diagRequest(diagByFamily, netlink.Dump, family, nil)); err != nil {
			return fmt.Errorf("list sockets: %w", err)
		}
		for m, err := range conn.ReceiveIter() {
			if err != nil {
				return fmt.Errorf("list sockets: %w", err)
			}
			if s, ok := parseSocket(m.Data); ok {
				f(&s)
			}
		}
	}
	return nil
}

// destroy ends the connection of a socket: the peer gets a reset, the program that has it an
// error. It takes CAP_NET_ADMIN and CONFIG_INET_DIAG_DESTROY.
func (s *socket) destroy(conn *netlink.Conn) error {
	_, err := conn.Execute(diagRequest(diagDestroy, netlink.Acknowledge, s.family, s.id[:]))
	return err
}

// diagRequest returns a request about TCP sockets: struct inet_diag_req_v2.
func diagRequest(kind uint16, flags netlink.HeaderFlags, family uint8, id []byte) netlink.Message {
	data := make([]byte, 8+diagIDLen)
	data[0], data[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(data[4:], diagAlive)
	copy(data[8:], id)
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags}, Data: data}
}

// parseSocket reads a struct inet_diag_msg.
func parseSocket(data []byte) (s socket, ok bool) {
	if len(data) < diagIDAt+diagIDLen {
		return s, false
	}
	s.family = data[0]
	copy(s.id[:], data[diagIDAt:])
	n := 16
	if s.family == unix.AF_INET {
		n = 4
	}
	end := func(port, addr int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(s.id[addr : addr+n])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(s.id[port:]))
	}
	s.local, s.peer = end(0, 4), end(2, 20)
	return s, true
}
