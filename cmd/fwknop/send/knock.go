package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"fwknopd/parse"
)

// A Knocker sends the knocks of a port-knock sequence to one address.
type Knocker struct {
	to   netip.Addr
	icmp *echo // nil if the sequence has no ICMP knock
}

// NewKnocker returns a Knocker for a sequence. If ICMP is among the ports it opens the
// socket for it, so that a lack of rights shows before the first knock.
func NewKnocker(to netip.Addr, ports []parse.Port) (*Knocker, error) {
	k := &Knocker{to: to}
	for _, p := range ports {
		if p.Proto == parse.ICMP && k.icmp == nil {
			var err error
			if k.icmp, err = newEcho(to); err != nil {
				return nil, err
			}
		}
	}
	return k, nil
}

// Close closes what NewKnocker opened.
func (k *Knocker) Close() error {
	if k.icmp == nil {
		return nil
	}
	return k.icmp.conn.Close()
}

// Knock sends one packet: a SYN, a UDP datagram or an ICMP echo request. Nothing is known
// of whether it arrives.
func (k *Knocker) Knock(ctx context.Context, p parse.Port) error {
	to := netip.AddrPortFrom(k.to, p.Number)
	switch p.Proto {
	case parse.TCP:
		return knockTCP(ctx, to)
	case parse.UDP:
		return knockUDP(ctx, to)
	case parse.ICMP:
		return k.icmp.send(k.to)
	}
	return fmt.Errorf("%s is no knock", p)
}

// knockTCP connects and closes the socket at once, before the SYN is sent again.
func knockTCP(ctx context.Context, to netip.AddrPort) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		if runtime.GOOS == "windows" { // it would not begin to connect; its SYNs are repeated after 500 ms or later
			time.AfterFunc(100*time.Millisecond, cancel)
		} else {
			cancel() // connect(2) is called all the same, but not waited for
		}
		return nil
	}}
	if err := ctx.Err(); err != nil {
		return err
	}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, context.Canceled), errors.Is(err, syscall.ECONNREFUSED): // it was sent
		return nil
	}
	return err
}

// knockUDP sends what the 1.9 client does.
func knockUDP(ctx context.Context, to netip.AddrPort) error {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, "0")
	return errors.Join(err, conn.Close())
}

// An echo sends ICMP echo requests.
type echo struct {
	conn *icmp.PacketConn
	raw  bool
	kind icmp.Type
	id   int
	seq  int
}

// newEcho opens a ping socket, or without the right to that a raw one.
func newEcho(to netip.Addr) (*echo, error) {
	e := &echo{kind: ipv4.ICMPTypeEcho, id: rand.IntN(1 << 16)}
	ping, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		e.kind, ping, raw, any = ipv6.ICMPTypeEchoRequest, "udp6", "ip6:ipv6-icmp", "::"
	}
	var err error
	if e.conn, err = icmp.ListenPacket(ping, any); err == nil {
		return e, nil
	}
	e.raw = true
	if e.conn, err = icmp.ListenPacket(raw, any); errors.Is(err, os.ErrPermission) {
		err = errors.New(noEcho())
	}
	return e, err
}

// noEcho is what an ICMP knock needs.
func noEcho() string {
	switch runtime.GOOS {
	case "linux":
		return "ICMP knocks need root, CAP_NET_RAW or a group within the sysctl net.ipv4.ping_group_range; tcp and udp knocks do not"
	case "windows":
		return "ICMP knocks need an administrator; tcp and udp knocks do not"
	}
	return "ICMP knocks need root; tcp and udp knocks do not"
}

func (e *echo) send(to netip.Addr) error {
	e.seq++
	m := icmp.Message{Type: e.kind, Body: &icmp.Echo{ID: e.id, Seq: e.seq, Data: make([]byte, 56)}} // as ping sends
	packet, err := m.Marshal(nil)                                                                   // the kernel adds the checksum of ICMPv6
	if err != nil {
		return err
	}
	var addr net.Addr = &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	if e.raw {
		addr = &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	}
	_, err = e.conn.WriteTo(packet, addr)
	return err
}
