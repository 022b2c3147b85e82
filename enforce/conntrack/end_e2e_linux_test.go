package conntrack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// carries reports whether data goes to the server and back.
func carries(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	word := make([]byte, 4)
	if _, err := c.Write([]byte("ping")); err != nil {
		return false
	}
	_, err := io.ReadFull(c, word)
	return err == nil
}

// restrict lets the server's packets out, and of the client's only those of connections.
func restrict(t *testing.T, ns *netlab.NS) {
	ns.Tables(t, "iptables", "-P INPUT DROP", "-P FORWARD DROP",
		"-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
		"-A INPUT -p icmpv6 -j ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -p tcp --dport 80 -j ACCEPT",
		"-A INPUT -p udp --dport 53 -j ACCEPT")
}

func shut(t *testing.T, ns *netlab.NS) {
	ns.Tables(t, "iptables", "-D INPUT -p tcp --dport 22 -j ACCEPT", "-D INPUT -p tcp --dport 80 -j ACCEPT", "-D INPUT -p udp --dport 53 -j ACCEPT")
}

func grantTo(client netip.Addr, proto enforce.Proto, port uint16) enforce.Grant {
	return enforce.Grant{Src: client, Ports: []enforce.Port{{Proto: proto, Number: port}}}
}

// find returns the connections of the grants as the server's namespace has them.
func find(t *testing.T, ns *netlab.NS, gs ...enforce.Grant) (cs []Connection) {
	t.Helper()
	ns.Do(func() {
		table := new(Table)
		defer table.Close()
		var err error
		if cs, err = table.Find(ctx, gs); err != nil {
			t.Fatal(err)
		}
	})
	return cs
}

func end(ns *netlab.NS, cs []Connection) (left []Connection, err error) {
	ns.Do(func() {
		table := new(Table)
		defer table.Close()
		left, err = table.End(ctx, cs)
	})
	return left, err
}

// A connection of a local server ends for both sides, though the server goes on sending and
// the kernel makes entries for packets in the middle of a connection; others stay.
func TestEndLocal(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables")
	lab := netlab.New(t)
	restrict(t, lab.Server)
	ended := netlab.Tick(t, lab.Server, "tcp", 22)
	netlab.Serve(t, lab.Server, "tcp", 80)
	netlab.Serve(t, lab.Server, "udp", 53)
	for _, client := range []netip.Addr{lab.Client.V4, lab.Client.V6} {
		server := lab.Server.V4
		if client.Is6() {
			server = lab.Server.V6
		}
		ssh := dial(t, lab, netip.AddrPortFrom(server, 22).String())
		web := dial(t, lab, netip.AddrPortFrom(server, 80).String())
		granted := grantTo(client, enforce.TCP, 22)
		cs := find(t, lab.Server, granted)
		if len(cs) != 1 || !cs[0].Local || cs[0].Client.String() != ssh.LocalAddr().String() || cs[0].Server != netip.AddrPortFrom(server, 22) {
			t.Fatalf("%s: %+v", client, cs)
		}
		if none := find(t, lab.Server, grantTo(client, enforce.TCP, 23), grantTo(netip.MustParseAddr("10.77.0.3"), enforce.TCP, 22)); len(none) > 0 {
			t.Errorf("of others: %+v", none)
		}
		if left, err := end(lab.Server, cs); err != nil || len(left) > 0 {
			t.Errorf("%s: %+v, %v", client, left, err)
		}
		select {
		case <-ended:
		case <-time.After(wait.Timeout):
			t.Error("the server goes on")
		}
		ssh.SetDeadline(time.Now().Add(wait.Timeout))
		if _, err := io.Copy(io.Discard, ssh); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("the client was not told: %v", err)
		}
		if !carries(web) {
			t.Error("another connection of the client does not go on")
		}
		if again := find(t, lab.Server, granted); len(again) > 0 {
			t.Errorf("after the end: %+v", again)
		}
	}
}

// An exchange by UDP ends if the server only answers: what the client sends counts as new.
func TestEndUDP(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables")
	lab := netlab.New(t)
	restrict(t, lab.Server)
	netlab.Serve(t, lab.Server, "udp", 53)
	var c net.Conn
	lab.Client.Do(func() {
		var err error
		if c, err = net.Dial("udp", netip.AddrPortFrom(lab.Server.V4, 53).String()); err != nil {
			t.Fatal(err)
		}
	})
	defer c.Close()
	wait.For(t, "an answer", func() bool { return carries(c) })
	shut(t, lab.Server)
	if !carries(c) {
		t.Fatal("it does not go on without the rule")
	}
	cs := find(t, lab.Server, grantTo(lab.Client.V4, enforce.UDP, 53))
	if len(cs) != 1 || cs[0].Local {
		t.Fatalf("%+v", cs)
	}
	if left, err := end(lab.Server, cs); err != nil || len(left) > 0 {
		t.Errorf("%+v, %v", left, err)
	}
	if carries(c) {
		t.Error("it goes on")
	}
}

