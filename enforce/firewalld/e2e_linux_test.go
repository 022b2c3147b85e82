package firewalld

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// hosts are the firewalld and the journal of each network namespace.
type hosts struct {
	sync.Mutex
	of map[string]host
}

type host struct {
	*netlab.Firewalld
	journal string
}

func (h *hosts) start(t testing.TB, ns *netlab.NS, cfg netlab.FirewalldConfig) {
	t.Helper()
	f := host{netlab.StartFirewalld(t, ns, cfg), filepath.Join(t.TempDir(), "journal")}
	h.Lock()
	defer h.Unlock()
	h.of[namespace(t, ns)] = f
}

func (h *hosts) at(t testing.TB, ns *netlab.NS) host {
	t.Helper()
	h.Lock()
	defer h.Unlock()
	return h.of[namespace(t, ns)]
}

// namespace returns what a thread in the namespace sees it as.
func namespace(t testing.TB, ns *netlab.NS) (id string) {
	t.Helper()
	var err error
	ns.Do(func() { id, err = os.Readlink("/proc/thread-self/ns/net") })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// open returns a backend for the namespace of this thread.
func (h *hosts) open(ctx context.Context) (enforce.Backend, error) {
	id, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	h.Lock()
	f := h.of[id]
	h.Unlock()
	return New(ctx, Config{Address: f.Address, Journal: f.journal, Interfaces: []string{netlab.ServerIf}})
}

// variant is firewalld with one of its own backends. Its zone drops everything.
func variant(backend string) enforcetest.Variant {
	h := &hosts{of: make(map[string]host)}
	return enforcetest.Variant{
		Name: backend, Tools: []string{"firewalld", "firewall-cmd", "dbus-daemon", "nft", "iptables"},
		Open: h.open,
		Protect: func(t testing.TB, ns *netlab.NS) {
			h.start(t, ns, netlab.FirewalldConfig{Backend: backend, Zone: "drop"})
		},
		Wipe: map[string]func(testing.TB, *netlab.NS){
			"reload":          func(t testing.TB, ns *netlab.NS) { h.at(t, ns).Command("--reload") },
			"complete reload": func(t testing.TB, ns *netlab.NS) { h.at(t, ns).Command("--complete-reload") },
			"restart": func(t testing.TB, ns *netlab.NS) {
				f := h.at(t, ns)
				f.Stop()
				f.Start()
			},
		},
		Refused: []string{"forward only", "forward all", "dnat all", "dnat icmp", "dnat and masquerade", "dnat and snat", "forward all and snat", "forward all and masquerade"},
		Slow:    true, Coarse: true,
		Late: 2*time.Second + enforcetest.KernelLate, // see timerSeconds: rounded up to whole seconds, a quarter of one added
		Rules: func(t testing.TB, ns *netlab.NS) []string {
			return strings.Split(h.at(t, ns).Command("--list-all-zones"), "\n")
		},
	}
}

func TestBackend(t *testing.T) {
	for _, backend := range []string{"nftables", "iptables"} {
		t.Run(backend, func(t *testing.T) { enforcetest.Run(t, variant(backend)) })
	}
}

// labWithFirewalld returns a backend, its firewalld, and a grant for the client.
func labWithFirewalld(t *testing.T) (*netlab.Firewalld, func() *Backend, enforce.Grant) {
	t.Helper()
	lab := netlab.New(t)
	f := netlab.StartFirewalld(t, lab.Server, netlab.FirewalldConfig{})
	cfg := Config{Address: f.Address, Journal: filepath.Join(t.TempDir(), "journal"), Interfaces: []string{netlab.ServerIf}}
	open := func() *Backend {
		b, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	return f, open, g
}

// TestKept: rules that were made permanent are said at start, come back with a reload as such
// that have ended, and are removed.
func TestKept(t *testing.T) {
	f, open, g := labWithFirewalld(t)
	b := open()
	if err := enforce.Open(t.Context(), b, g); err != nil {
		t.Fatal(err)
	}
	f.Command("--runtime-to-permanent")
	if notes := strings.Join(open().Notes(), "\n"); !strings.Contains(notes, "zone public has rules of grants in its permanent configuration") {
		t.Errorf("notes: %q", notes)
	}
	if err := enforce.Revoke(t.Context(), b, g); err != nil {
		t.Fatal(err)
	}
	f.Command("--reload")
	gs, err := b.List(t.Context())
	if err != nil || len(gs) != 1 || gs[0].Key() != g.Key() || gs[0].Expires.After(time.Now()) {
		t.Fatalf("List = %+v, %v", gs, err)
	}
	if err := enforce.Revoke(t.Context(), b, gs[0]); err != nil {
		t.Fatal(err)
	}
	if gs, err := b.List(t.Context()); err != nil || len(gs) != 0 {
		t.Errorf("List = %+v, %v", gs, err)
	}
}

// TestHangs: what ends or is revoked while firewalld hangs is shut in a table of our own, and
// nothing else is; the table goes with the rules. A table that is left is taken over.
func TestHangs(t *testing.T) {
	eachFirewalld(t, tryHang)
}

// eachFirewalld runs a test with each kind of firewalld, whose zone drops everything.
func eachFirewalld(t *testing.T, test func(*testing.T, netlab.FirewalldConfig)) {
	for _, backend := range []string{"nftables", "iptables"} {
		t.Run(backend, func(t *testing.T) { test(t, netlab.FirewalldConfig{Backend: backend, Zone: "drop"}) })
	}
	t.Run("firewalld 2", func(t *testing.T) {
		test(t, netlab.FirewalldConfig{Zone: "drop", Root: netlab.DebianRoot(t, netlab.Firewalld2)})
	})
}

func tryHang(t *testing.T, with netlab.FirewalldConfig) {
	lab := netlab.New(t)
	f := netlab.StartFirewalld(t, lab.Server, with)
	netlab.Serve(t, lab.Server, "tcp", 22)
	netlab.Serve(t, lab.Server, "tcp", 23)
	cfg := Config{Address: f.Address, Journal: filepath.Join(t.TempDir(), "journal"), Interfaces: []string{netlab.ServerIf}, Timeout: 3 * time.Second}
	ctx := t.Context()
	var b *Backend
	open := func() {
		var err error
		if b, err = New(ctx, cfg); err != nil {
			t.Error(err)
		}
	}
	can := func(port uint16) bool {
		return netlab.CanConnect(lab.Client, lab.Server.V4, port, 100*time.Millisecond)
	}
	opens := func(port uint16) bool { return wait.Until(wait.Timeout, func() bool { return can(port) }) }
	grant := func(port uint16, bits uint8, life time.Duration) enforce.Grant {
		g := enforce.Grant{Src: lab.Client.V4, Bits: bits, Ports: []enforce.Port{{Proto: enforce.TCP, Number: port}}, Expires: time.Now().Add(life), Stanza: 3}
		if bits != 0 {
			g.SetSource(netip.PrefixFrom(lab.Client.V4, int(bits)).Masked())
		}
		return g
	}
	table := func() string {
		out, _ := lab.Server.Command("nft", "list", "table", "inet", endedTable).Output()
		return string(out)
	}
	lab.Server.Do(func() {
		open()
		ends, stays, prefix := grant(22, 0, 2*time.Second), grant(23, 0, time.Minute), grant(23, 24, time.Minute)
		for _, g := range []enforce.Grant{ends, stays, prefix} {
			if err := enforce.Open(ctx, b, g); err != nil {
				t.Error(err)
			}
		}
		if !opens(22) || !opens(23) {
			t.Error("not open")
		}
		f.Signal(syscall.SIGSTOP)
		wait.At(ends.Expires)
		// What hangs need not be what is to end it.
		if _, err := b.List(ctx); !errors.Is(err, errSilent) {
			t.Errorf("List: %v", err)
		}
		if can(22) || !opens(23) {
			t.Errorf("port 22 open %v, 23 %v, with\n%s", can(22), can(23), table())
		}
		// The prefix is revoked; an address of it has a grant of its own.
		if err := enforce.Revoke(ctx, b, prefix); err == nil || !strings.Contains(err.Error(), "table inet fwknop_ended drops new connections of it") {
			t.Errorf("Revoke: %v", err)
		}
		if can(22) || !opens(23) || !strings.Contains(table(), "/24") {
			t.Errorf("port 22 open %v, 23 %v, with\n%s", can(22), can(23), table())
		}
		f.Signal(syscall.SIGCONT)
		b.Close()
		open()
		if err := enforce.Revoke(ctx, b, ends); err != nil {
			t.Errorf("Revoke, firewalld going on: %v", err)
		}
		if err := enforce.Revoke(ctx, b, prefix); err != nil {
			t.Errorf("Revoke, firewalld going on: %v", err)
		}
		if out := table(); out != "" || can(22) || !opens(23) {
			t.Errorf("port 22 open %v, 23 %v; the table is left:\n%s", can(22), can(23), out)
		}
		b.Close()
	})
}

// TestForeignRules: rules of an administrator stay, and are not listed.
func TestForeignRules(t *testing.T) {
	f, open, g := labWithFirewalld(t)
	b := open()
	const theirs = `rule family="ipv4" source address="192.0.2.0/24" port port="22" protocol="tcp" accept`
	if err := b.bus.addRule(t.Context(), "public", theirs, 0); err != nil {
		t.Fatal(err)
	}
	zone := f.Command("--list-all")
	if err := enforce.Open(t.Context(), b, g); err != nil {
		t.Fatal(err)
	}
	if err := b.Teardown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := f.Command("--list-all"); now != zone {
		t.Errorf("the zone was\n%s\nand is\n%s", zone, now)
	}
}

// TestWhole: a grant of which one port has no rich rule opens none of the others.
func TestWhole(t *testing.T) {
	_, open, g := labWithFirewalld(t)
	b := open()
	g.Ports = []enforce.Port{{Proto: enforce.TCP, Number: 80}, {Proto: enforce.TCP, Number: 81}}
	g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.78.0.2:80")}
	first := g
	first.Ports = g.Ports[:1]
	if err := enforce.Open(t.Context(), b, first); err != nil {
		t.Fatal(err)
	}
	g.Ports = append(g.Ports, enforce.Port{Proto: enforce.UDP})
	if err := enforce.Open(t.Context(), b, g); err == nil {
		t.Fatal("a port without a number is translated")
	}
	gs, err := b.List(t.Context())
	if err != nil || len(gs) != 1 || gs[0].Key() != first.Key() {
		t.Errorf("List = %+v, %v, want what was open before", gs, err)
	}
}

// TestBusLost: a grant of which the bus is lost between the call and the answer is refused, and
// is shut although firewalld has its rule: also where firewalld goes with the bus, with its
// timers. With both back, the rule is found as one that has ended.
func TestBusLost(t *testing.T) {
	eachFirewalld(t, tryBusLost)
}

func tryBusLost(t *testing.T, with netlab.FirewalldConfig) {
	lab := netlab.New(t)
	f := netlab.StartFirewalld(t, lab.Server, with)
	relay := f.RelayBus(t)
	for _, port := range []uint16{22, 23, 24} {
		netlab.Serve(t, lab.Server, "tcp", port)
	}
	can := func(port uint16) bool {
		return netlab.CanConnect(lab.Client, lab.Server.V4, port, 100*time.Millisecond)
	}
	opens := func(port uint16) bool { return wait.Until(wait.Timeout, func() bool { return can(port) }) }
	g := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	other, two := g, g
	other.Ports = []enforce.Port{{Proto: enforce.TCP, Number: 24}}
	two.Ports = append(slices.Clone(g.Ports), enforce.Port{Proto: enforce.TCP, Number: 23})
	ctx := t.Context()
	lab.Server.Do(func() {
		b, err := New(ctx, Config{Address: relay.Address, Journal: filepath.Join(t.TempDir(), "journal"), Interfaces: []string{netlab.ServerIf}, Timeout: 3 * time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		if err := enforce.Open(ctx, b, other); err != nil || !can(24) {
			t.Errorf("Open: %v", err)
		}
		var open [3]bool
		relay.CutAt(`port="23"`, func() {
			open = [3]bool{can(22), can(23), can(24)} // firewalld has done it, and nothing says so
			f.KillBus()
		})
		err = enforce.Open(ctx, b, two)
		if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "as firewalld may have opened it all the same, table inet fwknop_ended drops new connections of it") {
			t.Errorf("Open, the bus being lost: %v", err)
		}
		if !open[0] || !open[1] || !open[2] || can(22) || can(23) || !can(24) {
			t.Errorf("open before %v; refused ports open: 22 %v, 23 %v; granted 24 open: %v", open, can(22), can(23), can(24))
		}
		f.Kill()
		f.StartBus()
		f.Start()
		if err := enforce.Open(ctx, b, two); err != nil || !opens(22) || !opens(23) {
			t.Errorf("Open, with both back: %v", err)
		}
		if out, err := lab.Server.Command("nft", "list", "table", "inet", endedTable).Output(); err == nil {
			t.Errorf("the table is left:\n%s", out)
		}
	})
}

// TestOwned: the table of firewalld 2 is its own, which another program cannot change; what it
// leaves when it is killed can be.
func TestOwned(t *testing.T) {
	lab := netlab.New(t)
	f := netlab.StartFirewalld(t, lab.Server, netlab.FirewalldConfig{Root: netlab.DebianRoot(t, netlab.Firewalld2)})
	remove := func() (string, error) {
		out, err := lab.Server.Command("nft", "delete", "table", "inet", "firewalld").CombinedOutput()
		return string(out), err
	}
	if out, err := remove(); err == nil || !strings.Contains(out, "Operation not permitted") {
		t.Fatalf("its table can be removed: %v %s", err, out)
	}
	f.Kill()
	if out, err := remove(); err != nil {
		t.Errorf("of a killed one it cannot: %v %s", err, out)
	}
}

// TestSharedRule: a rule that two grants have stays until the last of them ends, also in what a
// firewalld that has died left.
func TestSharedRule(t *testing.T) {
	eachFirewalld(t, func(t *testing.T, with netlab.FirewalldConfig) {
		if with.Backend != "iptables" { // whose rules stay in the kernel until firewalld is back
			trySharedRule(t, with)
		}
	})
}

func trySharedRule(t *testing.T, with netlab.FirewalldConfig) {
	lab := netlab.New(t)
	f := netlab.StartFirewalld(t, lab.Server, with)
	to := netip.MustParseAddrPort("10.78.0.2:80")
	first := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 8080}}, NAT: &enforce.NAT{Target: to}, Expires: time.Now().Add(time.Minute), Stanza: 3}
	last := first
	last.NAT = &enforce.NAT{Target: to, Local: true}
	inKernel := func() bool {
		return strings.Contains(lab.Server.Run(t, "nft list table inet firewalld"), "dnat ip to "+to.String())
	}
	ctx := t.Context()
	lab.Server.Do(func() {
		b, err := New(ctx, Config{Address: f.Address, Journal: filepath.Join(t.TempDir(), "journal"), Interfaces: []string{netlab.ServerIf}})
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		if err := enforce.Open(ctx, b, first, last); err != nil || first.Key() == last.Key() || !inKernel() {
			t.Errorf("Open: %v", err)
		}
		f.Kill()
		if err := enforce.Revoke(ctx, b, first); err != nil || !inKernel() {
			t.Errorf("the rule went with the first of two grants, %v", err)
		}
		if err := enforce.Revoke(ctx, b, last); err != nil || inKernel() {
			t.Errorf("the rule is left, %v", err)
		}
	})
}
