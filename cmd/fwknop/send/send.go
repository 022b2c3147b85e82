// Package send sends SPA packets.
package send

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// A Packet is an SPA packet and how it is sent.
type Packet struct {
	Text       []byte
	Host       string // name or address of the server
	Port       int
	SourcePort int    // 0: the system chooses
	Network    string // "ip", "ip4" or "ip6": which addresses of the server to use
}

// A Carrier sends a packet and returns where it was sent to.
type Carrier func(ctx context.Context, p *Packet) (netip.AddrPort, error)

// carriers are the ways to send a packet, by their names on the command line.
var carriers = map[string]Carrier{
	"udp": udp,
}

// Find returns the carrier of that name.
func Find(name string) (Carrier, error) {
	if c := carriers[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no carrier %q (udp)", name)
}

// Timeout bounds the look-up of a name and the set-up of a connection.
const Timeout = 10 * time.Second

func udp(ctx context.Context, p *Packet) (netip.AddrPort, error) {
	to, err := p.resolve(ctx)
	if err != nil {
		return to, err
	}
	conn, err := net.DialUDP("udp", p.local(), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return to, err
	}
	_, err = conn.Write(p.Text)
	return to, errors.Join(err, conn.Close())
}

// local returns the local address of a UDP socket.
func (p *Packet) local() *net.UDPAddr {
	if p.SourcePort == 0 {
		return nil
	}
	return &net.UDPAddr{Port: p.SourcePort}
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
