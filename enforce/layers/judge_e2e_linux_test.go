package layers

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
	"fwknopd/fixtures/netlab"
)

// in is a chain on the input hook with these rules.
func in(policy, rules string) string {
	return "table inet t {\n chain base { type filter hook input priority 0; policy " + policy + ";\n" + rules + "\n}\n}\n"
}

const discovery = "meta l4proto ipv6-icmp accept\n"

// hosts are rulesets of nft, as people write them.
var hosts = map[string]string{
	"empty":                     "",
	"policy drop":               in("drop", discovery),
	"policy accept":             in("accept", ""),
	"port accepted":             in("drop", discovery+"tcp dport 22 accept"),
	"other port accepted":       in("drop", discovery+"tcp dport 23 accept"),
	"ports accepted":            in("drop", discovery+"tcp dport { 22, 80, 443 } accept"),
	"range accepted":            in("drop", discovery+"tcp dport 20-30 accept"),
	"ranges accepted":           in("drop", discovery+"tcp dport { 1-21, 23-65535 } accept"),
	"ranges with it":            in("drop", discovery+"tcp dport { 1-5, 20-25 } accept"),
	"all but one accepted":      in("drop", discovery+"tcp dport != 22 accept"),
	"port dropped":              in("accept", "tcp dport 22 drop"),
	"port rejected":             in("accept", "tcp dport 22 reject with tcp reset"),
	"udp dropped":               in("accept", "udp dport 22 drop"),
	"source dropped":            in("accept", "ip saddr 10.77.0.2 drop\nip6 saddr fd77::2 drop"),
	"other source dropped":      in("accept", "ip saddr 10.77.0.3 drop\nip6 saddr fd77::3 drop"),
	"net accepted":              in("drop", discovery+"ip saddr 10.77.0.0/24 accept\nip6 saddr fd77::/64 accept"),
	"nets accepted":             in("drop", discovery+"ip saddr { 10.0.0.0/16, 10.77.0.0/16 } accept\nip6 saddr { fd77::/64, fd78::/64 } accept"),
	"one family":                in("drop", discovery+"meta nfproto ipv4 accept"),
	"by protocol":               in("drop", discovery+"meta l4proto { tcp, udp } th dport 22 accept"),
	"concatenation":             in("drop", discovery+"meta l4proto . th dport { tcp . 22, udp . 53 } accept"),
	"only known connections":    in("drop", discovery+"ct state established,related accept"),
	"new ones":                  in("drop", discovery+"ct state new tcp dport 22 accept\nct state established accept"),
	"states by map":             in("drop", discovery+"ct state vmap { established : accept, related : accept, invalid : drop }\ntcp dport 22 accept"),
	"states by map, not new":    in("accept", discovery+"ct state vmap { established : accept, new : drop }"),
	"invalid dropped":           in("accept", "ct state invalid drop"),
	"loopback alone":            in("drop", discovery+"iif lo accept\niifname \"lo\" accept"),
	"all but the loopback":      in("accept", discovery+"iifname != \"lo\" drop"),
	"loopback by map":           in("accept", discovery+"iifname vmap { \"lo\" : drop }"),
	"syn without new":           in("drop", discovery+"tcp flags & (fin|syn|rst|ack) != syn ct state new drop\ntcp dport 22 accept\nct state established accept"),
	"ports by map":              in("accept", "tcp dport vmap { 22 : drop, 80 : accept }"),
	"port ranges by map":        in("drop", discovery+"tcp dport vmap { 1-100 : accept, 200-300 : drop }"),
	"to this host":              in("drop", discovery+"fib daddr type local tcp dport 22 accept"),
	"broadcasts dropped":        in("accept", discovery+"fib daddr type { broadcast, multicast } drop"),
	"counted":                   in("drop", discovery+"tcp dport 22 counter log accept"),
	"marked before":             in("drop", discovery+"meta mark set 7\ntcp dport 22 accept"),
	"chains":                    "table inet t {\nchain ssh { tcp dport 22 accept\n}\nchain base { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept\njump ssh\n}\n}",
	"goto and the end":          "table inet t {\nchain none { tcp dport 23 accept\n}\nchain base { type filter hook input priority 0; policy accept; meta l4proto ipv6-icmp accept\ngoto none\ndrop\n}\n}",
	"goto and the policy":       "table inet t {\nchain none { tcp dport 23 accept\n}\nchain base { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept\ngoto none\naccept\n}\n}",
	"return":                    "table inet t {\nchain none { tcp dport 22 return\naccept\n}\nchain base { type filter hook input priority 0; policy accept; meta l4proto ipv6-icmp accept\njump none\ndrop\n}\n}",
	"verdicts of a named map":   "table inet t {\nmap m { type inet_service : verdict; elements = { 22 : drop }\n}\nchain base { type filter hook input priority 0; tcp dport vmap @m\n}\n}",
	"two chains":                in("accept", "") + "table inet u { chain base { type filter hook input priority 10; policy drop; meta l4proto ipv6-icmp accept\n}\n}",
	"prerouting":                "table inet t { chain base { type filter hook prerouting priority -150; tcp dport 22 drop\n}\n}",
	"before connection tracing": "table inet t { chain base { type filter hook prerouting priority raw; tcp dport 22 drop\n}\n}",
	"answers":                   "table inet t { chain base { type filter hook output priority 0; policy drop; meta l4proto ipv6-icmp accept\n}\n}",
	"answers of connections":    "table inet t { chain base { type filter hook output priority 0; policy drop; meta l4proto ipv6-icmp accept\nct state established accept\n}\n}",
	"answers from the port":     "table inet t { chain base { type filter hook output priority 0; policy drop; meta l4proto ipv6-icmp accept\ntcp sport 22 accept\n}\n}",
	"postrouting":               "table inet t { chain base { type filter hook postrouting priority 0; tcp sport 22 drop\n}\n}",
	"forward":                   "table inet t { chain base { type filter hook forward priority 0; policy drop;\n}\n}",
	"one family's table":        "table ip6 t { chain base { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept\n}\n}",
	"ingress":                   "table netdev t { chain base { type filter hook ingress device srv0 priority 0; tcp dport 22 drop\n}\n}",
	"ingress of others":         "table netdev t { chain base { type filter hook ingress device srv0 priority 0; ip saddr 10.77.0.3 drop\n}\n}",
}

