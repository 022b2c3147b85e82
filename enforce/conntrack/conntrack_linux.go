// Package conntrack asks the kernel, by netlink, which TCP connections are
// established, for ENABLE_CONNTRACK_PERSIST: a grant lives as long as a connection
// through it.
//
// Entry points: [Open], [Table.Established].
package conntrack

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A Table is the connection tracking table of one network namespace.
type Table struct {
	ports []uint16

	mu   sync.Mutex
	sock *netlink.Conn // nil: to be opened by the next reading
}

// Open connects to the table of the calling thread's network namespace. ports
// are CONNTRACK_ESTAB_PORTS: connections to others do not count. Without any, or
// with 0 among them, those to every port do.
func Open(ports []uint16) (*Table, error) {
	if slices.Contains(ports, 0) {
		ports = nil
	}
	t := &Table{ports: slices.Clone(ports)}
	if _, err := t.Established(context.Background(), []enforce.Grant{{Src: netip.IPv4Unspecified(), All: true}}); err != nil {
		return nil, err
	}
	return t, nil
}

// readBuffer lets the kernel send a good part of a large table at once.
const readBuffer = 1 << 20

// connect opens the socket. t.mu must be held.
func (t *Table) connect() error {
	if t.sock != nil {
		return nil
	}
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("connect to nf_conntrack: %w", err)
	}
	sock.SetReadBuffer(readBuffer)
	t.sock = sock
	return nil
}

// Close closes the connection to the kernel.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sock == nil {
		return nil
	}
	err := t.sock.Close()
	t.sock = nil
	return err
}

// Established reports for each grant whether an established TCP connection from
// its client to one of its ports exists. The table is read once for each address
// family, entry by entry: a host can have millions of them.
func (t *Table) Established(ctx context.Context, gs []enforce.Grant) ([]bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	alive := make([]bool, len(gs))
	clients := make(map[netip.Addr][]int, len(gs))
	families := make(map[uint8]bool)
	for i, g := range gs {
		src := g.Src.Unmap()
		clients[src] = append(clients[src], i)
		families[family(src)] = true
	}
	for f := range families {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.connect(); err != nil {
			return nil, err
		}
		for c, err := range t.connections(f) {
			if err != nil { // what is left of this table would end the next reading early
				t.sock.Close()
				t.sock = nil
				return nil, fmt.Errorf("read nf_conntrack: %w", err)
			}
			for _, i := range clients[c.src] {
				alive[i] = alive[i] || t.carries(gs[i], c.port)
			}
		}
	}
	return alive, nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// carries reports whether a connection to the port goes through the grant. Both are
// as the client sees them, before any translation.
func (t *Table) carries(g enforce.Grant, port uint16) bool {
	if len(t.ports) > 0 && !slices.Contains(t.ports, port) {
		return false
	}
	return g.All || slices.Contains(g.Ports, enforce.Port{Proto: enforce.TCP, Number: port})
}

// A connection is an established TCP connection, by its first packet.
type connection struct {
	src  netip.Addr
	port uint16 // destination
}

// connections are those in the table, read as the kernel sends them.
func (t *Table) connections(family uint8) iter.Seq2[connection, error] {
	return func(yield func(connection, error) bool) {
		_, err := t.sock.Send(netlink.Message{
			Header: netlink.Header{Type: msgGet, Flags: netlink.Request | netlink.Dump},
			Data:   []byte{family, unix.NFNETLINK_V0, 0, 0},
		})
		if err != nil {
			yield(connection{}, err)
			return
		}
		for m, err := range t.sock.ReceiveIter() {
			c, ok := parse(m.Data)
			if (ok || err != nil) && !yield(c, err) {
				return
			}
		}
	}
}

// Numbers of linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h and nf_conntrack_tcp.h.
const (
	msgGet       = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	headerLen    = 4
	tupleOrig    = 1
	protoInfo    = 4
	tupleIP      = 1
	tupleProto   = 2
	ip4Src       = 1
	ip6Src       = 3
	protoNum     = 1
	protoDstPort = 3
	infoTCP      = 1
	tcpState     = 1
	established  = 3
)

// parse reads one entry; ok is false unless it is an established connection.
func parse(data []byte) (c connection, ok bool) {
	if len(data) < headerLen {
		return c, false
	}
	data = data[headerLen:]
	tuple := attribute(data, tupleOrig)
	ip, proto := attribute(tuple, tupleIP), attribute(tuple, tupleProto)
	number, port := attribute(proto, protoNum), attribute(proto, protoDstPort)
	state := attribute(attribute(attribute(data, protoInfo), infoTCP), tcpState)
	if len(number) != 1 || enforce.Proto(number[0]) != enforce.TCP || len(port) != 2 || len(state) != 1 || state[0] != established {
		return c, false
	}
	src := attribute(ip, ip4Src)
	if src == nil {
		src = attribute(ip, ip6Src)
	}
	c.src, ok = netip.AddrFromSlice(src)
	c.port = binary.BigEndian.Uint16(port)
	return c, ok
}

// attribute returns the value of an attribute; nil if it is not there. netlink's own
// decoder allocates for each nested attribute, which is most of the time that a large
// table takes.
func attribute(attrs []byte, kind uint16) []byte {
	for len(attrs) >= unix.SizeofNlAttr {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < unix.SizeofNlAttr || n > len(attrs) {
			return nil
		}
		if binary.NativeEndian.Uint16(attrs[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return attrs[unix.SizeofNlAttr:n]
		}
		attrs = attrs[min((n+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(attrs)):]
	}
	return nil
}
