package nftables

import (
	"errors"
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
			ends := netlab.Tick(t, at, c.proto, 22)
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
			if proto == enforce.TCP {
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

// forwarding returns a network with a server inside that sends by TCP and UDP, and grants of a
// client for both.
func forwarding(t *testing.T) (lab *netlab.Lab, tcp, udp enforce.Grant, to netip.AddrPort) {
	t.Helper()
	netlab.Need(t, "nft")
	lab = netlab.New(t)
	lab.Server.RunInput(t, openBehind, "nft -f -")
	lab.AddInside(t)
	netlab.Tick(t, lab.Inside, "tcp", 22)
	netlab.Tick(t, lab.Inside, "udp", 22)
	tcp = enforce.Grant{Src: lab.Client.V4, Dst: lab.Inside.V4, NAT: new(enforce.NAT), Expires: time.Now().Add(time.Minute),
		Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}
	udp = tcp
	udp.Ports = []enforce.Port{{Proto: enforce.UDP, Number: 22}}
	return lab, tcp, udp, netip.AddrPortFrom(lab.Inside.V4, 22)
}

// endIn revokes a grant and ends its connections.
func endIn(t *testing.T, lab *netlab.Lab, b *Backend, g enforce.Grant, open ...enforce.Grant) enforce.Connections {
	t.Helper()
	if err := enforce.Revoke(ctx, b, g); err != nil {
		t.Fatal(err)
	}
	return cutIn(t, lab, b, g, open...)
}

// The connections of another grant of the client stay, also if it is opened while those of the
// first are looked up. One that a client begins anew from its old port, which the firewall lets
// in by itself, is another.
func TestRejectOnlyEnded(t *testing.T) {
	lab, tcp, udp, to := forwarding(t)
	b := newBackend(t, lab, Config{CloseConnections: true})
	all := enforce.Grant{Src: lab.Client.V4, All: true, Dst: lab.Inside.V4, NAT: new(enforce.NAT), Expires: time.Now().Add(time.Minute)}
	if err := enforce.Open(ctx, b, tcp, udp); err != nil {
		t.Fatal(err)
	}
	first, other := reach(t, lab, "tcp", 40022, to), reach(t, lab, "udp", 40022, to)
	if n := endIn(t, lab, b, tcp, udp); n != (enforce.Connections{Cut: 1}) || !isOver(first) {
		t.Errorf("%+v, over: %v", n, isOver(first))
	}
	if isOver(other) {
		t.Error("the connection of another grant has ended")
	}
	first.Close()
	lab.Server.Run(t, "nft insert rule inet t through ip saddr "+lab.Client.V4.String()+" accept")
	if again := reach(t, lab, "tcp", 40022, to); isOver(again) {
		t.Error("a new connection is rejected")
	}
	if els := endedIn(t, lab); strings.Contains(els, "40022") {
		t.Errorf("after a new connection\n%s", els)
	}
	if err := enforce.Open(ctx, b, all); err != nil { // the monitor does not know of it yet
		t.Fatal(err)
	}
	if n := endIn(t, lab, b, udp); n != (enforce.Connections{Cut: 1}) && n != (enforce.Connections{Open: 1}) {
		t.Errorf("%+v", n)
	}
	if els := endedIn(t, lab); strings.Contains(els, "40022") {
		t.Errorf("rejected, though a grant is open\n%s", els)
	}
}

// What is rejected stays so after a flush, without a daemon and with the next one, which
// forgets it for a new grant; also if another program removes our table. Without a stanza that
// needs it the chain is there only as long as something is rejected.
func TestRejectStays(t *testing.T) {
	lab, tcp, udp, to := forwarding(t)
	b := newBackend(t, lab, Config{})
	if rules := lab.Server.Run(t, "nft list ruleset"); strings.Contains(rules, "ended") {
		t.Errorf("without CLOSE_CONNECTIONS\n%s", rules)
	}
	b.Close()
	b = newBackend(t, lab, Config{CloseConnections: true})
	if err := enforce.Open(ctx, b, tcp, udp); err != nil {
		t.Fatal(err)
	}
	conn := reach(t, lab, "udp", 40022, to)
	endIn(t, lab, b, udp)
	if err := b.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a flush", func() error { return b.Prune(ctx) }},
		{"a restart", func() error {
			b.Close()
			b = newBackend(t, lab, Config{CloseConnections: true})
			return nil
		}},
		{"a start without CLOSE_CONNECTIONS", func() error {
			b.Close()
			b = newBackend(t, lab, Config{})
			return nil
		}},
		{"the end of our table", func() error {
			lab.Server.Run(t, "nft delete table inet fwknopd")
			_, err := b.Compare(ctx, nil)
			return err
		}},
		{"a change of our chain", func() error {
			lab.Server.Run(t, "nft flush chain inet fwknopd fwknop_ended")
			_, err := b.Compare(ctx, nil)
			return err
		}},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if !isOver(conn) {
			t.Errorf("it goes on after %s", step.name)
		}
	}
	generation := func() uint32 {
		gen, err := b.Generation()
		if err != nil {
			t.Fatal(err)
		}
		return gen
	}
	before := generation()
	if err := b.Setup(ctx); err != nil || generation() > before+1 {
		t.Errorf("%v, Setup has changed what is there: %d, %d", err, before, generation())
	}
	if s, err := b.Survey(ctx); err != nil || len(s.Bases) != 2 {
		t.Errorf("Survey = %+v, %v, want the two chains of the administrator", s, err)
	}
	if err := enforce.Open(ctx, b, udp); err != nil || strings.Contains(endedIn(t, lab), "40022") {
		t.Errorf("%v, after a new grant\n%s", err, endedIn(t, lab))
	}
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	b.Close()
	b = newBackend(t, lab, Config{})
	if rules := lab.Server.Run(t, "nft list ruleset"); strings.Contains(rules, "ended") {
		t.Errorf("nothing is rejected any more\n%s", rules)
	}
	b.Close()
	b = newBackend(t, lab, Config{CloseConnections: true})
	if err := b.Teardown(ctx); err != nil || strings.Contains(lab.Server.Run(t, "nft list ruleset"), "fwknop") {
		t.Errorf("%v, after Teardown\n%s", err, lab.Server.Run(t, "nft list ruleset"))
	}
}

// A kernel that cannot reject drops.
func TestRejectMute(t *testing.T) {
	lab, _, udp, to := forwarding(t)
	b := newBackend(t, lab, Config{CloseConnections: true})
	if err := enforce.Open(ctx, b, udp); err != nil {
		t.Fatal(err)
	}
	conn := reach(t, lab, "udp", 40022, to)
	if err := b.makeEnded(nil, true); err != nil {
		t.Fatal(err)
	}
	endIn(t, lab, b, udp)
	if rules := lab.Server.Run(t, "nft list chain inet fwknopd fwknop_ended"); !isOver(conn) || strings.Contains(rules, "reject") {
		t.Errorf("over: %v\n%s", isOver(conn), rules)
	}
}

// There is a limit to what is rejected; reaching it is said, and what is rejected stays so.
func TestRejectLimit(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	b := newBackend(t, lab, Config{})
	flows := make([]enforce.Flow, maxEnded+2)
	for i := range flows {
		at := netip.AddrPortFrom(lab.Server.V4, 22)
		flows[i] = enforce.Flow{Proto: enforce.TCP, Client: netip.AddrPortFrom(lab.Client.V4, uint16(1024+i)), Dst: at, Server: at}
	}
	err := b.Reject(ctx, flows)
	if !errors.Is(err, enforce.ErrTooManyFlows) || !strings.HasSuffix(err.Error(), ": 2 more") {
		t.Errorf("%v, want that 2 are too many", err)
	}
	if again, more := b.Reject(ctx, flows[:1]), b.Reject(ctx, flows[maxEnded:]); again != nil || more == nil {
		t.Errorf("again %v, more %v, want an error for more", again, more)
	}
	if n := strings.Count(endedIn(t, lab), " . tcp . "); n != maxEnded {
		t.Errorf("%d elements, want %d", n, maxEnded)
	}
	if err := enforce.Open(ctx, b, enforce.Grant{Src: lab.Client.V4, Ports: tcp(22), Expires: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(endedIn(t, lab), " . tcp . "); n != 0 {
		t.Errorf("%d elements after a new grant", n)
	}
}