// listed are the same for iptables and ip6tables.
var listed = map[string][]string{
	"policy drop":          {"-P INPUT DROP", "-A INPUT -p ipv6-icmp -j ACCEPT"},
	"port accepted":        {"-P INPUT DROP", "-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT -p tcp --dport 22 -j ACCEPT"},
	"ports accepted":       {"-P INPUT DROP", "-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT -p tcp -m multiport --dports 20:25,80 -j ACCEPT"},
	"rejected at the end":  {"-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A INPUT -j REJECT"},
	"syn without new":      {"-A INPUT -p tcp ! --syn -m state --state NEW -j DROP"},
	"chains":               {"-N ssh", "-A ssh -p tcp --dport 22 -j RETURN", "-A ssh -j ACCEPT", "-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT -j ssh", "-A INPUT -j DROP"},
	"goto":                 {"-N ssh", "-A INPUT -g ssh", "-A INPUT -j DROP"},
	"raw":                  {"-t raw -A PREROUTING -p tcp --dport 22 -j DROP"},
	"mangle":               {"-t mangle -A PREROUTING -p tcp -m conntrack --ctstate NEW -j DROP"},
	"invalid":              {"-A INPUT -m conntrack --ctstate INVALID -j DROP"},
	"answers":              {"-P OUTPUT DROP", "-A OUTPUT -p ipv6-icmp -j ACCEPT", "-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT"},
	"all but the loopback": {"-A INPUT -p ipv6-icmp -j ACCEPT", "-A INPUT ! -i lo -j DROP"},
}

// TestJudgeIsTheKernel: what is said to drop a grant does, and nothing else; for each
// ruleset a connection is tried.
func TestJudgeIsTheKernel(t *testing.T) {
	for name, rules := range hosts {
		t.Run("nft "+name, func(t *testing.T) {
			t.Parallel()
			judge(t, func(ns *netlab.NS) { ns.RunInput(t, rules, "nft -f -") })
		})
	}
	for _, variant := range []string{"nft", "legacy"} {
		for name, lines := range listed {
			t.Run("iptables-"+variant+" "+name, func(t *testing.T) {
				t.Parallel()
				judge(t, func(ns *netlab.NS) {
					for _, l := range lines {
						ns.Run(t, "iptables-"+variant+" -w "+l)
						ns.Run(t, "ip6tables-"+variant+" -w "+l)
					}
				})
			})
		}
	}
}

