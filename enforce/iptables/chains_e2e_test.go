package iptables

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// eachVariant runs a test with a fresh lab for iptables-nft and iptables-legacy.
func eachVariant(t *testing.T, test func(t *testing.T, lab *netlab.Lab, p pair)) {
	for _, name := range []string{"nft", "legacy"} {
		t.Run(name, func(t *testing.T) {
			p := pair{"iptables-" + name, "ip6tables-" + name}
			netlab.Need(t, p.v4, p.v6)
			t.Parallel()
			test(t, netlab.New(t), p)
		})
	}
}

func (p pair) open(t *testing.T, cfg Config) *Backend {
	t.Helper()
	cfg.Path = p.v4
	b, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// userChain is an input chain of ours at the given places; rule position 0 appends.
func userChain(from string, jumpPos int, to string, rulePos int) map[Role]enforce.Chain {
	return map[Role]enforce.Chain{Input: {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter",
		From: from, JumpPos: jumpPos, To: to, RulePos: rulePos}}
}

// TestUserChain hangs our chain on a chain of the user's, as with DOCKER-USER.
func TestUserChain(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, p pair) {
		p.run("-N DOCKER-USER", "-A DOCKER-USER -j DROP", "-I INPUT -j DOCKER-USER")(t, lab.Server)
		netlab.Serve(t, lab.Server, "tcp", 22)
		lab.Server.Do(func() {
			b := p.open(t, Config{Chains: userChain("DOCKER-USER", 9, "KNOCK", 1)})
			g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
			if err := b.Apply(ctx, g); err != nil {
				t.Fatal(err)
			}
		})
		// The jump stands behind what the user has, as his definition says: position
		// 9 of a chain with one rule is the end.
		rules := strings.Split(lab.Server.Run(t, p.v4+" -S DOCKER-USER"), "\n")
		if len(rules) < 3 || rules[2] != "-A DOCKER-USER -j KNOCK" {
			t.Errorf("DOCKER-USER is %q", rules)
		}
		if netlab.CanConnect(lab.Client, lab.Server.V4, 22, 150*time.Millisecond) {
			t.Error("open behind a DROP")
		}
		p.run("-D DOCKER-USER -j DROP", "-A DOCKER-USER -j DROP")(t, lab.Server)
		if !netlab.CanConnect(lab.Client, lab.Server.V4, 22, 2*time.Second) {
			t.Error("not open before the DROP")
		}
	})
}

func TestNoSuchChain(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, p pair) {
		lab.Server.Do(func() {
			b := p.open(t, Config{Chains: userChain("DOCKER-USER", 1, "KNOCK", 1)})
			if err := b.Setup(ctx); !errors.Is(err, ErrNoChain) {
				t.Errorf("Setup = %v, want %v", err, ErrNoChain)
			}
		})
	})
}

// TestPositions: the jump where it is defined, rules prepended or appended.
func TestPositions(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, p pair) {
		p.run("-A INPUT -p tcp --dport 1 -j ACCEPT", "-A INPUT -p tcp --dport 2 -j ACCEPT")(t, lab.Server)
		order := func(cfg Config) string {
			lab.Server.Do(func() {
				b := p.open(t, cfg)
				if err := b.Teardown(ctx); err != nil {
					t.Fatal(err)
				}
				for n := range uint16(3) {
					g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: n + 1}}, Stanza: 3}
					if err := b.Apply(ctx, g); err != nil {
						t.Fatal(err)
					}
				}
			})
			var ports []string
			for _, line := range strings.Split(lab.Server.Run(t, p.v4+" -S FWKNOP_INPUT"), "\n") {
				if _, rest, ok := strings.Cut(line, "--dport "); ok {
					ports = append(ports, rest[:1])
				}
			}
			return strings.Join(ports, " ")
		}
		if got := order(Config{Chains: userChain("INPUT", 2, "FWKNOP_INPUT", 1)}); got != "3 2 1" {
			t.Errorf("first position: %s", got)
		}
		if rules := strings.Split(lab.Server.Run(t, p.v4+" -S INPUT"), "\n"); rules[2] != "-A INPUT -j FWKNOP_INPUT" {
			t.Errorf("INPUT is %q, want the jump second", rules)
		}
		if got := order(Config{Chains: userChain("INPUT", 1, "FWKNOP_INPUT", 2)}); got != "1 3 2" {
			t.Errorf("second position: %s", got)
		}
		if got := order(Config{Chains: userChain("INPUT", 1, "FWKNOP_INPUT", 0)}); got != "1 2 3" {
			t.Errorf("six fields: %s, want appended", got)
		}
		if got := order(Config{Chains: userChain("INPUT", 1, "FWKNOP_INPUT", 0), Prepend: true}); got != "3 2 1" {
			t.Errorf("ENABLE_RULE_PREPEND: %s", got)
		}
	})
}

