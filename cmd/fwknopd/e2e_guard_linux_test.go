package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// publishers publish tcp/8080 of the server as Docker does; again they flush and rebuild its
// rules.
var publishers = map[string]func(testing.TB, *netlab.Lab){
	"iptables": func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables") },
	"nftables": enforcetest.PublishRuleset,
}

// TestE2EGuard: with GUARD_FORWARD a published port of a container is open to a client with a
// grant alone, through reloads of Docker's rules, restarts and the death of the daemon, until
// the keyword is gone.
func TestE2EGuard(t *testing.T) {
	t.Parallel()
	const published = 8080
	each(t, func(t *testing.T, s *site) {
		inside := s.AddInside(t)
		netlab.Serve(t, inside, "tcp", 80)
		publish := publishers[s.firewall]
		if s.firewall == "nftables" { // its forward chain drops what Docker lets through
			s.Server.Run(t, "nft flush chain inet filter forward")
			s.Server.Run(t, "nft add chain inet filter forward { policy accept ; }")
		}
		publish(t, s.Lab)
		other := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.9"), 1)[0]
		reaches := func(src netip.Addr, within time.Duration) bool {
			return netlab.CanReach(s.Client, "tcp", src, netip.AddrPortFrom(s.Server.V4, published), within)
		}
		opens := func(when string) {
			t.Helper()
			if !wait.Until(wait.Timeout, func() bool { return reaches(s.Client.V4, 200*time.Millisecond) }) {
				t.Errorf("%s: not open", when)
			}
			if reaches(other, 200*time.Millisecond) {
				t.Errorf("%s: open to another client", when)
			}
		}
		closed := func(when string) {
			t.Helper()
			if reaches(s.Client.V4, 300*time.Millisecond) {
				t.Errorf("%s: open", when)
			}
		}
		shuts := func(when string, src netip.Addr) {
			t.Helper()
			if !wait.Until(wait.Timeout, func() bool { return !reaches(src, 200*time.Millisecond) }) {
				t.Errorf("%s: %s is not shut out again", when, src)
			}
		}
		access := strings.Replace(stanza(""), fmt.Sprint("tcp/", e2ePort), fmt.Sprint("tcp/", published), 1)
		ask := []string{"-A", fmt.Sprint("tcp/", published)}
		events := "EVENT_LOG " + filepath.Join(s.dir, "log", "events.jsonl") + ";\n"
		guard := events + "GUARD_FORWARD tcp/8080, udp/5000;\n"

		s.configure(events, access)
		s.start()
		s.waitFor("tcp/8080 is published to 10.78.0.2:80 by Docker: a grant on the input hook neither opens nor protects it; GUARD_FORWARD tcp/8080 does")
		if !reaches(other, 2*time.Second) {
			t.Fatal("the port is not published")
		}
		s.stop()
		s.configure(guard, access)
		s.start()
		closed("before the message")
		s.knock(ask...)
		opens("with a grant")
		if strings.Contains(s.events(), "blocked_by") {
			t.Errorf("the grant is said to be blocked: %s", s.events())
		}
		publish(t, s.Lab)
		shuts("after the rules of Docker were loaded anew", other)
		opens("after the rules of Docker were loaded anew")
		s.stop()
		s.start()
		opens("after a restart")
		if out, code := s.command(append([]string{"grants", "revoke"}, s.args("--all")...)...); code != 0 {
			t.Errorf("grants revoke: %d, %s", code, out)
		}
		closed("after the revocation")
		if s.firewall == "nftables" {
			s.Server.Run(t, "nft flush ruleset")
		}
		publish(t, s.Lab)
		shuts("after a flush while nothing is open", s.Client.V4)
		s.cmd.Process.Kill()
		s.cmd.Wait()
		closed("after the daemon was killed")
		text, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
		if err != nil {
			t.Fatal(err)
		}
		s.write("fwknopd.conf", strings.Replace(string(text), "FLUSH_IPT_AT_EXIT N", "FLUSH_IPT_AT_EXIT Y", 1))
		s.start()
		s.knock(ask...)
		opens("with another grant")
		s.stop()
		closed("after an end with FLUSH_IPT_AT_EXIT")
		s.configure(events, access)
		s.start()
		if !reaches(other, 2*time.Second) {
			t.Error("without the keyword the port is not open again")
		}
		s.stop()
	})
}

