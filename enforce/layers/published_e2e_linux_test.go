package layers

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// TestPublished: offered ports that another program sends on to another host are found,
// whatever it writes its rules with.
func TestPublished(t *testing.T) {
	const to4, to6 = " is published to 10.78.0.2:80", " is published to [fd78::2]:80"
	const unguarded, guarded = ": a grant on the input hook neither opens nor protects it; GUARD_FORWARD tcp/8080 does", ": GUARD_FORWARD lets only granted clients through"
	nft := func(ruleset string) func(testing.TB, *netlab.Lab) {
		return func(t testing.TB, lab *netlab.Lab) { lab.Server.RunInput(t, ruleset, "nft -f -") }
	}
	tables := func(rules ...string) func(testing.TB, *netlab.Lab) {
		return func(t testing.TB, lab *netlab.Lab) {
			for _, r := range rules {
				lab.Server.Run(t, "iptables-nft -t nat "+r)
			}
		}
	}
	chain := func(rules string) func(testing.TB, *netlab.Lab) {
		return nft("table ip n { chain pre { type nat hook prerouting priority -100;\n" + rules + "\n}\n}")
	}
	parts := func(objects, rules string) func(testing.TB, *netlab.Lab) {
		return nft("table ip n {\n" + objects + "\nchain pre { type nat hook prerouting priority -100;\n" + rules + "\n}\n}")
	}
	for _, c := range []struct {
		name    string
		publish func(testing.TB, *netlab.Lab)
		guard   enforce.Guard
		want    []string
	}{
		{"Docker with iptables-nft", func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-nft") }, nil,
			[]string{"tcp/8080" + to4 + " by Docker" + unguarded, "tcp/8080" + to6 + " by Docker" + unguarded}},
		{"Docker with iptables-legacy", func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-legacy") }, nil,
			[]string{"tcp/8080" + to4 + " by Docker" + unguarded, "tcp/8080" + to6 + " by Docker" + unguarded}},
		{"Docker with nftables", enforcetest.PublishRuleset, nil,
			[]string{"tcp/8080" + to4 + " by Docker" + unguarded, "tcp/8080" + to6 + " by Docker" + unguarded}},
		{"guarded", enforcetest.PublishRuleset, enforcetest.Guarded,
			[]string{"tcp/8080" + to4 + " by Docker" + guarded, "tcp/8080" + to6 + " by Docker" + guarded}},
		{"a rule by hand", tables("-A PREROUTING -p tcp -m multiport --dports 80,8000:8090 -j DNAT --to-destination 10.78.0.2"), nil,
			[]string{"tcp/8080 is published to 10.78.0.2:8080" + unguarded}},
		{"a rule by hand for one address", tables("-A PREROUTING -d 10.77.0.1/32 -p tcp --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil,
			[]string{"tcp/8080 is published on 10.77.0.1 to 10.78.0.2:80" + unguarded}},
		{"all but one address", tables("-A PREROUTING ! -d 10.77.0.1/32 -p tcp --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft one address", chain("ip daddr 10.77.0.1 tcp dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080 is published on 10.77.0.1 to 10.78.0.2:80" + unguarded}},
		{"nft network of whole bytes", chain("ip daddr 10.77.0.0/16 tcp dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080 is published on 10.77.0.0/16 to 10.78.0.2:80" + unguarded}},
		{"nft network", chain("ip daddr 10.77.0.0/25 tcp dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080 is published on 10.77.0.0/25 to 10.78.0.2:80" + unguarded}},
		{"nft loopback network", chain("ip daddr 127.0.0.0/8 tcp dport 8080 dnat to 10.78.0.2:80"), nil, nil},
		{"nft not the address", chain("ip daddr != 10.77.0.1 tcp dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft IPv6 address", nft("table ip6 n { chain pre { type nat hook prerouting priority -100;\nip6 daddr fd77::1 tcp dport 8080 dnat to [fd78::2]:80\n}\n}"), nil, []string{"tcp/8080 is published on fd77::1 to [fd78::2]:80" + unguarded}},
		{"nft IPv6 network of whole bytes", nft("table ip6 n { chain pre { type nat hook prerouting priority -100;\nip6 daddr fd77::/32 tcp dport 8080 dnat to [fd78::2]:80\n}\n}"), nil, []string{"tcp/8080 is published on fd77::/32 to [fd78::2]:80" + unguarded}},
		{"nothing", nft(""), nil, nil},
		{"another port", tables("-A PREROUTING -p tcp --dport 9090 -j DNAT --to-destination 10.78.0.2:80"), nil, nil},
		{"another protocol", tables("-A PREROUTING -p udp --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil, nil},
		{"to this host", tables("-A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.78.0.1:80", "-A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 80"), nil, nil},
		{"for the loopback alone", tables("-A PREROUTING -d 127.0.0.1/32 -p tcp --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil, nil},
		{"all but the port", tables("-A PREROUTING -p tcp ! --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil, nil},
		{"what this host sends", tables("-A OUTPUT -p tcp --dport 8080 -j DNAT --to-destination 10.78.0.2:80"), nil, nil},
		{"nft range", chain("tcp dport 8000-8090 dnat to 10.78.0.2"), nil, []string{"tcp/8080 is published to 10.78.0.2:8080" + unguarded}},
		{"nft set", chain("tcp dport { 80, 8080 } dnat to 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft both protocols", chain("meta l4proto { tcp, udp } th dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft map", chain("dnat to tcp dport map { 80 : 10.78.0.3, 8080 : 10.78.0.2 }"), nil, []string{"tcp/8080 is published to 10.78.0.2:8080" + unguarded}},
		{"nft named map", parts("map m { type inet_service : ipv4_addr; elements = { 80 : 10.78.0.3, 8080 : 10.78.0.2 }\n}", "dnat to tcp dport map @m"), nil, []string{"tcp/8080 is published to 10.78.0.2:8080" + unguarded}},
		{"nft named map to ports", parts("map m { type inet_service : ipv4_addr . inet_service; elements = { 8080 : 10.78.0.2 . 80 }\n}", "dnat ip to tcp dport map @m"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft named map of ranges", parts("map m { type inet_service : ipv4_addr; flags interval; elements = { 80 : 10.78.0.3, 8000-8090 : 10.78.0.2 }\n}", "dnat to tcp dport map @m"), nil, []string{"tcp/8080 is published to 10.78.0.2:8080" + unguarded}},
		{"nft map of ports alone", parts("map m { type inet_service : inet_service; elements = { 8080 : 80 }\n}", "meta l4proto tcp dnat to 10.78.0.2 : tcp dport map @m"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft address and port", parts("map m { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.77.0.1 . 8080 : 10.78.0.2 . 80, 127.0.0.1 . 8080 : 10.78.0.3 . 80 }\n}", "dnat ip to ip daddr . tcp dport map @m"), nil, []string{"tcp/8080 is published on 10.77.0.1 to 10.78.0.2:80" + unguarded}},
		{"nft address and range of ports", parts("map m { type ipv4_addr . inet_service : ipv4_addr; flags interval; elements = { 10.77.0.0/24 . 8000-8090 : 10.78.0.2 }\n}", "dnat to ip daddr . tcp dport map @m"), nil, []string{"tcp/8080 is published on 10.77.0.0/24 to 10.78.0.2:8080" + unguarded}},
		{"nft protocol and port", parts("map m { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { udp . 8080 : 10.78.0.3 . 80, tcp . 8080 : 10.78.0.2 . 80 }\n}", "dnat ip to meta l4proto . th dport map @m"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft named set", parts("set s { type inet_service; elements = { 80, 8080 }\n}", "tcp dport @s dnat to 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft named map without the port", parts("map m { type inet_service : ipv4_addr; elements = { 80 : 10.78.0.2 }\n}", "dnat to tcp dport map @m"), nil, nil},
		{"nft verdict map", parts("chain web { meta l4proto tcp dnat to 10.78.0.2:80\n}\nchain other { meta l4proto tcp dnat to 10.78.0.3:80\n}\nmap m { type inet_service : verdict; elements = { 80 : jump other, 8080 : jump web }\n}", "tcp dport vmap @m"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft verdict map by address", parts("chain web { meta l4proto tcp dnat to 10.78.0.2:80\n}\nmap m { type ipv4_addr . inet_service : verdict; elements = { 10.77.0.1 . 8080 : goto web }\n}", "ip daddr . tcp dport vmap @m"), nil, []string{"tcp/8080 is published on 10.77.0.1 to 10.78.0.2:80" + unguarded}},
		{"nft jump by port", parts("chain web { counter jump host\n}\nchain host { meta l4proto tcp dnat to 10.78.0.2:80\n}", "tcp dport 8080 jump web"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft jump from two rules", parts("chain web { ip saddr 10.77.0.2 meta l4proto tcp dnat to 10.78.0.2:80\n}", "tcp dport 8080 counter jump web\nudp dport 8080 jump web"), nil, []string{"tcp/8080" + to4 + unguarded}},
		{"nft udp", chain("udp dport 8080 dnat to 10.78.0.2:80"), nil, nil},
		{"nft loopback", chain("ip daddr 127.0.0.1 tcp dport 8080 dnat to 10.78.0.2:80"), nil, nil},
		{"nft by connection", chain("meta l4proto tcp ct original proto-dst 22 accept\ntcp dport 8080 dnat to 10.78.0.2:80"), nil, []string{"tcp/8080" + to4 + unguarded}},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			lab.AddInside(t)
			c.publish(t, lab)
			var lines []string
			var err error
			lab.Server.Do(func() {
				cfg := config(t)
				cfg.Guard = c.guard
				cfg.Offers = func(p enforce.Port) bool { return p == enforce.Port{Proto: enforce.TCP, Number: 8080} }
				lines, err = Look(context.Background(), cfg)
			})
			if err != nil {
				t.Fatal(err)
			}
			lines = slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, "published") })
			if !slices.Equal(lines, c.want) {
				t.Errorf("got %q\nwant %q", lines, c.want)
			}
		})
	}
}

// TestGuardBlocked: what drops a forwarded packet in any case is named with the grant, and
// only that.
func TestGuardBlocked(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		want        []string
	}{
		{"Docker alone", "", nil},
		{"a chain that drops", "table inet t { chain f { type filter hook forward priority 5; policy drop; ct state established accept\n}\n}", []string{"table inet t chain f"}},
		{"a chain that lets the container be reached", "table inet t { chain f { type filter hook forward priority 5; policy drop; ct status dnat accept\n}\n}", nil},
		{"a chain that may", "table inet t { chain f { type filter hook forward priority 5; policy drop; oifname \"srv1\" accept\n}\n}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
			lab := netlab.New(t)
			lab.AddInside(t)
			enforcetest.PublishTables(t, lab, "iptables-nft")
			lab.Server.RunInput(t, c.rules, "nft -f -")
			g := enforce.Grant{Src: netip.MustParseAddr("10.77.0.2"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 8080}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
			lab.Server.Do(func() {
				cfg := guarded(t, enforcetest.Guarded)
				cfg.Guard = enforcetest.Guarded
				b := setUp(t, cfg)
				if b == nil {
					return
				}
				defer b.Close()
				if err := enforce.Open(t.Context(), b, g); err != nil {
					t.Error(err)
				}
				if got, err := b.Blocked(t.Context(), g); err != nil || !slices.Equal(got, c.want) {
					t.Errorf("Blocked = %q, %v, want %q", got, err, c.want)
				}
			})
		})
	}
}
