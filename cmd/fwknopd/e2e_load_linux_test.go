package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/spa"
)

// packetKey returns the keys of the test stanzas.
func packetKey() spa.Key {
	return spa.Key{Passphrase: []byte(strings.ReplaceAll(spaKey, " ", "_")), HMACKey: []byte(strings.ReplaceAll(hmacKey, " ", "_")), HMACType: "sha256"}
}

// packetFor returns a packet that opens the test port for an address.
func packetFor(t testing.TB, src netip.Addr) []byte {
	t.Helper()
	return packetAt(t, src, time.Now())
}

// packetAt is [packetFor] with another time.
func packetAt(t testing.TB, src netip.Addr, at time.Time) []byte {
	t.Helper()
	p, err := spa.Encode(&spa.Message{User: "load", Time: at.Unix(), Version: "3.0.0", Type: spa.Access, Text: fmt.Sprintf("%s,tcp/%d", src, e2ePort)},
		packetKey(), spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// post sends datagrams from the client.
func post(t testing.TB, s *site, payloads ...[]byte) {
	t.Helper()
	s.Client.Do(func() {
		// Not connected: an ICMP error, if no process listens, would fail the next write.
		c, err := net.ListenUDP("udp4", nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for _, p := range payloads {
			if _, err := c.WriteToUDPAddrPort(p, netip.AddrPortFrom(s.Server.V4, spaPort)); err != nil {
				t.Error(err)
			}
		}
	})
}

// All packets of a burst of valid ones are granted, from either source.
func TestE2EBurst(t *testing.T) {
	const burst = 200
	limit := map[string]time.Duration{"nftables": 5 * time.Second, "iptables": 8 * time.Second} // test machines may be slow and loaded
	each(t, func(t *testing.T, s *site) {
		for _, way := range []string{"sniffed", "server"} {
			server := ""
			if way == "server" {
				server = "ENABLE_UDP_SERVER Y;"
			}
			s.configure(server, stanza(""))
			s.start()
			var packets [][]byte
			addrs := make(map[string]bool)
			src := netip.MustParseAddr("10.77.9.1")
			if way == "server" {
				src = netip.MustParseAddr("10.78.9.1")
			}
			for range burst {
				packets = append(packets, packetFor(t, src))
				addrs[src.String()] = true
				src = src.Next()
			}
			begin := time.Now()
			post(t, s, packets...)
			opened := func() (n int) {
				for _, line := range strings.Split(s.events(), "\n") {
					if strings.Contains(line, `"event_type":"grant","verdict":"granted"`) {
						n++
					}
				}
				return n
			}
			want := burst
			if way == "server" {
				want *= 2 // the log continues
			}
			if !wait.Until(wait.Timeout, func() bool { return opened() == want }) {
				t.Fatalf("%s: %d of %d granted", way, opened(), want)
			}
			if took := time.Since(begin); took > limit[s.firewall] {
				t.Errorf("%s: %d grants took %v", way, burst, took)
			}
			s.stop()
		}
	})
}

// During a flood of junk valid packets are granted without delay, and the logs do not
// grow with the junk.
func TestE2EFlood(t *testing.T) {
	for _, server := range []string{"", "ENABLE_UDP_SERVER Y;"} {
		name := "sniffed"
		if server != "" {
			name = "server"
		}
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "nftables")
			s.configure(server, stanza(""))
			s.start()
			begun, stop := make(chan struct{}), make(chan struct{})
			var sent int
			var flood sync.WaitGroup
			flood.Go(func() {
				s.Client.Do(func() {
					c, err := net.Dial("udp", netip.AddrPortFrom(s.Server.V4, spaPort).String())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					junk := []byte("9" + strings.Repeat("Ab3/", 55) + "Ab3") // it begins as a message does
					pace := time.NewTicker(time.Millisecond)
					defer pace.Stop()
					for {
						select {
						case <-stop:
							return
						case <-pace.C:
						}
						for i := range 20 {
							junk[1+i] = "ABCDEFGH"[sent%8]
							c.Write(junk)
							sent++
						}
						if sent == 2000 {
							close(begun)
						}
					}
				})
			})
			<-begun
			var took []time.Duration
			for i, src := range s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.100"), 10) {
				p := packetFor(t, src)
				begin := time.Now()
				post(t, s, p)
				if !wait.Until(wait.Timeout, func() bool {
					return netlab.CanReach(s.Client, "tcp", src, netip.AddrPortFrom(s.Server.V4, e2ePort), 20*time.Millisecond)
				}) {
					t.Errorf("valid packet %d was lost in the flood", i)
				}
				took = append(took, time.Since(begin))
			}
			close(stop)
			flood.Wait()
			slices.Sort(took)
			t.Logf("%d junk packets; valid ones took %v at the median, %v at most", sent, took[len(took)/2], took[len(took)-1])
			if took[len(took)/2] > time.Second { // a bound for a loaded machine; usually some milliseconds
				t.Errorf("valid packets wait %v at the median", took[len(took)/2])
			}
			if s.said("spa.hmac_mismatch") == 0 {
				t.Error("the junk was not tried on the stanza")
			}
			if n := strings.Count(s.events(), "\n"); n > 1000 {
				t.Errorf("%d lines in the event log for %d junk packets", n, sent)
			}
			if n := strings.Count(s.out.String(), "\n"); n > 2500 { // 500 refusals are told, each in our words and in those of the 2.6 daemon
				t.Errorf("%d lines on the terminal for %d junk packets", n, sent)
			}
		})
	}
}

