// Package send sends SPA packets.
package send

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Packet is an SPA packet and how it is sent.
type Packet struct {
	Text       []byte
	Host       string // name or address of the server
	Port       int
	SourcePort int    // 0: the system chooses
	Network    string // "ip", "ip4" or "ip6": which addresses of the server to use

	// Of the carrier http.
	UserAgent string
	Proxy     string // HOST:PORT of the proxy to send it through; "": none

	// Of the raw carriers.
	Source             netip.Addr // the zero Addr: that of this host
	ICMPType, ICMPCode int        // a negative type is the echo reply
}

// A Carrier is one way to send a packet.
type Carrier struct {
	Raw bool // makes the IP packet itself; needs root and knows [Packet.Source]
	// Send returns where the packet was sent to.
	Send func(ctx context.Context, p *Packet) (netip.AddrPort, error)
}

// carriers are all carriers by their names on the command line.
var carriers = map[string]Carrier{
	"udp":    {Send: udp},
	"tcp":    {Send: tcp},
	"http":   {Send: http},
	"udpraw": {Raw: true, Send: raw(udpHeader)},
	"tcpraw": {Raw: true, Send: raw(tcpHeader)},
	"icmp":   {Raw: true, Send: raw(icmpHeader)},
}

// Find returns the carrier of that name.
func Find(name string) (Carrier, error) {
	if c, ok := carriers[name]; ok {
		return c, nil
	}
	return Carrier{}, fmt.Errorf("no carrier %q (%s)", name, strings.Join(slices.Sorted(maps.Keys(carriers)), ", "))
}

// Timeout bounds the look-up of a name and the set-up of a connection.
const Timeout = 10 * time.Second

func udp(ctx context.Context, p *Packet) (netip.AddrPort, error) {
	to, err := p.resolve(ctx)
	if err != nil {
		return to, err
	}
	return to, p.dial(ctx, "udp", to.String(), &net.UDPAddr{Port: p.SourcePort}, func(conn net.Conn) error {
		_, err := conn.Write(p.Text)
		return err
	})
}

func tcp(ctx context.Context, p *Packet) (netip.AddrPort, error) {
	to, err := p.resolve(ctx)
	if err != nil {
		return to, err
	}
	return to, p.dialTCP(ctx, to.String(), func(conn net.Conn) error {
		_, err := conn.Write(p.Text)
		return err
	})
}

func (p *Packet) dialTCP(ctx context.Context, to string, use func(net.Conn) error) error {
	return p.dial(ctx, "tcp", to, &net.TCPAddr{Port: p.SourcePort}, use)
}

// dial connects, calls use, and closes the connection.
func (p *Packet) dial(ctx context.Context, network, to string, from net.Addr, use func(net.Conn) error) error {
	d := net.Dialer{Timeout: Timeout}
	if p.SourcePort != 0 {
		d.LocalAddr = from
	}
	conn, err := d.DialContext(ctx, network, to)
	if err != nil {
		return err
	}
	return errors.Join(use(conn), conn.Close())
}

// resolve returns the address of the server. Of several addresses an IPv4 one is
// preferred, as servers of 2.6 accept no others.
func (p *Packet) resolve(ctx context.Context) (netip.AddrPort, error) {
	addr, err := Resolve(ctx, p.Network, p.Host)
	return netip.AddrPortFrom(addr, uint16(p.Port)), err
}

// Resolve returns an address of host, an IPv4 address if it has one and network, which is
// "ip", "ip4" or "ip6", lets it.
func Resolve(ctx context.Context, network, host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			return a, nil
		}
	}
	return all[0], nil
}

// String returns where the packet goes, as given.
func (p *Packet) String() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }
