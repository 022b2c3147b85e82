// Package conntrack asks the kernel, by netlink, which TCP connections are
// established, for ENABLE_CONNTRACK_PERSIST: a grant lives as long as a connection
// through it.
//
// Entry points: [Open], [Table.Established].
package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	sock *netlink.Conn
}

// Open connects to the table of the calling thread's network namespace. ports
// are CONNTRACK_ESTAB_PORTS: connections to others do not count. Without any, or
// with 0 among them, those to every port do.
func Open(ports []uint16) (*Table, error) {
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to nf_conntrack: %w", err)
	}
	sock.SetReadBuffer(readBuffer)
	if slices.Contains(ports, 0) {
		ports = nil
	}
	t := &Table{ports: slices.Clone(ports), sock: sock}
	if _, err := t.Established(context.Background(), []enforce.Grant{{Src: netip.IPv4Unspecified(), All: true}}); err != nil {
		sock.Close()
		return nil, err
	}
	return t, nil
}

// readBuffer lets the kernel send a good part of a large table at once.
const readBuffer = 1 << 20

// Close closes the connection to the kernel.
func (t *Table) Close() error { return t.sock.Close() }

// Established reports for each grant whether an established TCP connection from
// its client to one of its ports exists. The table is read once for each address
// family.
func (t *Table) Established(ctx context.Context, gs []enforce.Grant) ([]bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	alive := make([]bool, len(gs))
	clients := make(map[netip.Addr][]int, len(gs))
	var families [2]bool
	for i, g := range gs {
		src := g.Src.Unmap()
		clients[src] = append(clients[src], i)
		families[family(src)] = true
	}
	for f, wanted := range families {
		if !wanted {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		flows, err := t.dump(uint8([]int{unix.AF_INET, unix.AF_INET6}[f]))
		if err != nil {
			return nil, fmt.Errorf("read nf_conntrack: %w", err)
		}
		for _, fl := range flows {
			for _, i := range clients[fl.src] {
				alive[i] = alive[i] || t.carries(gs[i], fl)
			}
		}
	}
	return alive, nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// carries reports whether the flow goes through the grant. The tuple is that of
// the client's packets, before any translation, as are the grant's ports.
func (t *Table) carries(g enforce.Grant, fl flow) bool {
	if len(t.ports) > 0 && !slices.Contains(t.ports, fl.port) {
		return false
	}
	return g.All || slices.Contains(g.Ports, enforce.Port{Proto: enforce.TCP, Number: fl.port})
}

// A flow is an established TCP connection.
type flow struct {
	src  netip.Addr // who began it
	port uint16     // where to, before translation
}

// Numbers of linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_tcp.h.
const (
	msgGet       = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
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

// dumpTries is for tables that change so much that the kernel calls a dump
// inconsistent.
const dumpTries = 3

func (t *Table) dump(family uint8) (flows []flow, err error) {
	for range dumpTries {
		var msgs []netlink.Message
		msgs, err = t.sock.Execute(netlink.Message{
			Header: netlink.Header{Type: msgGet, Flags: netlink.Request | netlink.Dump},
			Data:   []byte{family, unix.NFNETLINK_V0, 0, 0},
		})
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil, err
		}
		flows = flows[:0]
		for _, m := range msgs {
			if fl, ok := parse(m.Data); ok {
				flows = append(flows, fl)
			}
		}
		if err == nil {
			return flows, nil
		}
	}
	return flows, err
}

// parse reads one entry; ok is false unless it is an established connection.
func parse(data []byte) (fl flow, ok bool) {
	const header = 4
	if len(data) < header {
		return fl, false
	}
	d, err := netlink.NewAttributeDecoder(data[header:])
	if err != nil {
		return fl, false
	}
	d.ByteOrder = binary.BigEndian
	var proto, state uint8
	for d.Next() {
		switch d.Type() {
		case tupleOrig:
			d.Nested(func(d *netlink.AttributeDecoder) error {
				proto = fl.tuple(d)
				return d.Err()
			})
		case protoInfo:
			d.Nested(func(d *netlink.AttributeDecoder) error {
				state = tcpInfo(d)
				return d.Err()
			})
		}
	}
	return fl, d.Err() == nil && proto == enforce.TCP && state == established && fl.src.IsValid()
}

func (fl *flow) tuple(d *netlink.AttributeDecoder) (proto uint8) {
	for d.Next() {
		switch d.Type() {
		case tupleIP:
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					if d.Type() == ip4Src || d.Type() == ip6Src {
						fl.src, _ = netip.AddrFromSlice(d.Bytes())
					}
				}
				return d.Err()
			})
		case tupleProto:
			d.Nested(func(d *netlink.AttributeDecoder) error {
				for d.Next() {
					switch d.Type() {
					case protoNum:
						proto = d.Uint8()
					case protoDstPort:
						fl.port = d.Uint16()
					}
				}
				return d.Err()
			})
		}
	}
	return proto
}

func tcpInfo(d *netlink.AttributeDecoder) (state uint8) {
	for d.Next() {
		if d.Type() != infoTCP {
			continue
		}
		d.Nested(func(d *netlink.AttributeDecoder) error {
			for d.Next() {
				if d.Type() == tcpState {
					state = d.Uint8()
				}
			}
			return d.Err()
		})
	}
	return state
}
