package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// finishes waits for a daemon that exits by itself.
func (s *site) finishes(within time.Duration) {
	s.t.Helper()
	ended := make(chan error, 1)
	cmd := s.cmd
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			s.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(within):
		s.t.Fatalf("the daemon does not end; it said:\n%s", s.out.String())
	}
}

// -C counts packets that may hold a message, not handshakes, other services and junk. The
// grant of the last one is still open when the daemon has exited, expires by itself and
// leaves nothing that the next daemon does not remove.
func TestE2EPacketLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server string
		client []string
		before func(t *testing.T, s *site)
	}{
		"after a handshake": {server: "PCAP_FILTER tcp port 62201;\nENABLE_TCP_SERVER Y;\n", client: []string{"-P", "tcp"}},
		"after other packets": {server: "PCAP_FILTER NONE;\n", before: func(t *testing.T, s *site) {
			for range 5 {
				post(t, s, []byte("not a message"), nil, []byte(strings.Repeat("GET / HTTP/1.0 ", 20)))
			}
			netlab.CanConnect(s.Client, s.Server.V4, 25, 50*time.Millisecond)
		}},
		"icmp": {server: "PCAP_FILTER icmp;\n", client: []string{"-P", "icmp", "-Q", "10.77.0.2"}},
	} {
		for firewall := range inputRule {
			t.Run(name+"/"+firewall, func(t *testing.T) {
				s := newSite(t, firewall)
				s.Server.Run(t, inputRule[firewall])
				s.configure(c.server, strings.Replace(stanza(""), "FW_ACCESS_TIMEOUT 60", "FW_ACCESS_TIMEOUT 3", 1))
				s.start("-C", "1")
				if c.before != nil {
					c.before(t, s)
				}
				end := time.Now().Add(3 * time.Second)
				s.knock(append(ask(), c.client...)...)
				s.finishes(10 * time.Second)
				if !s.open() {
					t.Error("what the last packet asked for is not open")
				}
				if !strings.Contains(s.out.String(), "Incoming packet count limit of 1 reached") {
					t.Error("the limit is not named")
				}
				if !wait.Until(time.Until(end.Add(10*time.Second)), s.shut) {
					t.Error("open after its time")
				}
				s.start()
				if out := s.Server.Run(t, listRules[firewall]); strings.Contains(out, "_exp_") || strings.Contains(out, s.Client.V4.String()) {
					t.Errorf("the next daemon leaves\n%s", out)
				}
			})
		}
	}
}

// inputRule accepts SPA over TCP, listRules lists the rules.
var (
	inputRule = map[string]string{"iptables": "iptables -I INPUT -p tcp --dport 62201 -j ACCEPT", "nftables": "nft insert rule inet filter input tcp dport 62201 accept"}
	listRules = map[string]string{"iptables": "iptables-save", "nftables": "nft list ruleset"}
)

// If more packets than -C arrive at once, exactly that many are decided, and their grants
// are open.
func TestE2EPacketLimitInABurst(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.configure("", stanza(""))
		s.start("-C", "3")
		var packets [][]byte
		srcs := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.100"), 40)
		for _, src := range srcs {
			packets = append(packets, packetFor(t, src))
		}
		post(t, s, packets...)
		s.finishes(10 * time.Second)
		open := make(map[netip.Addr]bool)
		wait.Until(wait.Timeout, func() bool { // a loaded machine may take longer to answer
			for _, src := range srcs {
				open[src] = open[src] || netlab.CanReach(s.Client, "tcp", src, netip.AddrPortFrom(s.Server.V4, e2ePort), 100*time.Millisecond)
			}
			maps.DeleteFunc(open, func(_ netip.Addr, is bool) bool { return !is })
			return len(open) >= 3
		})
		if granted := strings.Count(s.out.String(), "granted spa.granted"); granted != 3 || len(open) != 3 {
			t.Errorf("%d granted, %d open, want 3", granted, len(open))
		}
	})
}

// A grant that only a command can close is closed on time also with -C.
func TestE2EPacketLimitWithCommands(t *testing.T) {
	s := newSite(t, "nftables")
	log := filepath.Join(s.dir, "ran")
	script := filepath.Join(s.dir, "note")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >>"+log+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.configure("", strings.Replace(stanza(fmt.Sprintf("CMD_CYCLE_OPEN %s open $SRC\nCMD_CYCLE_CLOSE %[1]s close $SRC\nCMD_CYCLE_TIMER 3", script)),
		"FW_ACCESS_TIMEOUT 60", "FW_ACCESS_TIMEOUT 3", 1))
	s.start("-C", "1")
	begin := time.Now()
	post(t, s, packetFor(t, s.Client.V4))
	s.finishes(15 * time.Second)
	text, err := os.ReadFile(log)
	if want := fmt.Sprintf("open %[1]s\nclose %[1]s\n", s.Client.V4); err != nil || string(text) != want || time.Since(begin) < 2*time.Second {
		t.Errorf("after %v: %q, %v", time.Since(begin), text, err)
	}
}

// An old capture is read once in the dialect of 2.6: the age of its messages is checked
// only if configured, and the daemon runs until their grants have expired.
func TestE2EOldCapture(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server string
		opens  bool
	}{
		"as 2.6":                   {opens: true},
		"the file asks for an age": {server: "ENABLE_SPA_PACKET_AGING Y\nMAX_SPA_PACKET_AGE 120\n"},
	} {
		for firewall := range inputRule {
			t.Run(name+"/"+firewall, func(t *testing.T) {
				s := newSite(t, firewall)
				s.write("fwknopd.conf", fmt.Sprintf("FIREWALL_TYPE %s\nFWKNOP_RUN_DIR %s/run\nDIGEST_FILE %[2]s/digest.cache\n%[3]s", s.firewall, s.dir, c.server))
				s.write("access.conf", strings.Replace(stanza(""), "FW_ACCESS_TIMEOUT 60", "FW_ACCESS_TIMEOUT 8", 1))
				begin := time.Now()
				s.start("--pcap-file", oldCapture(t, s, begin.Add(-30*24*time.Hour)))
				if c.opens && !s.open() {
					t.Error("the port is not open")
				}
				s.finishes(20 * time.Second)
				if took := time.Since(begin); c.opens && took < 7*time.Second {
					t.Errorf("the daemon ended after %v, before what it had opened", took)
				}
				if !c.opens && !strings.Contains(s.out.String(), "spa.stale") {
					t.Error("a message of a month ago is not called stale")
				}
				if out := s.Server.Run(t, listRules[firewall]); !s.shut() || strings.Contains(out, "_exp_") {
					t.Errorf("the daemon leaves\n%s", out)
				}
			})
		}
	}
}

// oldCapture writes a capture of one message from the client, both with that time.
func oldCapture(t *testing.T, s *site, at time.Time) (path string) {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: s.Client.V4.AsSlice(), DstIP: s.Server.V4.AsSlice()}
	udp := &layers.UDP{SrcPort: 40000, DstPort: spaPort}
	buf := gopacket.NewSerializeBuffer()
	err := udp.SetNetworkLayerForChecksum(ip)
	if err == nil {
		err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			ip, udp, gopacket.Payload(packetAt(t, s.Client.V4, at)))
	}
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err == nil {
		err = w.WriteFileHeader(1<<16, layers.LinkTypeRaw)
	}
	if err == nil {
		n := len(buf.Bytes())
		err = w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: n, Length: n}, buf.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.write("old.pcap", file.String())
	return filepath.Join(s.dir, "old.pcap")
}
