package fleetlink

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// sample is an announcement that passes.
func sample() Announcement {
	return Announcement{Payload: "payload", Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("[2001:db8::1]:62201"),
		Proto: 17, At: at, Digest: [32]byte{1}, End: at.Add(time.Minute)}
}

// A groupStandIn is the fleet process's part in a group.
type groupStandIn struct {
	announced chan Announcement
	heard     chan Heard
}

func (g *groupStandIn) Announce(a Announcement) { g.announced <- a }

func (g *groupStandIn) Hear(ctx context.Context, f func(Heard) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-g.heard:
			if err := f(h); err != nil {
				return err
			}
		}
	}
}

// Announcements pass in both directions as they are.
func TestGroup(t *testing.T) {
	a, b := pair(t)
	s := &groupStandIn{make(chan Announcement, 1), make(chan Heard, 1)}
	served := make(chan error, 1)
	go func() { served <- ServeGroup(t.Context(), b, s) }()
	g := NewGroup(a)
	if !g.Announce(sample()) {
		t.Fatal("no room")
	}
	if got := <-s.announced; got != sample() {
		t.Errorf("%+v", got)
	}
	want := Heard{sample(), "gw2", "gw2", at}
	s.heard <- want
	if got := <-g.Heard(); got != want {
		t.Errorf("%+v", got)
	}
	g.Close()
	<-g.Ended()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// What no honest process says ends the link, on both sides.
func TestHostileGroup(t *testing.T) {
	change := func(f func(*Heard)) Heard {
		h := Heard{sample(), "gw2", "gw2", at}
		f(&h)
		return h
	}
	for name, h := range map[string]Heard{
		"no payload":         change(func(h *Heard) { h.Payload = "" }),
		"a long payload":     change(func(h *Heard) { h.Payload = strings.Repeat("x", MaxPayload+1) }),
		"no source":          change(func(h *Heard) { h.Src = netip.AddrPort{} }),
		"a zone":             change(func(h *Heard) { h.Src = netip.MustParseAddrPort("[fe80::1%eth0]:1") }),
		"mapped":             change(func(h *Heard) { h.Dst = netip.MustParseAddrPort("[::ffff:192.0.2.1]:1") }),
		"another protocol":   change(func(h *Heard) { h.Proto = 47 }),
		"no end":             change(func(h *Heard) { h.End = time.Time{} }),
		"an end too late":    change(func(h *Heard) { h.End = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"an end elsewhere":   change(func(h *Heard) { h.End = h.End.In(time.FixedZone("", 25*3600)) }),
		"a claim elsewhere":  change(func(h *Heard) { h.Claimed = h.Claimed.In(time.FixedZone("", 25*3600)) }),
		"a name":             change(func(h *Heard) { h.By = "GW 2" }),
		"no name":            change(func(h *Heard) { h.By = "" }),
		"a holder":           change(func(h *Heard) { h.Holder = "gw\n2" }),
		"a time of no claim": change(func(h *Heard) { h.Holder = "" }),
		"no time of a claim": change(func(h *Heard) { h.Claimed = time.Time{} }),
	} {
		a, b := pair(t)
		g := NewGroup(a)
		if err := NewLink(b).Send(kindHeard, h); err != nil {
			t.Fatal(err)
		}
		select {
		case <-g.Ended():
		case <-g.Heard():
			t.Errorf("%s: passes", name)
		case <-time.After(wait.Timeout):
			t.Errorf("%s: the link goes on", name)
		}
		if h.Announcement != sample() {
			a, b := pair(t)
			served := make(chan error, 1)
			go func() { served <- ServeGroup(t.Context(), b, &groupStandIn{make(chan Announcement, 1), nil}) }()
			if err := NewLink(a).Send(kindAnnounce, h.Announcement); err != nil {
				t.Fatal(err)
			}
			if err := <-served; err == nil {
				t.Errorf("%s: announced", name)
			}
		}
	}
}

// A worker that is busy loses announcements, and counts them; the fleet process does not wait.
func TestSlowWorker(t *testing.T) {
	a, b := pair(t)
	g := NewGroup(a)
	l := NewLink(b)
	for range maxHeard + 50 {
		if err := l.Send(kindHeard, Heard{sample(), "gw2", "gw2", at}); err != nil {
			t.Fatal(err)
		}
	}
	wait.For(t, "the loss to be counted", func() bool { return g.lost.Load() == 50 })
}

// signers are those of three members.
func signers(t testing.TB) map[string]*Signer {
	t.Helper()
	all := make(map[string]*Signer)
	pins := make(map[string]string)
	for _, name := range []string{"gw1", "gw2", "gw3"} {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(spki)
		pins[name] = base64.RawURLEncoding.EncodeToString(sum[:])
		all[name] = &Signer{key: private, spki: string(spki), pins: pins}
	}
	return all
}

// An order is taken from the gateway that has signed it, as an order, and as it was; likewise an answer.
func TestSignatures(t *testing.T) {
	all := signers(t)
	o := Order{From: "gw1", Serial: 1, At: at, Src: netip.MustParsePrefix("192.0.2.0/24"), Port: enforce.Port{Proto: 6, Number: 22}, Stanza: "alice"}
	text, err := all["gw1"].Order(o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := all["gw2"].ReadOrder("gw1", text); err != nil || got != o {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := all["gw2"].ReadOrder("gw3", text); err == nil {
		t.Error("taken from another")
	}
	if _, err := all["gw2"].ReadDone("gw1", text); err == nil {
		t.Error("an order is an answer")
	}
	forged, _ := all["gw3"].Order(o)
	for name, text := range map[string][]byte{
		"of another key": forged, "cut": text[:len(text)-1], "none": nil, "long": make([]byte, MaxSigned+1),
		"of no key": unsigned(t, o), "of a name that is none": must(all["gw1"].Order(Order{From: "gw9", Serial: 1})),
	} {
		if _, err := all["gw2"].ReadOrder("gw1", text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for i := range text {
		bad := append([]byte(nil), text...)
		bad[i] ^= 1
		if got, err := all["gw2"].ReadOrder("gw1", bad); err == nil {
			t.Fatalf("changed at %d: %+v", i, got)
		}
	}
	d := Done{By: "gw2", From: "gw1", Serial: 1, Closed: 3}
	if got, err := all["gw1"].ReadDone("gw2", must(all["gw2"].Done(d))); err != nil || got != d {
		t.Errorf("%+v, %v", got, err)
	}
	outside := new(Signer)
	if got, err := outside.ReadOrder("gw1", must(outside.Order(o))); err != nil || got != o {
		t.Errorf("outside: %+v, %v", got, err)
	}
	if _, err := outside.ReadOrder("gw2", must(outside.Order(o))); !errors.Is(err, errSigner) {
		t.Errorf("outside, of another subject: %v", err)
	}
}

// unsigned is an order without a signature.
func unsigned(t testing.TB, o Order) []byte {
	t.Helper()
	return must(new(Signer).Order(o))
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

// FuzzHeard: what passes has one encoding, and is bounded.
func FuzzHeard(f *testing.F) {
	f.Add(must(codec.Encode(nil, Heard{sample(), "gw2", "gw2", at})))
	f.Add(must(codec.Encode(nil, Heard{Announcement: sample(), By: "gw2"})))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h Heard
		if codec.Decode(text, &h) != nil || h.Check() != nil {
			return
		}
		if len(h.Payload) > MaxPayload || len(h.By) > 63 || len(h.Holder) > 63 {
			t.Errorf("%+v", h)
		}
	})
}

// FuzzOrder: what is read without a key is an order that can be.
func FuzzOrder(f *testing.F) {
	f.Add(must(new(Signer).Order(Order{From: "gw1", Serial: 1, At: at})))
	f.Add(must(new(Signer).Done(Done{By: "gw1", From: "gw2"})))
	f.Fuzz(func(t *testing.T, text []byte) {
		if o, err := new(Signer).ReadOrder("gw1", text); err == nil && (o.From != "gw1" || o.Check() != nil) {
			t.Errorf("%+v", o)
		}
		if d, err := new(Signer).ReadDone("gw1", text); err == nil && (d.By != "gw1" || d.Check() != nil) {
			t.Errorf("%+v", d)
		}
	})
}