func judge(t *testing.T, load func(*netlab.NS)) {
	netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
	lab := netlab.New(t)
	load(lab.Server)
	netlab.Serve(t, lab.Server, "tcp", 22)
	b := surveyed(t, lab)
	for _, end := range []struct{ client, server netip.Addr }{{lab.Client.V4, lab.Server.V4}, {lab.Client.V6, lab.Server.V6}} {
		within := 2 * time.Second
		blockers := ruleset.Blockers(b.findings.bases, grantOf(end.client), nil)
		if len(blockers) > 0 {
			within = 300 * time.Millisecond
		}
		if open := netlab.CanConnect(lab.Client, end.server, 22, within); open != (len(blockers) == 0) {
			t.Errorf("%s: open = %v, said to be dropped by %q", end.client, open, blockers)
		}
	}
	if len(b.findings.unread) > 0 {
		t.Errorf("not read: %q", b.findings.unread)
	}
}

func grantOf(client netip.Addr) enforce.Grant {
	return enforce.Grant{Src: client, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
}

// surveyed has looked at the server and changed nothing.
func surveyed(t *testing.T, lab *netlab.Lab) *Backend {
	t.Helper()
	var b *Backend
	var err error
	lab.Server.Do(func() {
		b = &Backend{cfg: config(t), open: newOpenGrants()}
		b.members.Store(new([]*member))
		err = b.survey(context.Background())
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestConcerns: a layer is used if anything in it can drop what a grant may be for.
func TestConcerns(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		want        bool
	}{
		{"nothing", "", false},
		{"accepts", in("accept", ""), false},
		{"drops", in("drop", ""), true},
		{"bans", "table inet t { set banned { type ipv4_addr;\n}\nchain base { type filter hook input priority 0; ip saddr @banned tcp dport { 22 } reject\n}\n}", true},
		{"drops what no grant is for", in("accept", "ct state invalid drop"), false},
		{"behind an accept", in("accept", "accept\ndrop"), false},
		{"perhaps, in a chain", "table inet t {\nchain x { drop\n}\nchain base { type filter hook input priority 0; iifname eth0 jump x\n}\n}", true},
		{"perhaps, by a map", "table inet t {\nchain x { drop\n}\nchain base { type filter hook input priority 0; iifname vmap { eth0 : jump x }\n}\n}", true},
		{"not there", "table inet t { chain base { type filter hook prerouting priority 0; policy drop;\n}\n}", false},
		{"chains of ours", "table inet t { chain fwknop_input {\n}\nchain base { type filter hook input priority 0; jump fwknop_input\n}\n}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			lab.Server.RunInput(t, c.rules, "nft -f -")
			b := surveyed(t, lab)
			if got := b.findings.concerns(ruleset.NFTables, b.cfg.Hooks); got != c.want {
				t.Errorf("concerns = %v, want %v", got, c.want)
			}
		})
	}
}

// TestHints: what is said at start.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		iptables    []string
		want        string // of the notes; "" for none
	}{
		{"known connections pass", in("drop", "ct state established accept"), nil, ""},
		{"by a map", in("drop", "ct state vmap { established : accept, invalid : drop }"), nil, ""},
		{"no known connections", in("drop", ""), nil, "table inet t chain base: no rule accepts packets of established connections"},
		{"of iptables beside", in("drop", "ct state established accept"), []string{"-P INPUT DROP"}, "iptables-nft filter INPUT: no rule accepts packets of established"},
		{"where nothing drops", in("accept", ""), nil, ""},
		{"before input", "table netdev t { chain base { type filter hook ingress device srv0 priority 0; policy drop;\n}\n}", nil, "table netdev t chain base drops what a grant is for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			lab.Server.RunInput(t, c.rules, "nft -f -")
			for _, l := range c.iptables {
				lab.Server.Run(t, "iptables-nft "+l)
			}
			var notes []string
			lab.Server.Do(func() {
				b := setUp(t, config(t))
				if b == nil {
					return
				}
				defer b.Close()
				notes = b.Notes()
			})
			if text := strings.Join(notes, "\n"); c.want == "" && text != "" || !strings.Contains(text, c.want) {
				t.Errorf("notes = %q, want %q", notes, c.want)
			}
		})
	}
}
