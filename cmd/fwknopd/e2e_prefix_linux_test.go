package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/spa"
)

// widest is the line of the server file that the tests of prefixes need.
const widest = "MAX_GRANT_PREFIX 24/64;\n"

// lets reports whether the test port is open for an address of the client, or closed after
// a short wait.
func (s *site) lets(src netip.Addr, within time.Duration) bool {
	to := s.Server.V4
	if src.Is6() {
		to = s.Server.V6
	}
	return wait.Until(within, func() bool {
		return netlab.CanReach(s.Client, "tcp", src, netip.AddrPortFrom(to, e2ePort), 200*time.Millisecond)
	})
}

// outsider adds an address of the client outside of the prefixes of its others.
func (s *site) outsider() netip.Addr {
	s.t.Helper()
	s.Server.Run(s.t, "ip route add 10.99.0.0/24 via "+s.Client.V4.String())
	return s.Client.AddAddrs(s.t, netlab.ClientIf, netip.MustParseAddr("10.99.0.2"), 1)[0]
}

// A client knocks from one address and connects from another one of its prefix, in both
// address families. The grant stays through a reload that takes the prefix away and through
// a restart, and is found by any address in it.
func TestE2EPrefix(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		outside := s.outsider()
		beside4 := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.60"), 1)[0]
		beside6 := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("fd77::60:1:2:3"), 1)[0]
		s.configure(widest, stanza("GRANT_PREFIX 24/64"))
		s.start()
		if s.lets(beside4, 0) || s.lets(beside6, 0) {
			t.Fatal("open before the knock")
		}
		s.knock(ask()...)
		s.knock6(ask()...)
		for _, a := range []netip.Addr{s.Client.V4, beside4, s.Client.V6, beside6} {
			if !s.lets(a, wait.Timeout) {
				t.Errorf("%s, in the prefix, does not get in", a)
			}
		}
		if s.lets(outside, 0) {
			t.Errorf("%s, outside of the prefix, gets in", outside)
		}
		s.waitFor("opened 10.77.0.0/24 tcp/2222")
		s.waitFor("opened fd77::/64 tcp/2222")
		wait.For(t, "the event", func() bool {
			return strings.Contains(s.events(), `"grant":{"src":"10.77.0.0","sources":["10.77.0.0/24"],"ports":["tcp/2222"]`)
		})
		if out, _ := s.command(append([]string{"why", beside4.String()}, s.args()[:2]...)...); !strings.Contains(out, "10.77.0.0/24 tcp/2222 until ") {
			t.Errorf("why %s says nothing of the grant:\n%s", beside4, out)
		}

		s.configure("", stanza(""))
		s.reload()
		s.stop()
		s.start()
		s.grants(0, `ACCEPT +tcp +-- +10\.77\.0\.0/24 (.|\n)*ACCEPT +tcp +-- +fd77::/64 `, "list")
		s.grants(0, "^num .*\n1 .*10.77.0.0/24 .*\n$", "list", "--src", beside4.String())
		if !s.lets(beside4, wait.Timeout) || !s.lets(beside6, wait.Timeout) {
			t.Error("the restart has closed it")
		}
		s.grants(1, "nothing of that is open", "revoke", outside.String())
		conn := s.connect(s.Server.V4, e2ePort)
		s.grants(0, "^closed tcp/2222 for 10.77.0.0/24\nended 1 connection\n$", "revoke", "--src", beside4.String(), "--cut")
		if echoes(conn) {
			t.Error("--cut has left a connection from the prefix")
		}
		s.grants(0, "^closed tcp/2222 for fd77::/64\n", "revoke", "--src", "fd77::/64")
		if s.lets(beside4, 0) || s.lets(beside6, 0) {
			t.Error("open after it was closed")
		}

		s.configure(widest, strings.Replace(stanza("GRANT_PREFIX 28/"), "FW_ACCESS_TIMEOUT 60", "FW_ACCESS_TIMEOUT 4", 1))
		s.reload()
		s.knock(ask()...)
		if !s.open() || s.lets(beside4, 0) {
			t.Error("not open for the /28, or for more")
		}
		s.waitFor("closed 10.77.0.0/28 tcp/2222: its time is over")
		if !s.shut() {
			t.Error("open after its end")
		}
	})
}

// A grant for the source of the packet, and for it and the address in the message.
func TestE2EGrantAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		other := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.60"), 2)
		s.configure("", stanza("GRANT_ADDRESS both"))
		s.start()
		s.knockFrom(other[0], s.Server.V4, ask()...)
		if !s.lets(other[0], wait.Timeout) || !s.lets(s.Client.V4, wait.Timeout) || s.lets(other[1], 0) {
			t.Error("not open for both addresses, or for more")
		}
		s.waitFor("opened 10.77.0.60 and 10.77.0.2 tcp/2222")
		s.grants(0, "^num .*\n1 .*10.77.0.2 .*\n2 .*10.77.0.60 .*\n$", "list")
		s.grants(0, "^closed tcp/2222 for 10.77.0.60\n", "revoke", other[0].String())
		if s.lets(other[0], 0) || !s.lets(s.Client.V4, wait.Timeout) {
			t.Error("revoked for one address, and not that one is closed")
		}
		s.grants(0, "^closed ", "revoke", "--all")

		s.configure("", stanza("GRANT_ADDRESS packet"))
		s.reload()
		s.knockFrom(other[0], s.Server.V4, ask()...)
		if !s.lets(s.Client.V4, wait.Timeout) || s.lets(other[0], 0) {
			t.Error("not open for the source of the packet alone")
		}
		s.grants(0, "^closed ", "revoke", "--all")

		s.configure(widest+"BLACKLIST 10.77.0.99;\n", stanza("GRANT_PREFIX 24/\nGRANT_ADDRESS both\nREQUIRE_SOURCE_ADDRESS N"))
		s.reload()
		s.knockFrom(other[0], s.Server.V4, ask()...)
		s.waitFor("spa.source")
		s.waitFor("10.77.0.99 in this GRANT_PREFIX is in BLACKLIST: the message has 10.77.0.60, the packet came from 10.77.0.2")
		if s.lets(other[0], 0) || s.lets(s.Client.V4, 0) {
			t.Error("a prefix with an address of BLACKLIST in it is open")
		}
	})
}

// A replay lets in the same prefixes and addresses as the daemon.
func TestE2EPrefixReplay(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	r := &recording{site: newSite(t, "nftables")}
	other := r.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.100"), 1)[0]
	from := func(addr string) []byte {
		return r.message(packetKey(), func(m *spa.Message) { m.Text = fmt.Sprintf("%s,tcp/%d", addr, e2ePort) })
	}
	for _, more := range []string{"GRANT_PREFIX 24/", "GRANT_ADDRESS both", "GRANT_ADDRESS packet\nGRANT_PREFIX 28/64", "GRANT_ADDRESS both\nREQUIRE_SOURCE_ADDRESS Y"} {
		r.part("AUTH_MODE PCAP;\nPCAP_FILTER udp port 62201;\n"+widest+"BLACKLIST 192.0.2.66;\n", stanza(more))
		r.send(r.Client.V4, from("10.77.0.2"), from("0.0.0.0"), from("192.0.2.7"), from("192.0.2.66"))
		r.send(other, from("10.77.0.2"), from("0.0.0.0"), from("198.51.100.9"))
		r.end(false)
	}
	r.stop()
	for _, p := range r.parts {
		if len(p.decisions) != 8 {
			t.Errorf("%s: %d decisions, want 8", p.dir, len(p.decisions))
		}
		r.compare(p)
	}
}