// Capture resumes when an interface is removed and another one of the same name is
// created.
func TestE2EInterfaceComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" down")
	s.waitFor("interface " + netlab.ServerIf + " is down")
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" up")
	s.waitFor("interface " + netlab.ServerIf + " is back")
	s.Server.Run(t, "ip link del "+netlab.ServerIf)
	s.waitFor("interface " + netlab.ServerIf + " is gone")
	s.Server.Run(t, fmt.Sprintf("ip link add %s type veth peer name %s netns %s", netlab.ServerIf, netlab.ClientIf, s.Client.Name))
	s.Server.Run(t, "ip addr add 10.77.0.1/24 dev "+netlab.ServerIf)
	s.Server.Run(t, "ip link set "+netlab.ServerIf+" up")
	s.Client.Run(t, "ip addr add 10.77.0.2/24 dev "+netlab.ClientIf)
	s.Client.Run(t, "ip link set "+netlab.ClientIf+" up")
	if !wait.Until(wait.Timeout, func() bool {
		s.knock(ask()...)
		return netlab.CanConnect(s.Client, s.Server.V4, e2ePort, 200*time.Millisecond)
	}) {
		t.Error("not open")
	}
}

// A reload changes the sources, and keeps the old ones if the new ones cannot be opened.
func TestE2EReloadChangesSources(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("", stanza(""))
	s.start()
	reload := func(server string) {
		t.Helper()
		s.configure(server, stanza(""))
		s.reload()
	}
	packet := func() { post(t, s, packetFor(t, s.Client.V4)) }
	reload("AUTH_MODE UDP;\n")
	s.waitFor("Kicking off UDP server to listen on port 62201.")
	packet()
	if !s.open() {
		t.Error("not open by the new source")
	}
	if out, code := s.command("grants", "revoke", "-c", filepath.Join(s.dir, "fwknopd.conf"), "--all"); code != 0 {
		t.Fatalf("revoke: %s", out)
	}
	reload("AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE " + s.dir + ";\n") // a directory
	s.waitFor("the worker keeps its configuration")
	worker := s.worker()
	packet()
	if !s.open() {
		t.Error("not open by the old source")
	}
	if !alive(worker) {
		t.Error("the worker died of it")
	}
	reload("INGEST UDP,PCAP;\n") // needs the port that is open already
	s.waitFor("Kicking off UDP server")
	if out, code := s.command("grants", "revoke", "-c", filepath.Join(s.dir, "fwknopd.conf"), "--all"); code != 0 {
		t.Fatalf("revoke: %s", out)
	}
	packet()
	if !s.open() {
		t.Error("not open by two sources")
	}
}
