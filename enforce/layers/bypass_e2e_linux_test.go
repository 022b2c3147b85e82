package layers

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// TestGuardBypass: a rule in front of the guard by which packets get past it is named, before the
// guard is set up and behind that, and none else is; a client without a grant shows whether it is
// so.
func TestGuardBypass(t *testing.T) {
	netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
	const forward, user = "iptables-nft filter FORWARD", "DOCKER-USER (iptables-nft filter FORWARD)"
	const forward6 = "ip6tables-nft filter FORWARD"
	const both, tcp = "tcp/8080, udp/5000 without a grant", "tcp/8080 without a grant"
	docker := func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-nft") }
	shut := func(t testing.TB, lab *netlab.Lab) {
		docker(t, lab)
		lab.Server.Run(t, "nft add table inet mine ; add chain inet mine f { type filter hook forward priority 10 ; policy drop ; }")
	}
	for _, c := range []struct {
		name    string
		publish func(testing.TB, *netlab.Lab)
		rule    string // of the administrator, behind Setup
		before  string // the rule is there before Setup, and this is said then
		want    string
		reaches bool // a client without a grant
	}{
		{"Docker alone", docker, "iptables-nft -N unused", "", "", false},
		{"an accept", docker, "iptables-nft -I FORWARD 1 -j ACCEPT", "rule 1 of " + forward + " accepts in front of the guard: all clients reach " + both,
			"rule 1 of " + forward + " accepts in front of the guard: all clients reach " + both, true},
		{"an accept for the container", docker, "iptables-nft -I FORWARD 1 -d 10.78.0.2 -p tcp --dport 80 -j ACCEPT", "rule 1 of " + forward + " accepts in front of the guard: all clients reach " + tcp,
			"rule 1 of " + forward + " accepts in front of the guard: all clients reach " + tcp, true},
		{"an accept for a network", docker, "iptables-nft -I FORWARD 1 -s 10.77.0.0/24 -j ACCEPT", "rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + both,
			"rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + both, true},
		{"an accept for another network", docker, "iptables-nft -I FORWARD 1 -s 10.99.0.0/24 -j ACCEPT", "rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + both,
			"rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + both, false},
		{"an accept in DOCKER-USER", docker, "iptables-nft -I DOCKER-USER 1 -j ACCEPT", "", "rule 1 of " + user + " accepts in front of the guard: all clients reach " + both, true},
		{"a return in DOCKER-USER", docker, "iptables-nft -I DOCKER-USER 1 -j RETURN", "", "rule 1 of " + user + " returns in front of the guard: what it matches reaches " + both, true},
		{"the jump is gone", docker, "iptables-nft -F DOCKER-USER", "", "rule 1 of DOCKER (" + forward + ") accepts in front of the guard: what it matches reaches " + tcp + "\n" +
			"rule 4 of DOCKER-FORWARD (" + forward + ") accepts in front of the guard: what it matches reaches " + both, true},
		{"an accept behind", docker, "iptables-nft -A FORWARD -j ACCEPT", "", "", false},
		{"known connections", docker, "iptables-nft -I FORWARD 1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "", "", false},
		{"another port", docker, "iptables-nft -I FORWARD 1 -p tcp --dport 9999 -j ACCEPT", "", "", false},
		{"an accept for the port of another host", docker, "iptables-nft -I FORWARD 1 -d 10.99.0.0/24 -p tcp --dport 8080 -j ACCEPT", "rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + tcp,
			"rule 1 of " + forward + " accepts in front of the guard: what it matches reaches " + tcp, false},
		{"the loopback", docker, "iptables-nft -I FORWARD 1 -i lo -j ACCEPT", "", "", false},
		{"a return that may match, to a drop", docker, "iptables-nft -I FORWARD 1 -s 10.99.0.0/24 -j RETURN", "", "", false},
		{"an accept, and a drop of nftables", shut, "iptables-nft -I FORWARD 1 -j ACCEPT", "", "", false},
		{"an accept for IPv6", docker, "ip6tables-nft -I FORWARD 1 -j ACCEPT", "rule 1 of " + forward6 + " accepts in front of the guard: all clients reach " + both,
			"rule 1 of " + forward6 + " accepts in front of the guard: all clients reach " + both, true},
		{"an accept for another network, IPv6", docker, "ip6tables-nft -I FORWARD 1 -s 2001:db8:99::/64 -j ACCEPT", "rule 1 of " + forward6 + " accepts in front of the guard: what it matches reaches " + both,
			"rule 1 of " + forward6 + " accepts in front of the guard: what it matches reaches " + both, false},
		{"an accept in DOCKER-USER, IPv6", docker, "ip6tables-nft -I DOCKER-USER 1 -j ACCEPT", "", "rule 1 of DOCKER-USER (" + forward6 + ") accepts in front of the guard: all clients reach " + both, true},
		{"known connections, IPv6", docker, "ip6tables-nft -I FORWARD 1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "", "", false},
		{"nftables accepts first", enforcetest.PublishRuleset, "nft add table inet mine ; add chain inet mine f { type filter hook forward priority -10 ; } ; add rule inet mine f accept", "", "", false},
		{"nftables, in our chain", enforcetest.PublishRuleset, "nft insert rule inet fwknopd guard accept", "",
			"rule 1 of table inet fwknopd chain guard accepts in front of the guard: all clients reach " + both, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab := netlab.New(t)
			lab.AddInside(t)
			netlab.Serve(t, lab.Inside, "tcp", 80)
			c.publish(t, lab)
			if c.before != "" {
				lab.Server.Run(t, c.rule)
			}
			var b *Backend
			lab.Server.Do(func() {
				if got := strings.Join(look(t), "\n"); got != c.before {
					t.Errorf("before: %q, want %q", got, c.before)
				}
				b = setUpGuard(t, enforcetest.Guarded...)
			})
			if b == nil {
				t.FailNow()
			}
			defer b.Close()
			if c.before == "" {
				lab.Server.Run(t, c.rule)
			}
			lab.Server.Do(func() {
				got, err := b.Bypasses(t.Context())
				if err != nil || strings.Join(got, "\n") != c.want {
					t.Errorf("Bypasses = %q, %v, want %q", got, err, c.want)
				}
				if got := strings.Join(look(t), "\n"); got != c.want {
					t.Errorf("behind Setup: %q, want %q", got, c.want)
				}
			})
			said := slices.ContainsFunc(b.Notes(), func(n string) bool { return strings.Contains(n, ruleset.Bypassed) })
			if said != (c.before != "") {
				t.Errorf("said at start: %v; %q", said, b.Notes())
			}
			from, to := lab.Client.V4, lab.Server.V4
			if strings.HasPrefix(c.rule, "ip6tables") {
				from, to = lab.Client.V6, lab.Server.V6
			}
			if got := netlab.CanReach(lab.Client, "tcp", from, netip.AddrPortFrom(to, 8080), 300*time.Millisecond); got != c.reaches {
				t.Errorf("a client without a grant gets through: %v, want %v", got, c.reaches)
			}
		})
	}
}

// TestGuardRouted: the guard is for what is forwarded without a translation too, such as to a container
// that is reached by its own address.
func TestGuardRouted(t *testing.T) {
	netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
	for name, publish := range map[string]func(testing.TB, *netlab.Lab){
		"iptables": func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-nft") },
		"nftables": enforcetest.PublishRuleset,
	} {
		t.Run(name, func(t *testing.T) {
			lab := netlab.New(t)
			netlab.Serve(t, lab.AddInside(t), "tcp", 80)
			publish(t, lab)
			at := netip.AddrPortFrom(lab.Inside.V4, 80)
			if !netlab.CanReach(lab.Client, "tcp", lab.Client.V4, at, 2*time.Second) {
				t.Fatal("the container is not reached without the guard")
			}
			var b *Backend
			lab.Server.Do(func() { b = setUpGuard(t, enforce.Port{Proto: enforce.TCP, Number: 80}) })
			if b == nil {
				t.FailNow()
			}
			defer b.Close()
			if netlab.CanReach(lab.Client, "tcp", lab.Client.V4, at, 300*time.Millisecond) {
				t.Error("the container is reached without a grant")
			}
		})
	}
}

// look returns what Look says of rules in front of the guard.
func look(t testing.TB) (lines []string) {
	t.Helper()
	cfg := guarded(t, enforcetest.Guarded)
	cfg.Guard = enforcetest.Guarded
	lines, err := Look(t.Context(), cfg)
	if err != nil {
		t.Error(err)
	}
	return slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, ruleset.Bypassed) })
}

// setUpGuard returns a backend with a guard in place, nil after an error.
func setUpGuard(t testing.TB, ports ...enforce.Port) *Backend {
	t.Helper()
	cfg := guarded(t, ports)
	cfg.Guard = ports
	return setUp(t, cfg)
}