// TestE2EGuardCloses: with CLOSE_CONNECTIONS what a connection to a guarded port still sends after its
// grant is rejected, where it is published, and where it is forwarded as it is and the rules of
// forwarding let the container send first. One of another client with a grant goes on, and the client
// is let in again with the next grant.
func TestE2EGuardCloses(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	netlab.Tick(t, s.AddInside(t), "tcp", 80)
	s.Server.Run(t, "nft flush chain inet filter forward")
	s.Server.Run(t, "nft add chain inet filter forward { policy accept ; }")
	enforcetest.PublishRuleset(t, s.Lab)
	other := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.9"), 1)[0]
	stanzas := strings.Replace(stanza("NAME alice\nCLOSE_CONNECTIONS Y\n"), fmt.Sprint("tcp/", e2ePort), "tcp/8080, tcp/80", 1)
	s.configure(s.logs()+"GUARD_FORWARD tcp/8080, tcp/80;\n", stanzas)
	s.start()
	for _, at := range []netip.AddrPort{netip.AddrPortFrom(s.Server.V4, 8080), netip.AddrPortFrom(s.Inside.V4, 80)} {
		if netlab.CanReach(s.Client, "tcp", s.Client.V4, at, 300*time.Millisecond) {
			t.Errorf("%v is open without a grant", at)
		}
		port := fmt.Sprint("tcp/", at.Port())
		s.add(s.Client.V4, port, "60", "alice")
		s.add(other, port, "60", "alice")
		conn, stays := s.connect(at.Addr(), at.Port()), s.connectFrom(other, at.Addr(), at.Port())
		if !receives(conn) || !receives(stays) {
			t.Fatalf("%v: nothing comes", at)
		}
		s.grants(0, "^closed .*\ncut 1 connection, forwarded or by UDP: what it still sends is rejected\n", "revoke", s.Client.V4.String())
		s.waitForEvent(`"verdict":"cut"`, port, `"connections":{"open":0,"ended":0,"cut":1}`)
		if receives(conn) {
			t.Errorf("%v: it goes on", at)
		}
		if !receives(stays) {
			t.Errorf("%v: the connection of the other client has ended", at)
		}
		s.add(s.Client.V4, port, "60", "alice")
		if conn := s.connect(at.Addr(), at.Port()); !receives(conn) {
			t.Errorf("%v: the client is not let in again", at)
		}
		s.grants(0, "", "revoke", "alice")
	}
}

// TestE2EGuardBypass: a rule in front of the guard that lets clients without a grant through is said
// once in the log and by status and doctor while the daemon runs, and at its next start; without the rule nothing is.
func TestE2EGuardBypass(t *testing.T) {
	t.Parallel()
	add := map[string]string{"iptables": "iptables -I FORWARD 1 -j ACCEPT", "nftables": "nft insert rule inet fwknopd guard accept"}
	remove := map[string]string{"iptables": "iptables -D FORWARD 1", "nftables": "nft flush chain inet fwknopd guard"}
	each(t, func(t *testing.T, s *site) {
		const said = " accepts in front of the guard: all clients reach tcp/8080 without a grant"
		netlab.Serve(t, s.AddInside(t), "tcp", 80)
		publishers[s.firewall](t, s.Lab)
		if s.firewall == "nftables" {
			s.Server.Run(t, "nft flush chain inet filter forward")
			s.Server.Run(t, "nft add chain inet filter forward { policy accept ; }")
		}
		s.configure(s.logs()+"GUARD_FORWARD tcp/8080;\n", strings.Replace(stanza(""), fmt.Sprint("tcp/", e2ePort), "tcp/8080", 1))
		s.start()
		names := func(when string, want bool) {
			t.Helper()
			for _, name := range []string{"status", "doctor"} {
				out, _ := s.command(append([]string{name}, s.args()...)...)
				if got := strings.Contains(out, said); got != want {
					t.Errorf("%s: %s names the rule: %v\n%s", when, name, got, out)
				}
				if name == "doctor" && strings.Contains(out, "to 10.78.0.2:80 by Docker: GUARD_FORWARD lets only granted clients through") == want {
					t.Errorf("%s: doctor on the port:\n%s", when, out)
				}
			}
		}
		names("guarded", false)
		s.Server.Run(t, add[s.firewall])
		if !netlab.CanReach(s.Client, "tcp", s.Client.V4, netip.AddrPortFrom(s.Server.V4, 8080), 2*time.Second) {
			t.Error("the rule lets no client through")
		}
		s.waitFor(said)
		names("with the rule", true)
		s.Server.Run(t, "nft add table inet unrelated")
		s.stop()
		if n := s.said(said); n != 1 {
			t.Errorf("said %d times", n)
		}
		s.start()
		s.waitFor(said)
		s.Server.Run(t, remove[s.firewall])
		wait.For(t, "the guard without the rule", func() bool { // whose drops the daemon puts back
			out, _ := s.command(append([]string{"status"}, s.args()...)...)
			return !strings.Contains(out, said)
		})
		names("without the rule", false)
	})
}
