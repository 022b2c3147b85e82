package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

func TestE2EGrantOpensAndCloses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.configure("", stanza(""))
		s.start()
		if !s.shut() {
			t.Fatal("open before a client asked")
		}
		s.knock(append(ask(), "-f", "3")...)
		if !s.open() {
			t.Fatal("not open for who asked")
		}
		other := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.50"), 1)[0]
		if netlab.CanReach(s.Client, "tcp", other, netip.AddrPortFrom(s.Server.V4, e2ePort), 200*time.Millisecond) {
			t.Error("open for another address too")
		}
		if !wait.Until(5*time.Second, s.shut) {
			t.Error("still open long after its time")
		}
		s.waitFor("Removed rule ") // the kernel may be first
		for _, mark := range []string{
			fmt.Sprintf("(stanza #1) SPA Packet from IP: %s received with access source match", s.Client.V4),
			"Final SPA Data:", "Added access rule to ", ", expires at ",
		} {
			if !strings.Contains(s.out.String(), mark) {
				t.Errorf("the daemon did not say %q", mark)
			}
		}
		s.stop()
		if !strings.Contains(s.out.String(), "Got SIGTERM") {
			t.Error("the daemon did not say why it ended")
		}
		for _, want := range []string{`"verdict":"granted","reason":"spa.granted"`, `"event_type":"grant","verdict":"granted"`, `"event_type":"grant","verdict":"expired"`} {
			if !strings.Contains(s.events(), want) {
				t.Errorf("the event log lacks %s:\n%s", want, s.events())
			}
		}
	})
}

// Every transport that a client can use, with every source that a daemon can read.
func TestE2ECarriers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, server string
		client       []string
		listen       bool // a server must accept the TCP connection
	}{
		{"udp sniffed", "", nil, false},
		{"udp server", "ENABLE_UDP_SERVER Y;", nil, false},
		{"tcp sniffed", "PCAP_FILTER tcp port 62201;", []string{"-P", "tcp"}, true},
		{"tcp server", "AUTH_MODE TCP;", []string{"-P", "tcp"}, false},
		{"tcpraw", "PCAP_FILTER tcp port 62201;", []string{"-P", "tcpraw", "-Q", "10.77.0.2"}, false},
		{"udpraw", "", []string{"-P", "udpraw", "-Q", "10.77.0.2"}, false},
		{"icmp", "PCAP_FILTER icmp;", []string{"-P", "icmp", "-Q", "10.77.0.2"}, false},
		{"http", "PCAP_FILTER tcp port 80;\nENABLE_SPA_OVER_HTTP Y;", []string{"-P", "http", "-p", "80"}, true},
		{"any interface", "PCAP_INTF any;", nil, false},
		{"both at once", "INGEST PCAP,TCP;", []string{"-P", "tcp"}, false},
		{"nflog", "AUTH_MODE NFLOG;\nNFLOG_GROUP 7;", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, "iptables")
			s.Server.Run(t, "iptables -I INPUT -p tcp --dport 62201 -j ACCEPT")
			s.Server.Run(t, "iptables -I INPUT -p tcp --dport 80 -j ACCEPT")
			s.Server.Run(t, "iptables -I INPUT -p udp --dport 62201 -j NFLOG --nflog-group 7")
			if c.listen {
				netlab.Serve(t, s.Server, "tcp", 62201)
				netlab.Serve(t, s.Server, "tcp", 80)
			}
			s.configure(without(c.server, "PCAP_INTF"), stanza(""))
			if strings.Contains(c.server, "PCAP_INTF") {
				s.write("any.conf", "PCAP_INTF any;\n")
				s.start("-O", filepath.Join(s.dir, "any.conf"))
			} else {
				s.start()
			}
			s.knock(append(ask(), c.client...)...)
			if !s.open() {
				t.Error("not open")
			}
		})
	}
}

// without removes the lines of a keyword.
func without(text, keyword string) string {
	var kept []string
	for _, l := range strings.Split(text, "\n") {
		if !strings.HasPrefix(l, keyword) {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

func TestE2EMessageTypes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		inside := s.AddInside(t)
		netlab.Serve(t, inside, "tcp", 80)
		netlab.Serve(t, s.Server, "tcp", 8022)
		mark := filepath.Join(s.dir, "ran")
		s.configure("ENABLE_IPT_FORWARDING Y;\nENABLE_IPT_LOCAL_NAT Y;\nENABLE_IPT_SNAT Y;\n",
			strings.Replace(stanza("INTERNAL_NET_ACCESS 10.0.0.0/8, fd00::/8\nENABLE_CMD_EXEC Y\nCMD_EXEC_USER root\nCMD_EXEC_GROUP root"), fmt.Sprintf("OPEN_PORTS tcp/%d\n", e2ePort), "", 1))
		s.start()
		reach := func(port uint16) bool {
			return wait.Until(wait.Timeout, func() bool { return netlab.CanConnect(s.Client, s.Server.V4, port, 200*time.Millisecond) })
		}
		t.Run("timeout", func(t *testing.T) {
			s.knock(append(ask(), "-f", "2")...)
			if !s.open() || !wait.Until(5*time.Second, s.shut) {
				t.Error("not open for the time that the client asked for")
			}
		})
		t.Run("nat", func(t *testing.T) {
			s.knock("-A", "tcp/5580", "-N", inside.V4.String()+":80")
			if !reach(5580) {
				t.Error("not forwarded")
			}
			s.Client.Run(t, "ip route add "+inside.V4.String()+"/32 via "+s.Server.V4.String())
			if netlab.CanConnect(s.Client, inside.V4, 5580, time.Second) {
				t.Error("what is sent through the gateway to that port of another host is translated")
			}
		})
		t.Run("local nat", func(t *testing.T) {
			s.knock("-A", "tcp/5581", "--nat-local", "-N", s.Server.V4.String()+":8022")
			if !reach(5581) {
				t.Error("not translated")
			}
		})
		t.Run("command", func(t *testing.T) {
			s.knock("--server-cmd", "touch "+mark)
			if !wait.Until(wait.Timeout, func() bool { _, err := os.Stat(mark); return err == nil }) {
				t.Error("command did not run")
			}
		})
	})
}

func TestE2EReplayIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	packet := filepath.Join(s.dir, "packet")
	s.knock(append(ask(), "-f", "2", "-B", packet)...)
	if !s.open() || !wait.Until(5*time.Second, s.shut) {
		t.Fatal("not open for its time")
	}
	text, err := os.ReadFile(packet)
	if err != nil {
		t.Fatal(err)
	}
	send(t, s, strings.TrimSpace(string(text)))
	s.waitFor("spa.replay")
	if !s.shut() {
		t.Error("a packet opened twice")
	}
	s.stop()
	s.start()
	send(t, s, strings.TrimSpace(string(text)))
	s.waitFor("spa.replay")
}

// send sends one datagram to the SPA port.
func send(t testing.TB, s *site, payload string) {
	t.Helper()
	post(t, s, []byte(payload))
}
