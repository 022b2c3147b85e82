package conntrack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A Connection goes through a grant.
type Connection struct {
	Proto  enforce.Proto  // TCP or UDP
	Client netip.AddrPort // where it comes from
	Server netip.AddrPort // what answers: Local, or a target of a translation
	Local  bool           // it has a TCP socket of this host

	orig, reply tuple
	grant       int // place of the first grant that it goes through in the list of Find
	family      uint8
	name        []byte // of its entry in the table, nil: none
	socket      socket // valid iff Local
}

// Find returns the connections that go through one of the grants: TCP ones that are not
// ended, and UDP ones that were answered. Tables are read once, however many grants there are.
func (t *Table) Find(ctx context.Context, gs []enforce.Grant) (found []Connection, err error) {
	here, err := t.host()
	if err != nil {
		return nil, err
	}
	grants := newClients(gs, here)
	err = t.read(ctx, grants.families(), func(e *entry, f uint8) {
		c := Connection{Proto: e.proto, Client: e.orig.src, Server: e.reply.src, orig: e.orig, reply: e.reply, family: f}
		if grants.carry(&c) {
			c.name = entryName(e.name)
			found = append(found, c)
		}
	})
	if err != nil {
		return nil, err
	}
	place := make(map[tuple]int)
	for i, c := range found {
		if c.Proto == enforce.TCP {
			place[c.reply] = i
		}
	}
	err = eachSocket(func(s *socket) {
		out := tuple{s.local, s.peer}
		if i, known := place[out]; known {
			found[i].Local, found[i].socket = true, *s
			return
		}
		c := Connection{Proto: enforce.TCP, Client: s.peer, Server: s.local, Local: true,
			orig: tuple{s.peer, s.local}, reply: out, family: family(s.peer.Addr()), socket: *s}
		if grants.carry(&c) { // the table does not have it
			found = append(found, c)
		}
	})
	return found, err
}

// read calls each with the entries of the families that are alive. An entry is valid until
// each returns.
func (t *Table) read(ctx context.Context, families map[uint8]bool, each func(*entry, uint8)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range families {
		if err := errors.Join(ctx.Err(), t.connect()); err != nil {
			return err
		}
		for e, err := range t.entries(f) {
			if err != nil {
				return t.failed(err)
			}
			each(&e, f)
		}
	}
	return nil
}

// entryName returns a copy of the attributes by which the kernel finds an entry.
func entryName(attrs []byte) []byte {
	return bytes.Join([][]byte{whole(attrs, tupleOrig), padded(whole(attrs, entryZone)), padded(whole(attrs, entryID))}, nil)
}

// padded returns an attribute in the size that it takes in a message.
func padded(attr []byte) []byte {
	return append(attr[:len(attr):len(attr)], make([]byte, -len(attr)&(unix.NLA_ALIGNTO-1))...)
}

// settle is when a look shows whether a connection goes on: a packet that was on its way, or
// is sent again, has come by then.
const settle = 300 * time.Millisecond

// errGoesOn is why a connection is left without an error of the kernel.
var errGoesOn = errors.New("the firewall lets its server send to the client, which makes a new entry for it")

// End ends connections: it destroys the sockets that are of this host, has what the others send
// rejected ([Table.Reject]) and deletes the entries of the table, without which packets of the
// client count as new. It returns those that are there a moment later, with the first error. One
// that has no socket here and is not rejected goes on, also later, if the firewall accepts
// packets of the server as new ones. That some were not rejected is an error also if none is
// left.
func (t *Table) End(ctx context.Context, cs []Connection) (left []Connection, err error) {
	if len(cs) == 0 {
		return nil, nil
	}
	others, failed := destroyAll(cs) // first: the reset to the client goes out through the entry
	notRejected := t.reject(ctx, others)
	if err := t.deleteAll(cs); failed == nil {
		failed = err
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	left, lookErr := t.remaining(ctx, cs)
	switch {
	case lookErr != nil:
		return cs, errors.Join(failed, notRejected, lookErr)
	case len(left) == 0:
		return nil, notRejected
	case failed == nil && notRejected == nil:
		failed = errGoesOn
	}
	return left, errors.Join(failed, notRejected)
}

// destroyAll destroys the sockets of connections. It returns those that have none or keep it,
// with the first error.
func destroyAll(cs []Connection) (others []*Connection, first error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err == nil {
		defer conn.Close()
	}
	for i := range cs {
		c := &cs[i]
		if c.Local && err == nil {
			failed := c.destroy(conn)
			if failed == nil {
				continue
			}
			if first == nil {
				first = failed
			}
		}
		others = append(others, c)
	}
	if err != nil {
		first = fmt.Errorf("destroy a socket: %w", err)
	}
	return others, first
}

// destroy destroys the socket of a connection. That it is gone already is success.
func (c *Connection) destroy(conn *netlink.Conn) error {
	err := c.socket.destroy(conn)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return errors.New("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)")
	case err != nil && !errors.Is(err, unix.ENOENT):
		return fmt.Errorf("destroy a socket: %w", err)
	}
	return nil
}

// reject has what connections send rejected.
func (t *Table) reject(ctx context.Context, cs []*Connection) error {
	if t.Reject == nil || len(cs) == 0 {
		return nil
	}
	flows := make([]enforce.Flow, len(cs))
	for i, c := range cs {
		flows[i] = enforce.Flow{Proto: c.Proto, Client: c.Client, Dst: c.orig.dst, Server: c.Server}
		if !c.Server.IsValid() { // the kernel did not say it
			flows[i].Server = c.orig.dst
		}
	}
	if err := t.Reject(ctx, flows); err != nil {
		return fmt.Errorf("what it sends is not rejected: %w", err)
	}
	return nil
}

// deleteAll deletes the entries of connections, and returns the first error. That one is gone
// already is success.
func (t *Table) deleteAll(cs []Connection) (first error) {
	for i := range cs {
		if cs[i].name == nil {
			continue
		}
		if err := t.delete(&cs[i]); err != nil && !errors.Is(err, unix.ENOENT) && first == nil {
			first = fmt.Errorf("delete an entry of nf_conntrack: %w", err)
		}
	}
	return first
}

func (t *Table) delete(c *Connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.connect(); err != nil {
		return err
	}
	_, err := t.sock.Execute(netlink.Message{
		Header: netlink.Header{Type: msgDelete, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append([]byte{c.family, unix.NFNETLINK_V0, 0, 0}, c.name...),
	})
	return err
}

// remaining returns those of the connections that have a socket or an entry. An entry may be
// one that the kernel made for a packet of the server (nf_conntrack_tcp_loose), with the
// directions exchanged.
func (t *Table) remaining(ctx context.Context, cs []Connection) (left []Connection, err error) {
	type flow struct {
		proto enforce.Proto
		tuple
	}
	place, families, there := make(map[flow]int), make(map[uint8]bool), make([]bool, len(cs))
	for i, c := range cs {
		families[c.family] = true
		place[flow{c.Proto, c.orig}], place[flow{c.Proto, c.reply}] = i, i
	}
	err = t.read(ctx, families, func(e *entry, _ uint8) {
		if i, known := place[flow{e.proto, e.orig}]; known {
			there[i] = true
		}
	})
	if err == nil {
		err = eachSocket(func(s *socket) {
			out := tuple{s.local, s.peer}
			if i, known := place[flow{enforce.TCP, out}]; known && cs[i].reply == out {
				there[i] = true
			}
		})
	}
	for i, c := range cs {
		if there[i] {
			left = append(left, c)
		}
	}
	return left, err
}
