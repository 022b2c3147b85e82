package nftables

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

const (
	soon  = 2 * time.Second
	never = 150 * time.Millisecond
)

var ctx = context.Background()

// newBackend works in the server's namespace.
func newBackend(t *testing.T, lab *netlab.Lab, cfg Config) *Backend {
	t.Helper()
	var b *Backend
	var err error
	lab.Server.Do(func() { b, err = New(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

func hasNote(b *Backend, text string) bool {
	return strings.Contains(strings.Join(b.Notes(), "\n"), text)
}

// both are grants of tcp/22 for the client's two addresses.
func both(lab *netlab.Lab) []enforce.Grant {
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	g6 := g
	g6.Src = lab.Client.V6
	return []enforce.Grant{g, g6}
}

// wantOpen checks tcp/22 in both families.
func wantOpen(t *testing.T, lab *netlab.Lab, want4, want6 bool) {
	t.Helper()
	within := map[bool]time.Duration{true: soon, false: never}
	if got := netlab.CanConnect(lab.Client, lab.Server.V4, 22, within[want4]); got != want4 {
		t.Errorf("IPv4 open = %v, want %v", got, want4)
	}
	if got := netlab.CanConnect(lab.Client, lab.Server.V6, 22, within[want6]); got != want6 {
		t.Errorf("IPv6 open = %v, want %v", got, want6)
	}
}

// chain is a base chain that lets neighbour discovery and known connections pass.
func chain(name, hook, priority string) string {
	return "chain " + name + ` { type filter hook ` + hook + ` priority ` + priority + `; policy drop;
		ct state established,related accept
		meta l4proto ipv6-icmp accept
	}
`
}

// TestLayouts: wherever the user drops, a grant opens; and nowhere else do we
// write.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name, ruleset string
		cfg           Config
		want4, want6  bool
		note          string
	}{
		{"one table", "table inet t {" + chain("in", "input", "0") + "}", Config{}, true, true, ""},
		{"a drop of the very port", "table inet t {" + chain("in", "input", "0") + "}\ninsert rule inet t in tcp dport 22 drop", Config{}, true, true, ""},
		{"two chains of a table", "table inet t {" + chain("in", "input", "0") + chain("in2", "input", "10") + "}", Config{}, true, true, ""},
		{"two tables", "table inet t {" + chain("in", "input", "0") + "}\ntable ip t {" + chain("in", "input", "-150") + "}", Config{}, true, true, ""},
		{"a table for each family", "table ip t {" + chain("in", "input", "0") + "}\ntable ip6 t {" + chain("in", "input", "0") + "}", Config{}, true, true, ""},
		{"one family", "table ip6 t {" + chain("in", "input", "0") + "}", Config{}, true, true, "on the input hook for IPv4:"},
		{"nothing", "", Config{}, true, true, "on the input hook for IPv4 and IPv6"},
		{"a chosen chain", "table inet t {" + chain("in", "input", "0") + "}",
			Config{Places: map[enforce.Role][]Place{enforce.Input: {{families["inet"], "t", "in"}}}}, true, true, ""},
		{"a chosen chain that others jump to", "table inet t { chain ssh { } \n" + chain("in", "input", "0") + "}\nadd rule inet t in tcp dport 22 jump ssh",
			Config{Places: map[enforce.Role][]Place{enforce.Input: {{families["inet"], "t", "ssh"}}}}, true, true, ""},
		{"one chosen of two", "table inet t {" + chain("in", "input", "0") + "}\ntable ip t {" + chain("in", "input", "0") + "}",
			Config{Places: map[enforce.Role][]Place{enforce.Input: {{families["inet"], "t", "in"}}}}, false, true, ""},
		{"a chosen chain that is not there", "table inet t {" + chain("in", "input", "0") + "}",
			Config{Places: map[enforce.Role][]Place{enforce.Input: {{families["inet"], "t", "input"}}}}, false, false, "there is no chain inet t input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			netlab.Need(t, "nft")
			t.Parallel()
			lab := netlab.New(t)
			lab.Server.RunInput(t, c.ruleset, "nft -f -")
			netlab.Serve(t, lab.Server, "tcp", 22)
			b := newBackend(t, lab, c.cfg)
			for _, g := range both(lab) {
				if err := enforce.Open(ctx, b, g); err != nil {
					t.Fatal(err)
				}
			}
			wantOpen(t, lab, c.want4, c.want6)
			if notes := b.Notes(); c.note == "" && len(notes) > 0 || !hasNote(b, c.note) {
				t.Errorf("notes = %q, want %q", notes, c.note)
			}
			if gs, err := b.List(ctx); err != nil || len(gs) != 2 {
				t.Errorf("List = %v, %v, want two grants", gs, err)
			}
		})
	}
}

// TestRulesLoadedLater: the user's firewall comes up after us. We hear of it, move
// in, and take our own table away.
func TestRulesLoadedLater(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	netlab.Serve(t, lab.Server, "tcp", 22)
	b := newBackend(t, lab, Config{Roles: []enforce.Role{enforce.Output}})
	gs := both(lab)
	if errs, _ := b.Change(ctx, gs, nil); errs != nil {
		t.Fatal(errs)
	}
	changed, err := b.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lab.Server.RunInput(t, "table inet t {"+chain("in", "input", "0")+chain("out", "output", "0")+"}", "nft -f -")
	select {
	case <-changed:
	case <-time.After(wait.Timeout):
		t.Fatal("the new base chain went unnoticed")
	}
	wantOpen(t, lab, false, false)
	diff, err := enforcetest.Reconcile(b, gs)
	if err != nil || len(diff.Missing) != 2 {
		t.Errorf("Reconcile = %+v, %v, want both restored", diff, err)
	}
	wantOpen(t, lab, true, true)
	if rules := lab.Server.Run(t, "nft list tables"); strings.Contains(rules, "fwknopd") {
		t.Errorf("our own table is still there: %s", rules)
	}
	// Our own changes do not wake us. A new watch has heard of no others.
	if changed, err = b.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	enforce.Open(ctx, b, enforce.Grant{Src: lab.Client.V4, All: true, Expires: time.Now().Add(time.Minute)})
	enforce.Revoke(ctx, b, gs[0])
	select {
	case <-changed:
		t.Error("our own change was reported")
	case <-time.After(200 * time.Millisecond):
	}
}

// TestLeavesIptables: tables of iptables-nft are not ours to touch.
func TestLeavesIptables(t *testing.T) {
	netlab.Need(t, "nft", "iptables-nft")
	lab := netlab.New(t)
	lab.Server.Run(t, "iptables-nft -P INPUT DROP")
	before := lab.Server.Run(t, "iptables-nft -S")
	b := newBackend(t, lab, Config{})
	if err := enforce.Open(ctx, b, both(lab)[0]); err != nil {
		t.Fatal(err)
	}
	if after := lab.Server.Run(t, "iptables-nft -S"); after != before {
		t.Errorf("iptables has\n%s, had\n%s", after, before)
	}
	if err := b.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	if after := lab.Server.Run(t, "iptables-nft -S"); after != before {
		t.Errorf("after Teardown iptables has\n%s, had\n%s", after, before)
	}
}

// TestLeavesOwned: a table that a running program keeps for itself is passed over.
func TestLeavesOwned(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	owner := lab.Server.Command("nft", "-i")
	in, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); owner.Wait() })
	io.WriteString(in, "add table inet own { flags owner; }\nadd chain inet own in { type filter hook input priority 0; policy drop; }\n")
	wait.For(t, "the table of another program", func() bool { return strings.Contains(lab.Server.Run(t, "nft list ruleset"), "policy drop") })
	b := newBackend(t, lab, Config{})
	s, err := b.Survey(ctx)
	if err != nil || len(s.Bases) == 0 || s.Bases[0].Why == "" {
		t.Errorf("Survey = %+v, %v, want a reason why the chain is left alone", s, err)
	}
	if err := enforce.Open(ctx, b, both(lab)[0]); err != nil {
		t.Fatal(err)
	}
}

// TestClosed: a backend that was closed does nothing, least of all elsewhere.
func TestClosed(t *testing.T) {
	netlab.Need(t, "nft")
	b := newBackend(t, netlab.New(t), Config{})
	g := enforce.Grant{Src: addr("192.0.2.7"), Ports: tcp(22), Expires: time.Now().Add(time.Minute)}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, listErr := b.List(ctx)
	_, compareErr := b.Compare(ctx, nil)
	_, chainsErr := b.Chains(ctx)
	for _, err := range []error{enforce.Open(ctx, b, g), enforce.Revoke(ctx, b, g), b.Setup(ctx), b.Flush(ctx), b.Teardown(ctx), listErr, compareErr, chainsErr} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("error = %v, want %v", err, os.ErrClosed)
		}
	}
}
