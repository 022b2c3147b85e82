// Package conntrack asks the kernel, by netlink, which connections go through grants: for
// ENABLE_CONNTRACK_PERSIST, where a grant lives as long as a connection through it, and to
// count and end those of a grant that was closed.
//
// Entry points: [Open] with [Table.Established]; [Table.Find] and
// [Table.End], or both at once with [Table.Cut].
package conntrack

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A Table is the connection tracking table of one network namespace. The zero value
// connects when it is first used, and counts connections to every port.
type Table struct {
	// Reject has the firewall reject, for a time, what connections send that [Table.End] ends,
	// see [enforce.Rejecter]; it is called before their entries are deleted. nil: it does not.
	Reject func(ctx context.Context, flows []enforce.Flow) error
	// Guard is GUARD_FORWARD: what is forwarded to its ports goes through grants for them,
	// translated or not.
	Guard enforce.Guard

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
	by := newClients(gs, host{})
	for f := range by.families() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.connect(); err != nil {
			return nil, err
		}
		for e, err := range t.entries(f) {
			if err != nil {
				return nil, t.failed(err)
			}
			if !e.established() {
				continue
			}
			for i := range by.of(e.orig.src.Addr()) {
				alive[i] = alive[i] || t.carries(by.grants[i], e.orig.dst.Port())
			}
		}
	}
	return alive, nil
}

// failed closes the socket after a reading that failed: what is left of the table would
// end the next reading early. t.mu must be held.
func (t *Table) failed(err error) error {
	t.sock.Close()
	t.sock = nil
	return fmt.Errorf("read nf_conntrack: %w", err)
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

// entries are those of connections that are alive (see entry.alive), read as the kernel
// sends them. An entry is valid until the next one.
func (t *Table) entries(family uint8) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		_, err := t.sock.Send(netlink.Message{
			Header: netlink.Header{Type: msgGet, Flags: netlink.Request | netlink.Dump},
			Data:   []byte{family, unix.NFNETLINK_V0, 0, 0},
		})
		if err != nil {
			yield(entry{}, err)
			return
		}
		for m, err := range t.sock.ReceiveIter() {
			e, ok := parse(m.Data)
			if (ok && e.alive() || err != nil) && !yield(e, err) {
				return
			}
		}
	}
}
