package iptables

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// eachVariant runs a test with a fresh lab for iptables-nft and iptables-legacy.
func eachVariant(t *testing.T, test func(t *testing.T, lab *netlab.Lab, program string)) {
	for _, name := range []string{"nft", "legacy"} {
		t.Run(name, func(t *testing.T) {
			netlab.Need(t, "iptables-"+name, "ip6tables-"+name)
			t.Parallel()
			test(t, netlab.New(t), "iptables-"+name)
		})
	}
}

func backend(t *testing.T, program string, cfg Config) *Backend {
	t.Helper()
	cfg.Path = program
	b, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// userChain is an input chain of ours at the given places; rule position 0 appends.
func userChain(from string, jumpPos int, to string, rulePos int) map[enforce.Role]enforce.Chain {
	return map[enforce.Role]enforce.Chain{enforce.Input: {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter",
		From: from, JumpPos: jumpPos, To: to, RulePos: rulePos}}
}

// TestUserChain hangs our chain on a chain of the user's, as with DOCKER-USER.
func TestUserChain(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		lab.Server.Tables(t, program, "-N DOCKER-USER", "-A DOCKER-USER -j DROP", "-I INPUT -j DOCKER-USER")
		netlab.Serve(t, lab.Server, "tcp", 22)
		lab.Server.Do(func() {
			b := backend(t, program, Config{Chains: userChain("DOCKER-USER", 9, "KNOCK", 1)})
			g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
			if err := enforce.Open(ctx, b, g); err != nil {
				t.Fatal(err)
			}
		})
		// The jump stands behind the user's rule, as defined: position
		// 9 of a chain with one rule is the end.
		rules := strings.Split(lab.Server.Run(t, program+" -S DOCKER-USER"), "\n")
		if len(rules) < 3 || rules[2] != "-A DOCKER-USER -j KNOCK" {
			t.Errorf("DOCKER-USER is %q", rules)
		}
		if netlab.CanConnect(lab.Client, lab.Server.V4, 22, 150*time.Millisecond) {
			t.Error("open behind a DROP")
		}
		lab.Server.Tables(t, program, "-D DOCKER-USER -j DROP", "-A DOCKER-USER -j DROP")
		if !netlab.CanConnect(lab.Client, lab.Server.V4, 22, 2*time.Second) {
			t.Error("not open before the DROP")
		}
	})
}

func TestNoSuchChain(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		lab.Server.Do(func() {
			b := backend(t, program, Config{Chains: userChain("DOCKER-USER", 1, "KNOCK", 1)})
			if err := b.Setup(ctx); !errors.Is(err, errNoChain) {
				t.Errorf("Setup = %v, want %v", err, errNoChain)
			}
		})
	})
}

// TestRulesOfNFT: grants in a chain that iptables-nft does not list, as nft(8) has added to it, are not forgotten.
func TestRulesOfNFT(t *testing.T) {
	netlab.Need(t, "nft", "iptables-nft", "ip6tables-nft")
	t.Parallel()
	lab := netlab.New(t)
	lab.Server.Do(func() {
		b := backend(t, "iptables-nft", Config{})
		g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
		if err := b.Setup(ctx); err != nil {
			t.Fatal(err)
		}
		if err := enforce.Open(ctx, b, g); err != nil {
			t.Fatal(err)
		}
		if open, err := b.List(ctx); err != nil || len(open) != 1 {
			t.Fatalf("%d grants, %v", len(open), err)
		}
	})
	lab.Server.Run(t, "nft add rule ip filter FWKNOP_INPUT meta mark set ct mark map { 1 : 2 }")
	lab.Server.Do(func() {
		open, err := backend(t, "iptables-nft", Config{}).List(ctx)
		if err == nil || !strings.Contains(err.Error(), "list chain FWKNOP_INPUT: iptables does not list the rules of nft(8)") {
			t.Errorf("%d grants, %v", len(open), err)
		}
	})
}

// TestPositions: the jump where it is defined, rules prepended or appended.
func TestPositions(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		lab.Server.Tables(t, program, "-A INPUT -p tcp --dport 1 -j ACCEPT", "-A INPUT -p tcp --dport 2 -j ACCEPT")
		order := func(cfg Config) string {
			lab.Server.Do(func() {
				b := backend(t, program, cfg)
				if err := b.Teardown(ctx); err != nil {
					t.Fatal(err)
				}
				for n := range uint16(3) {
					g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: n + 1}}, Stanza: 3}
					if err := enforce.Open(ctx, b, g); err != nil {
						t.Fatal(err)
					}
				}
			})
			var ports []string
			for _, line := range strings.Split(lab.Server.Run(t, program+" -S FWKNOP_INPUT"), "\n") {
				if _, rest, ok := strings.Cut(line, "--dport "); ok {
					ports = append(ports, rest[:1])
				}
			}
			return strings.Join(ports, " ")
		}
		if got := order(Config{Chains: userChain("INPUT", 2, "FWKNOP_INPUT", 1)}); got != "3 2 1" {
			t.Errorf("first position: %s", got)
		}
		if rules := strings.Split(lab.Server.Run(t, program+" -S INPUT"), "\n"); rules[2] != "-A INPUT -j FWKNOP_INPUT" {
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
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		lab.Server.Tables(t, program, "-N FWKNOP_INPUT", "-A INPUT -i eth9 -j FWKNOP_INPUT")
		for range 2 {
			lab.Server.Do(func() {
				if err := backend(t, program, Config{}).Setup(ctx); err != nil {
					t.Fatal(err)
				}
			})
		}
		rules := lab.Server.Run(t, program+" -S INPUT")
		if strings.Count(rules, "-A INPUT -j FWKNOP_INPUT\n") != 1 || !strings.Contains(rules, "-i eth9 -j FWKNOP_INPUT") {
			t.Errorf("INPUT is\n%s, want our jump once and the other left", rules)
		}
	})
}

// TestWatch: changes by others are heard, our own are not.
func TestWatch(t *testing.T) {
	const program = "iptables-nft"
	netlab.Need(t, program, "ip6tables-nft")
	lab := netlab.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	var b *Backend
	var changed <-chan struct{}
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	lab.Server.Do(func() {
		b = backend(t, program, Config{})
		if err := enforce.Open(ctx, b, g); err != nil {
			t.Fatal(err)
		}
		var err error
		if changed, err = b.Watch(ctx); err != nil {
			t.Fatal(err)
		}
		if err := enforce.Revoke(ctx, b, g); err != nil {
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
	case <-time.After(wait.Timeout):
		t.Error("a flush was not reported")
	}
	cancel()
	for range changed { // ends when the channel is closed
	}
}
