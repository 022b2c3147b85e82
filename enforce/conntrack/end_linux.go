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

// ErrGoesOn is why a connection is left without an error of the kernel.
var ErrGoesOn = errors.New("the firewall lets its server send to the client, which makes a new entry for it")

// End ends connections: it destroys the sockets that are of this host and deletes the
// entries of the table, without which packets of the client count as new. It returns those
// that are there a moment later, with the first error. One that has no socket here goes on,
// also later, if the firewall accepts packets of the server as new ones.
func (t *Table) End(ctx context.Context, cs []Connection) (left []Connection, err error) {
	if len(cs) == 0 {
		return nil, nil
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return cs, fmt.Errorf("destroy a socket: %w", err)
	}
	defer conn.Close()
	for i := range cs {
		if failed := cs[i].end(conn, t); failed != nil && err == nil {
			err = failed
		}
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	left, lookErr := t.remaining(ctx, cs)
	switch {
	case lookErr != nil:
		return cs, errors.Join(err, lookErr)
	case len(left) == 0:
		return nil, nil
	case err == nil:
		err = ErrGoesOn
	}
	return left, err
}

// end destroys the socket of a connection before its entry: the reset to the client goes out
// through the entry. That one of them is gone already is success.
func (c *Connection) end(conn *netlink.Conn, t *Table) error {
	var destroyed, deleted error
	if c.Local {
		destroyed = c.socket.destroy(conn)
	}
	if c.name != nil {
		deleted = t.delete(c)
	}
	switch {
	case errors.Is(destroyed, unix.EOPNOTSUPP):
		return errors.New("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)")
	case destroyed != nil && !errors.Is(destroyed, unix.ENOENT):
		return fmt.Errorf("destroy a socket: %w", destroyed)
	case deleted != nil && !errors.Is(deleted, unix.ENOENT):
		return fmt.Errorf("delete an entry of nf_conntrack: %w", deleted)
	}
	return nil
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