// TestJumpExact: a jump with further matches is not the jump.
func TestJumpExact(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, p pair) {
		p.run("-N FWKNOP_INPUT", "-A INPUT -i eth9 -j FWKNOP_INPUT")(t, lab.Server)
		for range 2 {
			lab.Server.Do(func() {
				if err := p.open(t, Config{}).Setup(ctx); err != nil {
					t.Fatal(err)
				}
			})
		}
		rules := lab.Server.Run(t, p.v4+" -S INPUT")
		if strings.Count(rules, "-A INPUT -j FWKNOP_INPUT\n") != 1 || !strings.Contains(rules, "-i eth9 -j FWKNOP_INPUT") {
			t.Errorf("INPUT is\n%s, want our jump once and the other left", rules)
		}
	})
}

// TestTakesOver: rules that the C daemon left are found, made to end in the
// kernel, and closed; what others put into our chain stays.
func TestTakesOver(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, p pair) {
		p.protect(t, lab.Server)
		lab.AddInside(t)
		netlab.Serve(t, lab.Inside, "tcp", 80)
		end := time.Now().Add(time.Hour).Truncate(time.Second)
		mark := fmt.Sprintf(" -m comment --comment _exp_%d", end.Unix())
		client, inside := lab.Client.V4.String(), lab.Inside.V4.String()
		for _, args := range []string{
			"-N FWKNOP_INPUT", "-A INPUT -j FWKNOP_INPUT", "-N FWKNOP_FORWARD", "-A FORWARD -j FWKNOP_FORWARD",
			"-t nat -N FWKNOP_PREROUTING", "-t nat -A PREROUTING -j FWKNOP_PREROUTING",
			"-t nat -N FWKNOP_POSTROUTING", "-t nat -A POSTROUTING -j FWKNOP_POSTROUTING",
			"-A FWKNOP_INPUT -p 6 -s " + client + " --dport 22" + mark + " -j ACCEPT",
			"-A FWKNOP_FORWARD -p 6 -s " + client + " --dport 80" + mark + " -j ACCEPT",
			"-t nat -A FWKNOP_PREROUTING -p 6 -s " + client + " --dport 8080" + mark + " -j DNAT --to-destination " + inside + ":80",
			"-t nat -A FWKNOP_POSTROUTING -p 6 -d " + inside + " --dport 80" + mark + " -j MASQUERADE --to-ports 8080",
			"-A FWKNOP_INPUT -i eth9 -p tcp --dport 99 -j ACCEPT",
		} {
			lab.Server.Run(t, p.v4+" "+args)
		}
		var gs []enforce.Grant
		lab.Server.Do(func() {
			b := p.open(t, Config{})
			var err error
			if gs, err = b.List(ctx); err != nil {
				t.Fatal(err)
			}
			if rep, err := b.Reconcile(ctx, gs); err != nil || len(rep.Restored) != 2 || len(rep.Found) != 0 {
				t.Errorf("Reconcile = %+v, %v, want both made anew", rep, err)
			}
			if again, err := b.List(ctx); err != nil || len(again) != 2 || again[0].Key() != gs[0].Key() || again[1].Key() != gs[1].Key() {
				t.Errorf("List = %v, %v, want %v", again, err, gs)
			}
		})
		if len(gs) != 2 || gs[0].Key() != client+" tcp/22" || gs[1].Key() != client+" tcp/8080 nat "+inside+":80 masquerade" {
			t.Fatalf("found %v", gs)
		}
		for _, g := range gs {
			if !g.Expires.Equal(end) {
				t.Errorf("%s ends %v, want %v", g.Key(), g.Expires, end)
			}
		}
		if n := strings.Count(lab.Server.Run(t, p.v4+" -S"), "--datestop"); n != 2 {
			t.Errorf("%d rules of the filter table end in the kernel, want 2", n)
		}
		if !netlab.CanConnect(lab.Client, lab.Server.V4, 8080, 2*time.Second) {
			t.Error("the translation does not work")
		}
		lab.Server.Do(func() {
			if errs := p.open(t, Config{}).RevokeAll(ctx, gs); errs != nil {
				t.Fatal(errs)
			}
		})
		if left := lab.Server.Run(t, p.v4+" -S FWKNOP_INPUT"); strings.Contains(left, client) || !strings.Contains(left, "eth9") {
			t.Errorf("left in our chain:\n%s", left)
		}
	})
}

// TestWatch: changes by others are heard, our own are not.
func TestWatch(t *testing.T) {
	p := pair{"iptables-nft", "ip6tables-nft"}
	netlab.Need(t, p.v4, p.v6)
	lab := netlab.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	var b *Backend
	var changed <-chan struct{}
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	lab.Server.Do(func() {
		b = p.open(t, Config{})
		if err := b.Apply(ctx, g); err != nil {
			t.Fatal(err)
		}
		var err error
		if changed, err = b.Watch(ctx); err != nil {
			t.Fatal(err)
		}
		if err := b.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
	})
	select {
	case <-changed:
		t.Error("our own change was reported")
	case <-time.After(200 * time.Millisecond):
	}
	lab.Server.Run(t, "iptables-nft -F")
	select {
	case <-changed:
	case <-time.After(time.Second):
		t.Error("a flush was not reported")
	}
	cancel()
	for range changed { // ends when the channel is closed
	}
}
