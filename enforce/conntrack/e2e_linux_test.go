package conntrack

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

var ctx = context.Background()

// dial connects from the client to the server, until the test ends or close.
func dial(t *testing.T, lab *netlab.Lab, addr string) (conn net.Conn) {
	t.Helper()
	lab.Client.Do(func() {
		var err error
		if conn, err = net.DialTimeout("tcp", addr, 2*time.Second); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestEstablished(t *testing.T) {
	netlab.Need(t, "iptables", "ip6tables")
	lab := netlab.New(t)
	lab.Server.Tables(t, "iptables", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT") // a rule with a state makes the kernel track
	netlab.Serve(t, lab.Server, "tcp", 22)
	netlab.Serve(t, lab.Server, "tcp", 80)
	ssh := dial(t, lab, net.JoinHostPort(lab.Server.V4.String(), "22"))
	dial(t, lab, net.JoinHostPort(lab.Server.V6.String(), "80"))

	tcp := func(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }
	grants := []enforce.Grant{
		{Src: lab.Client.V4, Ports: tcp(22)},
		{Src: lab.Client.V4, Ports: tcp(80)},
		{Src: lab.Client.V6, Ports: tcp(80)},
		{Src: lab.Client.V6, Ports: tcp(22)},
		{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.UDP, Number: 22}}},
		{Src: netip.MustParseAddr("10.77.0.3"), Ports: tcp(22)},
		{Src: lab.Client.V6, All: true},
		{Src: netip.MustParseAddr("10.77.0.0"), Bits: 24, Ports: tcp(22)},
		{Src: netip.MustParseAddr("10.77.1.0"), Bits: 24, Ports: tcp(22)},
		{Src: netip.MustParseAddr("10.77.1.1"), Also: netip.MustParsePrefix("fd77::/64"), Ports: tcp(80)},
	}
	for _, c := range []struct {
		ports []uint16
		want  []bool
	}{
		{nil, []bool{true, false, true, false, false, false, true, true, false, true}},
		{[]uint16{0}, []bool{true, false, true, false, false, false, true, true, false, true}},
		{[]uint16{22}, []bool{true, false, false, false, false, false, false, true, false, false}},
		{[]uint16{22, 80}, []bool{true, false, true, false, false, false, true, true, false, true}},
		{[]uint16{443}, make([]bool, 10)},
	} {
		table := open(t, lab.Server, c.ports)
		got, err := table.Established(ctx, grants)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("ports %d: %v, %v, want %v", c.ports, got, err, c.want)
		}
	}

	ssh.Close()
	table := open(t, lab.Server, nil)
	wait.For(t, "a closed connection that does not count as established", func() bool {
		got, err := table.Established(ctx, grants[:1])
		if err != nil {
			t.Fatal(err)
		}
		return !got[0]
	})
}

// TestFailedReading: a reading that fails is an error, and the next one is whole.
func TestFailedReading(t *testing.T) {
	netlab.Need(t, "iptables")
	lab := netlab.New(t)
	lab.Server.Run(t, "iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT")
	netlab.Serve(t, lab.Server, "tcp", 22)
	dial(t, lab, net.JoinHostPort(lab.Server.V4.String(), "22"))
	table := open(t, lab.Server, nil)
	grants := []enforce.Grant{{Src: lab.Client.V4, All: true}}
	table.sock.Close()
	if got, err := table.Established(ctx, grants); err == nil {
		t.Errorf("closed socket: %v", got)
	}
	lab.Server.Do(func() {
		if got, err := table.Established(ctx, grants); err != nil || !got[0] {
			t.Errorf("after a failed reading: %v, %v", got, err)
		}
	})
}

func open(t *testing.T, ns *netlab.NS, ports []uint16) (table *Table) {
	t.Helper()
	ns.Do(func() {
		var err error
		if table, err = Open(ports); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { table.Close() })
	return table
}
