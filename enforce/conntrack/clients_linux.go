package conntrack

import (
	"iter"
	"net"
	"net/netip"
	"slices"

	"fwknopd/enforce"
)

// clients are grants in normal form by whom they let in.
type clients struct {
	grants  []enforce.Grant
	sources map[netip.Prefix][]int // indexes of grants
	lengths map[bool][]int         // of the prefixes in sources; true: of IPv6
	host
}

// A host is what distinguishes connections to it from those that it forwards.
type host struct {
	addrs map[netip.Addr]bool // of its interfaces
	guard enforce.Guard
}

func newClients(gs []enforce.Grant, h host) *clients {
	c := &clients{make([]enforce.Grant, len(gs)), make(map[netip.Prefix][]int, len(gs)), make(map[bool][]int), h}
	for i, g := range gs {
		g = g.Normal()
		c.grants[i] = g
		for _, p := range g.Sources() {
			c.sources[p] = append(c.sources[p], i)
			if v6 := p.Addr().Is6(); !slices.Contains(c.lengths[v6], p.Bits()) {
				c.lengths[v6] = append(c.lengths[v6], p.Bits())
			}
		}
	}
	return c
}

// families are the address families of the clients.
func (c *clients) families() map[uint8]bool {
	all := make(map[uint8]bool)
	for p := range c.sources {
		all[family(p.Addr())] = true
	}
	return all
}

// of yields the indexes of the grants that let a client in.
func (c *clients) of(client netip.Addr) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, n := range c.lengths[client.Is6()] {
			source, _ := client.Prefix(n)
			for _, i := range c.sources[source] {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// carry reports whether a connection goes through one of the grants, and notes which.
func (c *clients) carry(conn *Connection) bool {
	for i := range c.of(conn.orig.src.Addr()) {
		if conn.through(&c.grants[i], c.host) {
			conn.grant = i
			return true
		}
	}
	return false
}

// through reports whether a connection, which a client of the grant began, goes through it; the
// grant is in normal form. One without a translation is for this host, and for what other
// programs translate or a guard drops: other connections that the client has through this host
// are none of its.
func (c *Connection) through(g *enforce.Grant, h host) bool {
	to := c.orig.dst
	forwarded := !c.Local && !h.addrs[to.Addr()]
	switch {
	case g.Dst.IsValid() && to.Addr() != g.Dst:
		return false
	case !g.All && !slices.Contains(g.Ports, enforce.Port{Proto: c.Proto, Number: to.Port()}):
		return false
	case g.NAT == nil:
		return !forwarded || c.reply.src != to || slices.Contains(h.guard, enforce.Port{Proto: c.Proto, Number: to.Port()})
	case g.NAT.Target.IsValid():
		target := g.NAT.Target
		return c.reply.src == target || target.Port() == 0 && c.reply.src.Addr() == target.Addr()
	}
	return forwarded
}

// host returns this host as it is now.
func (t *Table) host() (host, error) {
	list, err := net.InterfaceAddrs()
	h := host{make(map[netip.Addr]bool), t.Guard}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			h.addrs[p.Addr().Unmap()] = true
		}
	}
	return h, err
}
