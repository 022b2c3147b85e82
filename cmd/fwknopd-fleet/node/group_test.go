package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

// announcementOf returns what a gateway announces of a message that it has claimed.
func announcementOf(text string, life time.Duration) fleetlink.Announcement {
	now := time.Now().UTC()
	return fleetlink.Announcement{Payload: text, Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"),
		Proto: 17, At: now, Digest: sha256.Sum256([]byte(text)), End: now.Add(life)}
}

// hear collects what a node hears, until the test ends.
func hear(t testing.TB, n *Node) <-chan fleetlink.Heard {
	t.Helper()
	ch := make(chan fleetlink.Heard, 10000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.Hear(ctx, func(h fleetlink.Heard) error { ch <- h; return nil })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ch
}

func next(t testing.TB, ch <-chan fleetlink.Heard) fleetlink.Heard {
	t.Helper()
	select {
	case h := <-ch:
		return h
	case <-time.After(wait.Timeout):
		t.Fatal("nothing was heard")
	}
	return fleetlink.Heard{}
}

func none(t testing.TB, ch <-chan fleetlink.Heard) {
	t.Helper()
	select {
	case h := <-ch:
		t.Errorf("heard %q of %s", h.Payload, h.By)
	default:
	}
}

// ofGroup returns members of which all but the last are of a group.
func ofGroup(t testing.TB, n int) []fleetlink.Config {
	list := configs(t, n)
	for i := range list {
		list[i].Since = time.Now().Add(-time.Second)
		if i < n-1 {
			list[i].Group = "edge"
		}
	}
	return list
}

// claimed has a node claim a message and announce it.
func claimed(t testing.TB, n *Node, text string, life time.Duration) {
	t.Helper()
	claim(t, n, text)
	n.Announce(announcementOf(text, life))
}

// claim claims a message, again where the fleet has no leader, as on a busy machine: a claim without an answer may
// have been stored.
func claim(t testing.TB, n *Node, text string) {
	t.Helper()
	c, a := claimOf(text), fleetlink.Answer{}
	decided := wait.Until(wait.Timeout, func() bool {
		a = n.Claim(t.Context(), c)
		return a.Verdict != fleetlink.Unavailable
	})
	if !decided || a.Verdict != fleetlink.First && a.By != n.cfg.Name {
		t.Fatalf("%s: %+v", text, a)
	}
}

// TestGroup: what one gateway announces the others of the group hear, with who has claimed it; itself
// and one out of the group hear nothing. Forged announcements are heard under the name of their subject
// with the claim as it is stored.
func TestGroup(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, ofGroup(t, 4))
	patient(t, nodes[0])
	heard := make([]<-chan fleetlink.Heard, len(nodes))
	for i, n := range nodes {
		heard[i] = hear(t, n)
	}
	var took []time.Duration
	for i := range 20 {
		text := fmt.Sprint("message ", i)
		begin := time.Now()
		claimed(t, nodes[0], text, time.Minute)
		for _, ch := range heard[1:3] {
			if h := next(t, ch); h.By != "gw1" || h.Holder != "gw1" || h.Payload != text || time.Since(h.Claimed).Abs() > time.Minute {
				t.Errorf("heard %+v", h)
			}
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("claimed, announced and heard by two within %v (median)", took[len(took)/2])
	none(t, heard[0])
	none(t, heard[3])

	forge := func(subject string, a fleetlink.Announcement) {
		text, err := codec.Encode(nil, a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nodes[1].js.Publish(t.Context(), subject, text); err != nil {
			t.Fatal(err)
		}
	}
	forge("fwknop.announced.edge.gw2", announcementOf("message 1", time.Minute))
	if h := next(t, heard[2]); h.By != "gw2" || h.Holder != "gw1" {
		t.Errorf("another's message: %+v", h)
	}
	forge("fwknop.announced.edge.gw2", announcementOf("of no claim", time.Minute))
	if h := next(t, heard[2]); h.By != "gw2" || h.Holder != "" || !h.Claimed.IsZero() {
		t.Errorf("unclaimed: %+v", h)
	}
	forge("fwknop.announced.edge.stranger", announcementOf("message 2", time.Minute))
	forge("fwknop.announced.other.gw2", announcementOf("message 2", time.Minute))
	forge("fwknop.announced.edge.gw2", announcementOf("ended", time.Nanosecond))
	bad := announcementOf("bad", time.Minute)
	bad.End = bad.At
	forge("fwknop.announced.edge.gw2", bad)
	if _, err := nodes[1].js.Publish(t.Context(), "fwknop.announced.edge.gw2", []byte("junk")); err != nil {
		t.Fatal(err)
	}
	claimed(t, nodes[1], "the last", time.Minute)
	if h := next(t, heard[2]); h.Payload != "the last" {
		t.Errorf("heard %+v", h)
	}
}

// TestFlood: what one gateway announces too much keeps no other's waiting.
func TestFlood(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, ofGroup(t, 4))
	patient(t, nodes[0])
	heard := hear(t, nodes[0])
	for i := range 3 * maxAnnounced {
		text, _ := codec.Encode(nil, announcementOf(fmt.Sprint("flood ", i), time.Minute))
		if _, err := nodes[1].js.PublishAsync("fwknop.announced.edge.gw2", text); err != nil {
			t.Fatal(err)
		}
		if i%500 == 499 {
			<-nodes[1].js.PublishAsyncComplete()
		}
	}
	begin := time.Now()
	claimed(t, nodes[2], "honest", time.Minute)
	floods := 0
	for h := next(t, heard); h.By != "gw3"; h = next(t, heard) {
		floods++
	}
	if limit := heardBurst + int(heardRate*time.Since(begin).Seconds()) + 200; floods > limit {
		t.Errorf("%d of a flood were heard, want at most %d", floods, limit)
	}
	t.Logf("an honest one is heard after %v, %d of the flood before it", time.Since(begin), floods)
	s, err := nodes[0].announcements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("fwknop.announced.edge.*")); err != nil || info.State.Subjects["fwknop.announced.edge.gw2"] > maxAnnounced || info.State.Subjects["fwknop.announced.edge.gw3"] != 1 {
		t.Errorf("stored: %v, %v", info.State.Subjects, err)
	}
}

// TestElection: what is announced while there is no leader is published when there is one, and a gateway
// hears it that had no link to it, if its grant has not ended.
func TestElection(t *testing.T) {
	t.Parallel()
	list := ofGroup(t, 3)
	list[2].Group = "edge"
	nodes := openAll(t, list)
	patient(t, nodes[0])
	claimed(t, nodes[0], "before", time.Minute)
	if h := next(t, hear(t, nodes[1])); h.Payload != "before" {
		t.Fatal(h)
	}
	claim(t, nodes[0], "claimed before")
	nodes[1].Close()
	nodes[2].Close()
	nodes[0].Announce(announcementOf("ended meanwhile", time.Millisecond))
	nodes[0].Announce(announcementOf("claimed before", time.Minute))
	wait.For(t, "the loss of the quorum", func() bool { return unavailable(nodes[0]) != "" })
	again := open(t, list[2], Options{})
	heard := hear(t, again)
	for h := next(t, heard); h.Payload != "claimed before"; h = next(t, heard) {
		if h.Payload != "before" || h.Holder != "gw1" {
			t.Errorf("heard %+v", h)
		}
	}
	ready(t, nodes[0])
}

// TestOrders: orders and answers pass between members with their signatures, a witness answers by itself,
// and what is forged, too long, or of another purpose passes nowhere.
func TestOrders(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	list[2].Witness = true
	type said struct {
		name string
		text []byte
	}
	orders, dones := make(chan said, 100), make(chan said, 100)
	a := open(t, list[0], Options{HeardDone: func(by string, text []byte) { dones <- said{by, text} }})
	b := open(t, list[1], Options{HeardOrder: func(from string, text []byte) { orders <- said{from, text} }})
	open(t, list[2], Options{})
	order := fleetlink.Order{From: "gw1", Serial: 7, At: time.Now().Round(0).UTC(), Stanza: "alice"}
	text, err := a.orders.signer.Order(order)
	if err != nil {
		t.Fatal(err)
	}
	var got said
	wait.For(t, "the order to be heard", func() bool {
		a.Order(text)
		select {
		case got = <-orders:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	if o, err := b.orders.signer.ReadOrder(got.name, got.text); err != nil || o != order {
		t.Errorf("%+v, %v", o, err)
	}
	answer, err := b.orders.signer.Done(fleetlink.Done{By: "gw2", From: "gw1", Serial: 7, Closed: 2})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]fleetlink.Done)
	wait.For(t, "the answers of both", func() bool {
		a.Order(text) // again, as the third member may have been late
		b.Done(answer)
		select {
		case got := <-dones:
			d, err := a.orders.signer.ReadDone(got.name, got.text)
			if err != nil {
				t.Fatal(err)
			}
			seen[d.By] = d
		case <-time.After(50 * time.Millisecond):
		}
		return len(seen) == 2
	})
	if seen["gw2"].Closed != 2 || seen["gw3"].Serial != 7 {
		t.Errorf("answers %+v", seen)
	}
	for len(orders) > 0 {
		<-orders
	}
	// gw3 has the key of gw3 alone, and every subject.
	forger, err := fleetlink.NewSigner(&list[2])
	if err != nil {
		t.Fatal(err)
	}
	forged, err := forger.Order(order)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{forged, text[:len(text)-1], answer, make([]byte, fleetlink.MaxSigned+1), nil} {
		_ = a.nc.Publish(orderSubjects+"gw1", text)
		_ = a.nc.Publish(orderSubjects+"gw3", text)
	}
	last := order
	last.Serial++
	text, err = a.orders.signer.Order(last)
	if err != nil {
		t.Fatal(err)
	}
	a.Order(text)
	for passed := (fleetlink.Order{}); passed != last; {
		select {
		case got := <-orders:
			if passed, err = b.orders.signer.ReadOrder(got.name, got.text); err != nil || got.name != "gw1" {
				t.Fatalf("a forged order passes: %v", err)
			}
		case <-time.After(wait.Timeout):
			t.Fatal("an order does not pass any more")
		}
	}
}

// TestHeardAgain: what had not been passed on when the worker's link ended is heard by the next one.
func TestHeardAgain(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, ofGroup(t, 3))
	patient(t, nodes[0])
	claimed(t, nodes[0], "a", time.Minute)
	ended := errors.New("the link has ended")
	if err := nodes[1].Hear(t.Context(), func(fleetlink.Heard) error { return ended }); !errors.Is(err, ended) {
		t.Fatal(err)
	}
	if h := next(t, hear(t, nodes[1])); h.Payload != "a" {
		t.Errorf("heard %+v", h)
	}
}

// TestAnnouncementsAnew: a stream that was removed and made again is heard from its beginning, and one with
// the wrong settings is named.
func TestAnnouncementsAnew(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2")
	list := []fleetlink.Config{outsideConfig("gw1", address), outsideConfig("gw2", address), outsideConfig("gw2", address)}
	for i := range list {
		list[i].Group, list[i].Since = "edge", time.Now().Add(-time.Second)
	}
	nodes := openAll(t, list[:2])
	patient(t, nodes[0])
	heard := hear(t, nodes[1])
	for _, text := range []string{"a", "b", "c"} {
		claimed(t, nodes[0], text, time.Minute)
		next(t, heard)
	}
	admin, err := nats.Connect("nats://admin:admin@" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), announceStream); err != nil {
		t.Fatal(err)
	}
	text, err := codec.Encode(nil, announcementOf("a", time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), announceConfig); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		t.Fatal(err) // but if a gateway was faster
	}
	if _, err := js.Publish(t.Context(), announceSubjects+"edge.gw1", text); err != nil {
		t.Fatal(err)
	}
	if h := next(t, heard); h.Payload != "a" {
		t.Errorf("heard %+v", h)
	}

	wrong := announceConfig
	wrong.Storage = jetstream.MemoryStorage
	wait.For(t, "a stream with the wrong settings", func() bool { // a gateway may be faster, with the right ones
		if err := js.DeleteStream(t.Context(), announceStream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Fatal(err)
		}
		_, err := js.CreateStream(t.Context(), wrong)
		return err == nil
	})
	said := make(chan string, 100)
	n, err := Open(list[2], Options{Log: func(text string) { said <- text }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	hear(t, n)
	for late := time.After(wait.Timeout); ; {
		select {
		case text := <-said:
			if strings.Contains(text, "announcements of the group are not heard: stream fwknop_announced has the wrong settings: storage") {
				return
			}
		case <-late:
			t.Fatal("the wrong settings are not said")
		}
	}
}

// TestForeseenAnnouncement: a gateway that publishes first under any id that can be foreseen keeps no
// announcement of another one from being heard.
func TestForeseenAnnouncement(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, ofGroup(t, 4))
	patient(t, nodes[0])
	heard := hear(t, nodes[2])
	wait.For(t, "the stream", func() bool { _, err := nodes[1].announcements(t.Context()); return err == nil })
	a := announcementOf("a", time.Minute)
	for _, id := range []string{base64.RawURLEncoding.EncodeToString(a.Digest[:]), "gw1"} {
		if _, err := nodes[1].js.Publish(t.Context(), announceSubjects+"edge.gw2", []byte("junk"), jetstream.WithMsgID(id)); err != nil {
			t.Fatal(err)
		}
	}
	nodes[0].Announce(a)
	if h := next(t, heard); h.By != "gw1" {
		t.Errorf("heard %+v", h)
	}
}
