package node

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

func TestMain(m *testing.M) { fleetlab.Main(m) }

func outsideConfig(name, address string) fleetlink.Config {
	return fleetlink.Config{Name: name, Servers: []string{"nats://" + name + ":" + name + "@" + address}, MaxAge: testAge}
}

// TestOutside: two gateways with the permissions of FLEET.md claim in an outside server, and what belongs to
// the other is denied.
func TestOutside(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	nodes := openAll(t, []fleetlink.Config{outsideConfig("gw1", address), outsideConfig("gw2", address)})
	patient(t, nodes[0])
	if a := nodes[0].Claim(t.Context(), claimOf("a")); a.Verdict != fleetlink.First {
		t.Fatalf("%+v", a)
	}
	if a := nodes[1].Claim(t.Context(), claimOf("a")); a.Verdict != fleetlink.Taken || a.By != "gw1" {
		t.Errorf("%+v", a)
	}
	wait.For(t, "each to hear of the other", func() bool { s := nodes[0].Status(); return len(s.Members) == 2 && s.Members[1].Connected })

	var denied atomic.Int32
	nc, err := nats.Connect("nats://gw1:gw1@"+address, nats.CustomInboxPrefix(inboxPrefix+"gw1"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				denied.Add(1)
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{aliveSubject + "gw2", probeKeys + "gw2", "$JS.API.STREAM.DELETE." + streamName, "$JS.API.STREAM.PURGE." + streamName,
		"$JS.API.STREAM.UPDATE." + streamName, "$JS.API.STREAM.MSG.DELETE." + streamName} {
		if err := nc.Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nc.SubscribeSync(inboxPrefix + "gw2.>"); err != nil {
		t.Fatal(err)
	}
	wait.For(t, "all to be denied", func() bool { return denied.Load() == 7 })
}

// TestWrongSettings: a bucket that forgets, or that cannot end claims, is refused with the reason.
func TestWrongSettings(t *testing.T) {
	for want, change := range map[string]func(*jetstream.StreamConfig){
		"NATS 2.11.10":   func(c *jetstream.StreamConfig) { c.AllowMsgTTL, c.SubjectDeleteMarkerTTL = false, 0 },
		"leaves no mark": func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = 0 },
		"storage":        func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"want of room":   func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"per_subject":    func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"max_age":        func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"allow_direct":   func(c *jetstream.StreamConfig) { c.AllowDirect = true },
	} {
		c := bucketConfig(testAge)
		same := c
		change(&c)
		if err := differs(c, same); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestOutsideGroup: with the permissions of FLEET.md gateways of a group hear each other in an outside
// server, and none can announce or order as another.
func TestOutsideGroup(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	list := []fleetlink.Config{outsideConfig("gw1", address), outsideConfig("gw2", address)}
	for i := range list {
		list[i].Group, list[i].Since = "edge", time.Now().Add(-time.Second)
	}
	ordered := make(chan string, 10)
	nodes := []*Node{open(t, list[0], Options{}), open(t, list[1], Options{HeardOrder: func(from string, _ []byte) { ordered <- from }})}
	ready(t, nodes[0])
	ready(t, nodes[1])
	patient(t, nodes[0])
	heard := hear(t, nodes[1])
	claimed(t, nodes[0], "a", time.Minute)
	if h := next(t, heard); h.By != "gw1" || h.Holder != "gw1" {
		t.Errorf("%+v", h)
	}
	order, err := nodes[0].orders.signer.Order(fleetlink.Order{From: "gw1", Serial: 1, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].Order(order)
	select {
	case from := <-ordered:
		if from != "gw1" {
			t.Error(from)
		}
	case <-time.After(wait.Timeout):
		t.Error("no order is heard")
	}
	var denied atomic.Int32
	nc, err := nats.Connect("nats://gw1:gw1@"+address, nats.CustomInboxPrefix(inboxPrefix+"gw1"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { denied.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{"fwknop.announced.edge.gw2", "fwknop.announced.other.gw1", "fwknop.revoke.gw2", "fwknop.revoked.gw2",
		"$JS.API.STREAM.PURGE." + announceStream, "$JS.API.STREAM.UPDATE." + announceStream} {
		if err := nc.Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	wait.For(t, "all to be denied", func() bool { return denied.Load() == 6 })
}

// TestClaimsStay: a gateway with the permissions of FLEET.md can have the claim of another one neither
// removed nor end sooner, and having all removed gets it nothing.
func TestClaimsStay(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	n := openAll(t, []fleetlink.Config{outsideConfig("gw2", address)})[0]
	patient(t, n)
	nc, err := nats.Connect("nats://gw1:gw1@"+address, nats.CustomInboxPrefix(inboxPrefix+"gw1"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	publish := func(c fleetlink.Claim, h nats.Header) {
		if answer, err := nc.RequestMsg(&nats.Msg{Subject: claimKey(c), Header: h}, wait.Timeout); err != nil || strings.Contains(string(answer.Data), "error") {
			t.Errorf("%v: %v", h, err)
		}
	}
	list := []nats.Header{{}, {"Nats-TTL": {"1s"}}, {"Nats-TTL": {"1s"}, "KV-Operation": {"PURGE"}}, {"Nats-TTL": {"1s"}, "Nats-Marker-Reason": {"MaxAge"}},
		{"Nats-TTL": {"1s"}, "Nats-Marker-Reason": {"Remove"}, "Nats-Rollup": {"sub"}}}
	use, _ := n.claims.current()
	for i, h := range list {
		c := claimOf(fmt.Sprint(i))
		if a := n.Claim(t.Context(), c); a.Verdict != fleetlink.First {
			t.Fatalf("%+v", a)
		}
		publish(c, h)
		m, err := use.bucket.GetLastMsgForSubject(t.Context(), claimKey(c))
		if ttl := m.Header.Get("Nats-TTL"); err != nil || ttl != "" && ttl != fmt.Sprint(lifetime(testAge).Seconds()) {
			t.Errorf("in the place of a claim: %v, %v", m.Header, err)
		}
	}
	publish(claimOf("the last"), nats.Header{"Nats-Rollup": {"all"}})
	for i := range list {
		if a := n.Claim(t.Context(), claimOf(fmt.Sprint(i))); a.Verdict == fleetlink.First {
			t.Errorf("claimed again: %d", i)
		}
	}
}

// TestServers: servers on which claims do not stay are refused. That they do from the least release on is what
// TestClaimsStay shows with FWKNOPD_NATS_SERVER, which names the program of one.
func TestServers(t *testing.T) {
	for version, refused := range map[string]bool{
		"": false, "2.11.10": false, "2.12.0": false, "2.15.3": false, "2.14.0-RC.1": false, "3.0.0": false,
		"2.11.9": true, "2.11.0": true, "2.10.29": true, "1.99.99": true, "v2": true, "latest": true,
	} {
		if err := checkServer(version); (err != nil) != refused {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// TestNotPermitted: a gateway to which the cluster denies something says what.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	cfg := outsideConfig("gw1", fleetlab.Outside(t, "gw1"))
	cfg.Name = "gw2" // whose subjects are not permitted to the user gw1
	n := open(t, cfg, Options{})
	wait.For(t, "the reason", func() bool {
		return strings.Contains(unavailable(n), "has not permitted: nats: permissions violation: Permissions Violation for ")
	})
}

// TestTwins: two gateways of one name, which hear nothing of each other, say so; each claims for all that.
func TestTwins(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	said := make(chan string, 100)
	n, err := Open(outsideConfig("gw1", address), Options{Log: func(text string) { said <- text }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	list := openAll(t, []fleetlink.Config{outsideConfig("gw1", address), outsideConfig("gw2", address)})
	select {
	case text := <-said:
		if !strings.Contains(text, "another gateway of the fleet is called gw1 too") {
			t.Error(text)
		}
	case <-time.After(wait.Timeout):
		t.Error("nothing is said")
	}
	if s := n.Status(); !s.Members[0].Twin || !s.Quorum {
		t.Errorf("%+v", s)
	}
	if s := list[1].Status(); s.Members[1].Twin {
		t.Errorf("alone: %+v", s)
	}
}
