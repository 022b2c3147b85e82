package nftables

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// openBehind drops what the client sends first, and lets the servers send to it.
const openBehind = `table inet t {
	chain in { type filter hook input priority 0; policy drop; ct state established,related accept; meta l4proto ipv6-icmp accept; iifname != "` + netlab.ServerIf + `" accept; }
	chain through { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname != "` + netlab.ServerIf + `" accept; }
}
`

// tick runs a server that sends again and again to each client that has sent to it.
func tick(t *testing.T, ns *netlab.NS, proto string, port uint16) (ends <-chan error) {
	t.Helper()
	errs := make(chan error, 8)
	if proto == "udp" {
		var pc net.PacketConn
		ns.Do(func() {
			var err error
			if pc, err = net.ListenPacket("udp", fmt.Sprintf("[::]:%d", port)); err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { pc.Close() })
		go func() {
			buf := make([]byte, 16)
			for {
				_, peer, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				go func() {
					for range time.Tick(20 * time.Millisecond) {
						if _, err := pc.WriteTo([]byte("tick"), peer); errors.Is(err, net.ErrClosed) {
							return
						}
					}
				}()
			}
		}()
		return nil
	}
	var l net.Listener
	ns.Do(func() {
		var err error
		if l, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port)); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for range time.Tick(20 * time.Millisecond) {
					if _, err := c.Write([]byte("tick")); err != nil {
						errs <- err
						return
					}
				}
			}()
		}
	}()
	return errs
}

// reach connects from the client, from a port if that is not 0, and waits until the server
// sends.
func reach(t *testing.T, lab *netlab.Lab, proto string, from uint16, to netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := tryReach(lab, proto, from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func tryReach(lab *netlab.Lab, proto string, from uint16, to netip.AddrPort) (conn net.Conn, err error) {
	lab.Client.Do(func() {
		d := net.Dialer{Timeout: wait.Timeout, Control: reuse}
		if d.LocalAddr = net.Addr(&net.TCPAddr{Port: int(from)}); proto == "udp" {
			d.LocalAddr = &net.UDPAddr{Port: int(from)}
		}
		conn, err = d.Dial(proto, to.String())
	})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return conn, err
	}
	conn.SetReadDeadline(time.Now().Add(wait.Timeout))
	_, err = conn.Read(make([]byte, 4))
	return conn, err
}

func reuse(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
}

// isOver reports whether nothing comes from the server any more, beyond what was on its way.
func isOver(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	io.Copy(io.Discard, conn)
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := conn.Read(make([]byte, 4))
	return err != nil
}

// cutIn ends the connections of a grant in the server's namespace.
func cutIn(t *testing.T, lab *netlab.Lab, b *Backend, ended enforce.Grant, open ...enforce.Grant) (n enforce.Connections) {
	t.Helper()
	lab.Server.Do(func() {
		table := &conntrack.Table{Reject: b.Reject}
		defer table.Close()
		got, err := table.Cut(ctx, []enforce.Grant{ended}, func() []enforce.Grant { return open })
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		n = got[0]
	})
	return n
}

// A connection whose server sends first ends for good with its grant, in the directions that
// remain; its client is let in again at once, also from the port that it had. Nothing of it is
// listed as a grant.
func TestReject(t *testing.T) {
	for _, c := range []struct {
		name, proto string
		v6          bool
		inside      bool // the server is behind this host
		translated  bool
		prefix      uint8
	}{
		{"forwarded TCP", "tcp", false, true, false, 0},
		{"forwarded UDP", "udp", false, true, false, 0},
		{"translated TCP", "tcp", false, true, true, 0},
		{"translated UDP", "udp", false, true, true, 0},
		{"forwarded TCP by IPv6", "tcp", true, true, false, 0},
		{"forwarded UDP by IPv6", "udp", true, true, false, 0},
		{"TCP to this host", "tcp", false, false, false, 0},
		{"UDP to this host", "udp", false, false, false, 0},
		{"UDP to this host by IPv6", "udp", true, false, false, 0},
		{"forwarded TCP of a prefix", "tcp", false, true, false, 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft")
			lab := netlab.New(t)
			lab.Server.RunInput(t, openBehind, "nft -f -")
			at, client, server := lab.Server, lab.Client.V4, lab.Server.V4
			if c.v6 {
				client, server = lab.Client.V6, lab.Server.V6
			}
			g := enforce.Grant{Src: client, Bits: c.prefix, Expires: time.Now().Add(time.Minute), Stanza: 3}
			to, ports := netip.AddrPortFrom(server, 22), uint16(22)
			if c.inside {
				at = lab.AddInside(t)
				inside := lab.Inside.V4
				if c.v6 {
					inside = lab.Inside.V6
				}
				g.NAT, g.Dst = new(enforce.NAT), inside
				to = netip.AddrPortFrom(inside, 22)
			}
			if c.translated {
				g.NAT, g.Dst = &enforce.NAT{Target: to}, netip.Addr{}
				to, ports = netip.AddrPortFrom(server, 2222), 2222
			}
			if c.prefix != 0 {
				p, _ := client.Prefix(int(c.prefix))
				g.Src = p.Addr()
			}
			proto := enforce.TCP
			if c.proto == "udp" {
				proto = enforce.UDP
			}
			g.Ports = []enforce.Port{{Proto: proto, Number: ports}}
			ends := tick(t, at, c.proto, 22)
			b := newBackend(t, lab, Config{CloseConnections: true})
			if err := enforce.Open(ctx, b, g); err != nil {
				t.Fatal(err)
			}
			conn := reach(t, lab, c.proto, 40022, to)
			if err := enforce.Revoke(ctx, b, g); err != nil {
				t.Fatal(err)
			}
			if isOver(conn) {
				t.Fatal("the firewall does not let the server go on")
			}
			want := enforce.Connections{Cut: 1}
			if proto == enforce.TCP && !c.inside {
				want = enforce.Connections{Ended: 1}
			}
			if n := cutIn(t, lab, b, g); n != want {
				t.Errorf("%+v, want %+v", n, want)
			}
			if !isOver(conn) {
				t.Error("it goes on")
			}
			if ends != nil {
				select {
				case <-ends:
				case <-time.After(wait.Timeout):
					t.Error("the server was not told")
				}
				conn.SetDeadline(time.Now().Add(wait.Timeout))
				wait.For(t, "a reset", func() bool { _, err := conn.Write([]byte("x")); return err != nil })
			}
			if gs, err := b.List(ctx); err != nil || len(gs) > 0 {
				t.Errorf("List = %v, %v", gs, err)
			}
			conn.Close()
			if err := enforce.Open(ctx, b, g); err != nil {
				t.Fatal(err)
			}
			if els := endedIn(t, lab); strings.Contains(els, "40022") {
				t.Errorf("after a new grant\n%s", els)
			}
			reach(t, lab, c.proto, 40022, to)
		})
	}
}

// endedIn lists the sets of ended connections.
func endedIn(t *testing.T, lab *netlab.Lab) string {
	t.Helper()
	return lab.Server.Run(t, "nft list set inet fwknopd fwknop_ended4") + lab.Server.Run(t, "nft list set inet fwknopd fwknop_ended6")
}