// A forwarded connection ends, translated or not, unless the firewall lets the server begin
// one to the client: if it is not translated, the next packet of the server makes a new entry
// then, which is said.
func TestEndForwarded(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables")
	for _, c := range []struct {
		name                    string
		translated, open, stays bool
	}{{"translated", true, false, false}, {"translated, open behind", true, true, false}, {"routed", false, false, false}, {"routed, open behind", false, true, true}} {
		t.Run(c.name, func(t *testing.T) {
			lab := netlab.New(t)
			lab.AddInside(t)
			restrict(t, lab.Server)
			netlab.Tick(t, lab.Inside, "tcp", 22)
			inside := netip.AddrPortFrom(lab.Inside.V4, 22)
			if c.open {
				lab.Server.Run(t, "iptables -A FORWARD -i "+netlab.ServerInsideIf+" -j ACCEPT")
			}
			dnat := fmt.Sprintf("PREROUTING -i %s -p tcp --dport 2222 -j DNAT --to-destination %s", netlab.ServerIf, inside)
			pass := fmt.Sprintf("FORWARD -p tcp -d %s --dport 22 -j ACCEPT", lab.Inside.V4)
			to, g := netip.AddrPortFrom(lab.Server.V4, 2222), grantTo(lab.Client.V4, enforce.TCP, 2222)
			g.NAT = &enforce.NAT{Target: inside}
			other, all := g, enforce.Grant{Src: lab.Client.V4, All: true, NAT: &enforce.NAT{}}
			other.NAT, other.Dst = &enforce.NAT{Target: inside}, lab.Client.V4
			if !c.translated {
				to, g = inside, grantTo(lab.Client.V4, enforce.TCP, 22)
				g.NAT, g.Dst = &enforce.NAT{}, lab.Inside.V4
			}
			lab.Server.Run(t, "iptables -t nat -A "+dnat)
			lab.Server.Run(t, "iptables -A "+pass)
			conn := dial(t, lab, to.String())
			lab.Server.Run(t, "iptables -t nat -D "+dnat)
			lab.Server.Run(t, "iptables -D "+pass)

			cs := find(t, lab.Server, g)
			if len(cs) != 1 || cs[0].Local || cs[0].Server != inside || len(find(t, lab.Server, other)) > 0 || len(find(t, lab.Server, all)) > 0 == c.translated {
				t.Fatalf("%+v", cs)
			}
			left, err := end(lab.Server, cs)
			if len(left) > 0 != c.stays || errors.Is(err, errGoesOn) != c.stays {
				t.Errorf("%+v, %v, want that it stays: %v", left, err, c.stays)
			}
			buf := make([]byte, 1<<10)
			conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
			io.ReadFull(conn, buf[:cap(buf)-1]) // what was on its way
			conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
			if n, _ := conn.Read(buf); n > 0 != c.stays {
				t.Errorf("the client has %d bytes more, want that it stays: %v", n, c.stays)
			}
		})
	}
}

// Without connection tracking what is left are the sockets.
func TestEndUntracked(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	netlab.Serve(t, lab.Server, "tcp", 22)
	conn := dial(t, lab, netip.AddrPortFrom(lab.Server.V4, 22).String())
	cs := find(t, lab.Server, grantTo(lab.Client.V4, enforce.TCP, 22))
	if len(cs) != 1 || !cs[0].Local || !slices.ContainsFunc(cs, func(c Connection) bool { return c.name == nil }) {
		t.Fatalf("%+v", cs)
	}
	if left, err := end(lab.Server, cs); err != nil || len(left) > 0 || carries(conn) {
		t.Errorf("%+v, %v", left, err)
	}
}

