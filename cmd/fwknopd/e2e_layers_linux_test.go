package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A shape is a host with one or several firewalls. load may be called again, as a reload
// of the rules.
type shape struct {
	name   string
	layers string // where a grant is opened
	load   func(t testing.TB, ns *netlab.NS)
}

func ruleFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "netfilter", "hosts", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nftRules returns a function that loads a ruleset after the commands in before.
func nftRules(before, name string) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.RunInput(t, before+"\n"+ruleFile(t, name), "nft -f -")
	}
}

// dropTables returns a function that loads iptables rules that drop; a reload flushes
// the tables.
func dropTables(program string) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		const rules = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
%s-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`
		ns.RunInput(t, fmt.Sprintf(rules, ""), program+"-restore -w 5")
		ns.RunInput(t, fmt.Sprintf(rules, "-A INPUT -p ipv6-icmp -j ACCEPT\n"), strings.Replace(program, "iptables", "ip6tables", 1)+"-restore -w 5")
	}
}

func docker(t testing.TB, ns *netlab.NS) {
	t.Helper()
	ns.RunInput(t, ruleFile(t, "docker.iptables"), "iptables-nft-restore")
}

func both(first, second func(testing.TB, *netlab.NS)) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		first(t, ns)
		second(t, ns)
	}
}

var (
	flushAll  = nftRules("flush ruleset", "workstation.nft")
	firewalld = nftRules("table inet firewalld\ndelete table inet firewalld", "firewalld.nft")
	shapes    = []shape{
		{"iptables of the nf_tables variant", "iptables", dropTables("iptables-nft")},
		{"iptables of the legacy variant", "iptables-legacy", dropTables("iptables-legacy")},
		{"nft beside an iptables program", "nftables", flushAll},
		{"firewalld", "nftables", firewalld},
		{"Docker beside nft", "iptables and nftables", both(flushAll, docker)},
		{"iptables beside nft", "iptables and nftables", both(flushAll, dropTables("iptables-nft"))},
		{"the legacy variant beside nft", "nftables and iptables-legacy", both(flushAll, dropTables("iptables-legacy"))},
		{"firewalld beside both variants", "iptables and nftables and iptables-legacy", both(firewalld, both(dropTables("iptables-nft"), dropTables("iptables-legacy")))},
	}
)

// newHost returns a network whose server has these firewalls, with FIREWALL_TYPE auto.
func newHost(t *testing.T, load func(testing.TB, *netlab.NS)) *site {
	t.Helper()
	netlab.Need(t, "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy")
	return newSiteWith(t, "auto", load)
}

// reach reports whether the client reaches a port of the server within a time.
func (s *site) reach(server netip.Addr, port uint16, within time.Duration) bool {
	return wait.Until(within, func() bool { return netlab.CanConnect(s.Client, server, port, 200*time.Millisecond) })
}

// knock6 requests access for the client's IPv6 address: the Debian client has no IPv6
// support, so its packet asks for its source address and is sent over IPv6.
func (s *site) knock6(args ...string) {
	s.t.Helper()
	packet := filepath.Join(s.dir, "packet6")
	os.Remove(packet)
	s.knockFrom(netip.MustParseAddr("0.0.0.0"), s.Server.V4, append(args, "--test", "-B", packet)...)
	text, err := os.ReadFile(packet)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Client.Do(func() {
		c, err := net.Dial("udp", netip.AddrPortFrom(s.Server.V6, spaPort).String())
		if err != nil {
			s.t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, strings.TrimSpace(string(text)))
	})
}

// TestE2EHosts checks on a host of each shape that a grant opens its port, for IPv4, IPv6
// and NAT, that it expires, and that it is restored after a reload of the user's rules.
func TestE2EHosts(t *testing.T) {
	t.Parallel()
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			s := newHost(t, c.load)
			inside := s.AddInside(t)
			netlab.Serve(t, inside, "tcp", 80)
			s.configure("ENABLE_IPT_FORWARDING Y;\nEVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n",
				strings.Replace(stanza("INTERNAL_NET_ACCESS 10.0.0.0/8, fd00::/8"), fmt.Sprintf("OPEN_PORTS tcp/%d\n", e2ePort), "", 1))
			s.start()
			s.waitFor("firewall: " + c.layers + "\n")
			targets := []struct {
				name   string
				server netip.Addr
				port   uint16
				ask    func(seconds string)
			}{
				{"IPv4", s.Server.V4, e2ePort, func(seconds string) { s.knock(append(ask(), "-f", seconds)...) }},
				{"IPv6", s.Server.V6, e2ePort, func(seconds string) { s.knock6(append(ask(), "-f", seconds)...) }},
				{"translation", s.Server.V4, 5580, func(seconds string) {
					s.knock("-A", "tcp/5580", "-N", inside.V4.String()+":80", "-f", seconds)
				}},
			}
			for _, w := range targets {
				if netlab.CanConnect(s.Client, w.server, w.port, 200*time.Millisecond) {
					t.Errorf("%s: open before a grant", w.name)
				}
				if w.ask("2"); !s.reach(w.server, w.port, 3*time.Second) {
					t.Errorf("%s: not open", w.name)
				}
				if !wait.Until(6*time.Second, func() bool { return !netlab.CanConnect(s.Client, w.server, w.port, 200*time.Millisecond) }) {
					t.Errorf("%s: still open after its end", w.name)
				}
				if w.ask("60"); !s.reach(w.server, w.port, 3*time.Second) {
					t.Errorf("%s: not open again", w.name)
				}
			}
			for range 2 {
				c.load(t, s.Server)
				begin := time.Now()
				for _, w := range targets {
					if !s.reach(w.server, w.port, 3*time.Second) {
						t.Errorf("%s: not open after a reload of the rules", w.name)
					}
				}
				t.Logf("all open %v after a reload", time.Since(begin).Round(time.Millisecond))
			}
			if strings.Contains(s.out.String(), "still dropped by") || strings.Contains(s.events(), "blocked_by") {
				t.Error("the daemon says that something drops what is open")
			}
		})
	}
}

// TestE2ELaterFirewall checks that a grant is also opened in a firewall that is loaded
// later.
func TestE2ELaterFirewall(t *testing.T) {
	t.Parallel()
	none := func(testing.TB, *netlab.NS) {}
	for _, c := range []struct {
		name         string
		first, later func(testing.TB, *netlab.NS)
	}{
		{"nft after iptables", dropTables("iptables-nft"), nftRules("", "workstation.nft")},
		{"iptables after nft", flushAll, dropTables("iptables-nft")},
		{"the legacy variant after nft", flushAll, dropTables("iptables-legacy")},
		{"firewalld after nothing", none, firewalld},
		{"a rule after all", nftRules("", "workstation.nft"), func(t testing.TB, ns *netlab.NS) {
			ns.RunInput(t, "table inet late { chain input { type filter hook input priority 20; }; }", "nft -f -")
			ns.Run(t, "nft add rule inet late input tcp dport 2222 drop")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newHost(t, c.first)
			s.configure("", stanza(""))
			s.start()
			if s.knock(ask()...); !s.open() {
				t.Fatal("not open")
			}
			c.later(t, s.Server)
			begin := time.Now()
			if !s.open() {
				t.Error("not open in the firewall that came later")
			}
			t.Logf("open %v after it", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// TestE2EBlocked checks that a chain which still drops packets is reported at start, with
// the grant, and in the event log.
func TestE2EBlocked(t *testing.T) {
	t.Parallel()
	accepting := nftRules("", "workstation.nft")
	for _, c := range []struct {
		name, server string
		load         func(testing.TB, *netlab.NS)
		by           string
	}{
		{"ingress", "", func(t testing.TB, ns *netlab.NS) {
			accepting(t, ns)
			ns.RunInput(t, "table netdev t {\nchain c { type filter hook ingress device srv0 priority 0;\ntcp dport 2222 drop\n}\n}", "nft -f -")
		}, "table netdev t chain c"},
		{"an earlier hook", "", func(t testing.TB, ns *netlab.NS) {
			accepting(t, ns)
			ns.Run(t, "iptables-nft -t raw -A PREROUTING -p tcp --dport 2222 -j DROP")
		}, "iptables-nft raw PREROUTING"},
		{"answers", "", func(t testing.TB, ns *netlab.NS) {
			accepting(t, ns)
			ns.Run(t, "iptables-nft -P OUTPUT DROP")
		}, "iptables-nft filter OUTPUT"},
		{"FIREWALL_TYPE iptables", "FIREWALL_TYPE iptables;\n", accepting, "table inet filter chain input"},
		{"FIREWALL_TYPE nftables", "FIREWALL_TYPE nftables;\n", both(accepting, dropTables("iptables-nft")), "iptables-nft filter INPUT"},
		{"FIREWALL_TYPE nftables beside the legacy variant", "FIREWALL_TYPE nftables;\n", both(accepting, dropTables("iptables-legacy")), "iptables-legacy filter INPUT"},
		{"a chosen chain", "NFT_INPUT_ACCESS inet, filter, input;\n", func(t testing.TB, ns *netlab.NS) {
			accepting(t, ns)
			ns.RunInput(t, "table inet other {\nchain in { type filter hook input priority 5; policy drop;\nmeta l4proto { udp, ipv6-icmp } accept\nct state established accept\n}\n}", "nft -f -")
		}, "table inet other chain in"},
		{"a drop before our jump", "IPT_INPUT_ACCESS ACCEPT, src, filter, INPUT, 2, FWKNOP_INPUT, 1;\n", func(t testing.TB, ns *netlab.NS) {
			ns.Run(t, "iptables-nft -A INPUT -p tcp --dport 2222 -j REJECT")
		}, "iptables-nft filter INPUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newHost(t, c.load)
			s.configure("", stanza(""))
			s.write("fwknopd.conf", overridden(t, s, c.server+"EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n"))
			s.start()
			s.knock(ask()...)
			s.waitFor("[-] opened " + s.Client.V4.String())
			s.waitFor("still dropped by " + c.by)
			if !s.shut() {
				t.Error("it is open all the same")
			}
			if !wait.Until(wait.Timeout, func() bool { return strings.Contains(s.events(), fmt.Sprintf(`"blocked_by":[%q]`, c.by)) }) {
				t.Errorf("the event log does not say it:\n%s", s.events())
			}
		})
	}
}

// overridden returns the server file with some keywords replaced.
func overridden(t *testing.T, s *site, lines string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	kept := string(text)
	for line := range strings.Lines(lines) {
		kept = without(kept, strings.Fields(line)[0])
	}
	return kept + lines
}

// TestE2EOwnedTable checks a table with an owner, which other programs cannot change.
func TestE2EOwnedTable(t *testing.T) {
	t.Parallel()
	s := newHost(t, func(testing.TB, *netlab.NS) {})
	owner := s.Server.Command("nft", "-i")
	in, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); owner.Wait() })
	own := func(line string) { fmt.Fprintln(in, line) }
	own("add table inet own { flags owner; }")
	own("add chain inet own in { type filter hook input priority 0; policy drop; }")
	if !wait.Until(wait.Timeout, func() bool { return strings.Contains(s.Server.Run(t, "nft list ruleset"), "policy drop") }) {
		t.Fatal("no table with an owner")
	}
	s.configure("EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n", stanza(""))
	s.start()
	s.waitFor("table inet own chain in drops what a grant is for, and is not opened")
	s.waitFor("belongs to a running program alone")
	s.knock(ask()...)
	s.waitFor("still dropped by table inet own chain in")
	// The owner exits: the next grant opens the port.
	own("flush chain inet own in")
	own("add chain inet own in { policy accept; }")
	if !s.open() {
		t.Error("not open after the owner let it")
	}
}

// TestE2ECheckLooks checks that check reports the firewalls of the host in which a grant
// will be opened, and changes nothing.
func TestE2ECheckLooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		load func(testing.TB, *netlab.NS)
		want []string
	}{
		{"nothing", func(testing.TB, *netlab.NS) {}, []string{"firewall: grants are opened in iptables, as nothing drops on this host"}},
		{"two", both(flushAll, dropTables("iptables-legacy")), []string{"firewall: grants are opened in nftables and iptables-legacy"}},
		{"one that is not opened", func(t testing.TB, ns *netlab.NS) {
			flushAll(t, ns)
			ns.RunInput(t, "table netdev t {\nchain c { type filter hook ingress device srv0 priority 0; policy drop;\n}\n}", "nft -f -")
		}, []string{"firewall: grants are opened in nftables", "firewall: table netdev t chain c drops what a grant is for, and is not opened"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newHost(t, c.load)
			s.configure("", stanza(""))
			before := s.Server.Run(t, "nft --stateless list ruleset")
			out, code := s.command(append([]string{"check"}, s.args()...)...)
			for _, want := range c.want {
				if code != 0 || !strings.Contains(out, want+"\n") {
					t.Errorf("check ends with %d and says\n%s\nwant %q", code, out, want)
				}
			}
			if after := s.Server.Run(t, "nft --stateless list ruleset"); after != before {
				t.Errorf("check made of\n%s\n%s", before, after)
			}
		})
	}
}
