package node

import (
	"crypto/sha256"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

const testAge = 2 * time.Minute

// configs returns the configurations of n members on the loopback interface.
func configs(t testing.TB, n int) []fleetlink.Config {
	t.Helper()
	fleetlab.NoRace(t, n)
	list, peers := make([]fleetlink.Config, n), make([]fleetlink.Peer, n)
	for i := range list {
		name := fmt.Sprintf("gw%d", i+1)
		file, pin, err := NewCredentials(name)
		if err != nil {
			t.Fatal(err)
		}
		peers[i] = fleetlink.Peer{Name: name, Address: fleetlab.Address(), Pin: pin}
		list[i] = fleetlink.Config{Name: name, Listen: peers[i].Address, Peers: peers, Dir: t.TempDir(), Credentials: file, MaxAge: testAge}
	}
	return list
}

// open starts a member, which ends with the test.
func open(t testing.TB, cfg fleetlink.Config, o Options) *Node {
	t.Helper()
	o.Log = func(text string) { t.Logf("%s: %s", cfg.Name, text) }
	n, err := Open(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// openAll starts members and waits until each can claim. The last one is started first: those before it
// connect to it, and try again after a second where it is not there.
func openAll(t testing.TB, list []fleetlink.Config) []*Node {
	t.Helper()
	nodes := make([]*Node, len(list))
	for i, cfg := range slices.Backward(list) {
		nodes[i] = open(t, cfg, Options{})
	}
	for _, n := range nodes {
		ready(t, n)
	}
	return nodes
}

func ready(t testing.TB, n *Node) {
	t.Helper()
	if !wait.Until(wait.Timeout, func() bool { return unavailable(n) == "" }) {
		t.Fatalf("%s: %s", n.cfg.Name, unavailable(n))
	}
}

func unavailable(n *Node) string {
	_, why := n.claims.current()
	return why
}

// claimOf returns a claim of a message that was just sent. A new bucket takes only messages that
// are newer than it is, which is why they are dated a little ahead.
func claimOf(text string) fleetlink.Claim {
	sent := time.Now().Add(skew - time.Second)
	return fleetlink.Claim{Digest: sha256.Sum256([]byte(text)), Sent: sent, Until: sent.Add(testAge), Stanza: "ssh"}
}

// patient waits until a new bucket takes messages of claimOf.
func patient(t testing.TB, n *Node) {
	t.Helper()
	wait.For(t, "the bucket to be a second old", func() bool {
		use, _ := n.claims.current()
		return use.terms != nil && time.Since(use.terms.beginning) > 1100*time.Millisecond
	})
}

// TestTakenAddress: a member that cannot listen says so.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	cfg := configs(t, 2)[0]
	l, err := net.Listen("tcp", cfg.Listen.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Open(cfg, Options{}); err == nil || !strings.Contains(err.Error(), "FLEET_LISTEN: listen tcp "+cfg.Listen.String()) {
		t.Error(err)
	}
}

func TestOneMember(t *testing.T) {
	t.Parallel()
	n := openAll(t, configs(t, 1))[0]
	patient(t, n)
	if a := n.Claim(t.Context(), claimOf("a")); a.Verdict != fleetlink.First {
		t.Fatalf("first: %+v", a)
	}
	a := n.Claim(t.Context(), claimOf("a"))
	if a.Verdict != fleetlink.Taken || a.By != "gw1" || time.Since(a.At) > time.Minute {
		t.Errorf("again: %+v", a)
	}
	s := n.Status()
	if !s.Quorum || s.Claims.First != 1 || s.Claims.Taken != 1 || len(s.Members) != 1 || s.Bound != testAge.Seconds() {
		t.Errorf("status %+v", s)
	}
}

// TestRace: of claims on a message at two members one is the first. Where the machine is so loaded that one
// gets no answer in time, there may be none.
func TestRace(t *testing.T) {
	t.Parallel()
	start := time.Now()
	nodes := openAll(t, configs(t, 3))
	t.Logf("ready after %v", time.Since(start))
	patient(t, nodes[0])
	const keys = 500
	var mu sync.Mutex
	first, unanswered := make(map[string]int), make(map[string]bool)
	var all sync.WaitGroup
	for _, n := range nodes[:2] {
		for w := range 8 {
			all.Go(func() {
				for i := w; i < keys; i += 8 {
					key := fmt.Sprint(i)
					a := n.Claim(t.Context(), claimOf(key))
					mu.Lock()
					if a.Verdict == fleetlink.First {
						first[key]++
					}
					unanswered[key] = unanswered[key] || a.Verdict == fleetlink.Unavailable
					mu.Unlock()
					if a.Verdict == fleetlink.Unavailable {
						wait.Until(wait.Timeout, func() bool { return unavailable(n) == "" })
					}
				}
			})
		}
	}
	all.Wait()
	for i := range keys {
		if key := fmt.Sprint(i); first[key] > 1 || first[key] == 0 && !unanswered[key] {
			t.Errorf("%d: %d times", i, first[key])
		}
	}
	if len(first) < keys/2 {
		t.Errorf("%d of %d are claimed", len(first), keys)
	}
}

func leader(n *Node) string {
	for _, m := range n.Status().Members {
		if m.Leader {
			return m.Name
		}
	}
	return ""
}

func TestLeaderStops(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, configs(t, 3))
	patient(t, nodes[0])
	if a := nodes[0].Claim(t.Context(), claimOf("old")); a.Verdict != fleetlink.First {
		t.Fatal(a)
	}
	name := leader(nodes[0])
	var rest []*Node
	for _, n := range nodes {
		if n.cfg.Name == name {
			n.Close()
		} else {
			rest = append(rest, n)
		}
	}
	if len(rest) != 2 {
		t.Fatalf("leader %q", name)
	}
	stopped := time.Now()
	for i := 0; ; i++ {
		if a := rest[0].Claim(t.Context(), claimOf(fmt.Sprint("new", i))); a.Verdict == fleetlink.First {
			break
		} else if time.Since(stopped) > wait.Timeout {
			t.Fatal(a)
		}
	}
	t.Logf("back after %v", time.Since(stopped))
	ready(t, rest[1])
	for _, n := range rest {
		if a := n.Claim(t.Context(), claimOf("old")); a.Verdict != fleetlink.Taken {
			t.Errorf("%s: the old one: %+v", n.cfg.Name, a)
		}
	}
}