// Cut ends what goes through ended grants and through no open one, and counts it by grant.
func TestCut(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables")
	lab := netlab.New(t)
	restrict(t, lab.Server)
	netlab.Serve(t, lab.Server, "tcp", 22)
	netlab.Serve(t, lab.Server, "tcp", 80)
	ssh := dial(t, lab, netip.AddrPortFrom(lab.Server.V4, 22).String())
	web := dial(t, lab, netip.AddrPortFrom(lab.Server.V4, 80).String())
	ssh6 := dial(t, lab, netip.AddrPortFrom(lab.Server.V6, 22).String())
	ended := []enforce.Grant{grantTo(lab.Client.V4, enforce.TCP, 23), grantTo(lab.Client.V4, enforce.TCP, 22),
		grantTo(lab.Client.V4, enforce.TCP, 80), grantTo(lab.Client.V6, enforce.TCP, 22)}
	onDst := grantTo(lab.Client.V4, enforce.TCP, 80)
	onDst.Dst = lab.Server.V4
	open := func() []enforce.Grant { return []enforce.Grant{onDst, grantTo(lab.Client.V6, enforce.TCP, 80)} }
	lab.Server.Do(func() {
		table := new(Table)
		defer table.Close()
		got, err := table.Cut(ctx, ended, open)
		want := []enforce.Connections{{}, {Ended: 1}, {}, {Ended: 1}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
	if carries(ssh) || carries(ssh6) || !carries(web) {
		t.Errorf("ssh goes on: %v, by IPv6: %v, web goes on: %v", carries(ssh), carries(ssh6), carries(web))
	}
}

// BenchmarkCut ends the connections of 1,000 grants of 500 clients, one each, beside 500
// others. settle is most of it.
func BenchmarkCut(b *testing.B) {
	netlab.Need(b, "ip6tables")
	lab := netlab.New(b)
	lab.Server.Run(b, "ip6tables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
	ports := []uint16{22, 80, 443}
	for _, port := range ports {
		netlab.Serve(b, lab.Server, "tcp", port)
	}
	clients := lab.Client.AddAddrs(b, netlab.ClientIf, netip.MustParseAddr("fd77::1000"), 500)
	var ended []enforce.Grant
	for _, c := range clients {
		ended = append(ended, grantTo(c, enforce.TCP, ports[0]), grantTo(c, enforce.TCP, ports[1]))
	}
	for b.Loop() {
		b.StopTimer()
		conns := dialAll(b, lab, clients, ports)
		b.StartTimer()
		var counts []enforce.Connections
		var err error
		lab.Server.Do(func() {
			table := new(Table)
			defer table.Close()
			counts, err = table.Cut(ctx, ended, func() []enforce.Grant { return nil })
		})
		b.StopTimer()
		var sum enforce.Connections
		for _, n := range counts {
			sum.Add(n)
		}
		if err != nil || sum.Ended != len(ended) {
			b.Errorf("%+v, %v", sum, err)
		}
		for _, c := range conns {
			c.Close()
		}
		b.StartTimer()
	}
}

// dialAll connects from each client to each port of the server.
func dialAll(b *testing.B, lab *netlab.Lab, clients []netip.Addr, ports []uint16) (conns []net.Conn) {
	b.Helper()
	lab.Client.Do(func() {
		for _, client := range clients {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: wait.Timeout}
			for _, port := range ports {
				conn, err := d.Dial("tcp", netip.AddrPortFrom(lab.Server.V6, port).String())
				if err != nil {
					b.Fatal(err)
				}
				conns = append(conns, conn)
			}
		}
	})
	return conns
}

// A grant without a translation has the connections to this host. Of what is forwarded those
// are of it that another program translates, or whose port is guarded, and no others.
func TestFindForwarded(t *testing.T) {
	netlab.Need(t, "iptables")
	lab := netlab.New(t)
	lab.AddInside(t)
	netlab.Serve(t, lab.Inside, "tcp", 22)
	netlab.Serve(t, lab.Inside, "tcp", 80)
	lab.Server.Run(t, "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
	lab.Server.Run(t, fmt.Sprintf("iptables -t nat -A PREROUTING -i %s -p tcp --dport 8080 -j DNAT --to-destination %s:80", netlab.ServerIf, lab.Inside.V4))
	dial(t, lab, netip.AddrPortFrom(lab.Inside.V4, 22).String())
	dial(t, lab, netip.AddrPortFrom(lab.Server.V4, 8080).String())
	routed := grantTo(lab.Client.V4, enforce.TCP, 22)
	published := grantTo(lab.Client.V4, enforce.TCP, 8080)
	if cs := find(t, lab.Server, routed); len(cs) > 0 {
		t.Errorf("a connection to the port of another host: %+v", cs)
	}
	if cs := find(t, lab.Server, published); len(cs) != 1 {
		t.Errorf("a published port: %+v", cs)
	}
	lab.Server.Do(func() {
		table := &Table{Guard: enforce.Guard{{Proto: enforce.TCP, Number: 22}}}
		defer table.Close()
		if cs, err := table.Find(ctx, []enforce.Grant{routed}); err != nil || len(cs) != 1 {
			t.Errorf("a guarded port: %+v, %v", cs, err)
		}
	})
}
