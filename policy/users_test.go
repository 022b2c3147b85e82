package policy

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"fwknopd/fixtures/draws"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"

	"pgregory.net/rapid"
)

// users is a configuration with a stanza and keys of its own for each of n users.
func users(n int) *situation {
	s := plain()
	s.stanzas = make([]conf.Stanza, n)
	for i := range s.stanzas {
		s.stanzas[i] = stanzaAt(1 + i)
		s.stanzas[i].Key, s.stanzas[i].HMACKey = conf.NewSecret(userKey(i)), conf.NewSecret(userMAC(i))
	}
	s.is(n - 1)
	return s
}

func userKey(i int) []byte { return fmt.Appendf(nil, "the encryption key of user %05d", i) }
func userMAC(i int) []byte { return fmt.Appendf(nil, "the authentication key of user %05d", i) }

// is makes the client of the situation a user.
func (s *situation) is(user int) {
	s.key.Passphrase, s.key.HMACKey = userKey(user), userMAC(user)
}

// ofNoStanza is an SPA packet with keys of no stanza.
func (s *situation) ofNoStanza(t testing.TB) []byte {
	other := *s
	other.is(99999)
	return other.wire(t)
}

// TestJunkOverManyKeys: a packet that no key opens allocates nothing for any of them,
// whatever kind the keys have, and few refusals are kept.
func TestJunkOverManyKeys(t *testing.T) {
	s := users(1000)
	for i, kind := range []string{"md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"} {
		for j := i; j < 700; j += 7 {
			s.stanzas[j].HMACType = kind
		}
	}
	e, ev := s.engine(t), s.event(s.ofNoStanza(t))
	if d := e.Decide(s.now, ev); d.Reason != SPAHMACMismatch || d.Stanza != 1 {
		t.Fatalf("%s at %d", d.Reason, d.Stanza)
	}
	if n := len(e.Refusals()); n != maxRefused {
		t.Errorf("%d refusals, want %d", n, maxRefused)
	}
	if n := testing.AllocsPerRun(100, func() { e.Decide(s.now, ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Verdict != Allow || d.Stanza != 1000 {
		t.Errorf("the last user: %s", show(d))
	}
}

// BenchmarkUsers: what a packet costs that no stanza opens, by the number of stanzas.
func BenchmarkUsers(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		for _, kind := range []string{"hmac", "no-hmac"} {
			b.Run(fmt.Sprintf("%s/stanzas=%d", kind, n), func(b *testing.B) {
				s := users(n)
				if kind == "no-hmac" {
					for i := range s.stanzas {
						s.stanzas[i].HMACKey = conf.Secret{}
					}
				}
				e, text := s.engine(b), s.ofNoStanza(b)
				if kind == "no-hmac" {
					text = bytes.Clone(text[:len(text)-43]) // without its HMAC
				}
				ev := s.event(text)
				b.ReportAllocs()
				for b.Loop() {
					e.Decide(s.now, ev)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/stanza")
			})
		}
	}
}

// TestFinderIsLinearScan: the index finds the stanzas that match a packet, in file order,
// as a look at each of them does.
func TestFinderIsLinearScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := plain()
		s.stanzas = make([]conf.Stanza, rapid.IntRange(1, 40).Draw(t, "stanzas"))
		for i := range s.stanzas {
			s.stanzas[i] = stanzaAt(i + 1)
			s.stanzas[i].Source, s.stanzas[i].Destination = drawNets(t), drawNets(t)
			if rapid.IntRange(0, 3).Draw(t, "destination") > 0 {
				s.stanzas[i].Destination = conf.Nets{}
			}
			s.stanzas[i].Interface = rapid.SampledFrom([]string{"", "", "eth0", "eth1"}).Draw(t, "interface")
		}
		opts := s.opts
		opts.Server, opts.Access, opts.Store = &s.server, &conf.Access{Stanzas: s.stanzas}, replay.NewMemory(replay.Options{})
		e, err := NewEngine(opts)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			ev := s.event(nil)
			ev.Src, ev.Dst = netip.AddrPortFrom(drawAddr(t), 1), netip.AddrPortFrom(drawAddr(t), 2)
			ev.In = rapid.SampledFrom([][]byte{nil, []byte("eth0"), []byte("eth1")}).Draw(t, "in")
			var want, got []int
			for i := range s.stanzas {
				if st := &s.stanzas[i]; st.Source.Contains(ev.Src.Addr()) && (st.Destination.IsZero() || st.Destination.Contains(ev.Dst.Addr())) &&
					(st.Interface == "" || ev.In == nil || string(ev.In) == st.Interface) {
					want = append(want, i)
				}
			}
			e.cursor.Start(e.finder.Find(ev.Src.Addr(), ev.Dst.Addr()))
			for i, ok := e.cursor.Next(); ok; i, ok = e.cursor.Next() {
				if e.spa[i].matches(ev) == "" {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, want) || e.matchesAny(e.finder.Find(ev.Src.Addr(), ev.Dst.Addr()), ev) != (len(want) > 0) {
				t.Fatalf("from %v to %v in %q: stanzas %v, want %v", ev.Src, ev.Dst, ev.In, got, want)
			}
		}
	})
}

// drawAddr draws an address of few, so that networks meet.
func drawAddr(t *rapid.T) netip.Addr {
	b := func() byte { return rapid.SampledFrom([]byte{0, 1, 128, 255}).Draw(t, "byte") }
	if rapid.IntRange(0, 3).Draw(t, "family") == 0 {
		return netip.AddrFrom16([16]byte{0: 0x20, 1: b(), 7: b(), 15: b()})
	}
	return netip.AddrFrom4([4]byte{10, b(), b(), b()})
}

func drawNets(t *rapid.T) (n conf.Nets) {
	if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
		n.Include = slices.Clone(anyone.Include)
	}
	for range rapid.IntRange(0, 3).Draw(t, "networks") {
		to := &n.Include
		if rapid.IntRange(0, 3).Draw(t, "exception") == 0 {
			to = &n.Exclude
		}
		a := drawAddr(t)
		*to = append(*to, netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked())
	}
	return n
}

// TestUnnamedSource: a packet from an address that no stanza names is tried on no key,
// with one stanza and with thousands; one from a named address on its own stanzas alone.
func TestUnnamedSource(t *testing.T) {
	s := networks(5000)
	e := s.engine(t)
	if n := e.found(s.event(nil)); n != 0 {
		t.Errorf("%d stanzas for a source that none names", n)
	}
	s.src = netip.MustParseAddr("10.0.2.1")
	if n := e.found(s.event(nil)); n != 1 {
		t.Errorf("%d stanzas for a source that one names", n)
	}
	s.is(513)
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Verdict != Allow || d.Stanza != 514 {
		t.Errorf("%s at %d", d.Reason, d.Stanza)
	}
	for i := range s.stanzas { // by DESTINATION
		s.stanzas[i].Source, s.stanzas[i].Destination = anyone, s.stanzas[i].Source
	}
	e = s.engine(t)
	if n := e.found(s.event(nil)); n != 0 {
		t.Errorf("%d stanzas for a destination that none names", n)
	}
}

// found is the number of stanzas that are looked at for a packet.
func (e *Engine) found(ev *parse.Event) int {
	return e.finder.Find(ev.Src.Addr(), ev.Dst.Addr()).Size()
}

// networks is users with a SOURCE of each.
func networks(n int) *situation {
	s := users(n)
	for i := range s.stanzas {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.stanzas[i].Source = conf.Nets{Include: []netip.Prefix{netip.PrefixFrom(a, 32)}}
	}
	return s
}

// BenchmarkUnnamed: what a packet costs whose source no stanza names.
func BenchmarkUnnamed(b *testing.B) {
	for _, n := range []int{1, 50000} {
		b.Run(fmt.Sprintf("stanzas=%d", n), func(b *testing.B) {
			s := networks(n)
			e, ev := s.engine(b), s.event(s.ofNoStanza(b))
			b.ReportAllocs()
			for b.Loop() {
				e.Decide(s.now, ev)
			}
		})
	}
}

// BenchmarkLoad: making the engine of 50,000 stanzas.
func BenchmarkLoad(b *testing.B) {
	s := networks(50000)
	b.ReportAllocs()
	for b.Loop() {
		s.engine(b)
	}
}

// TestShortCutsDecideAlike: what is decided by the form of a packet alone is what a trial
// of every key, as Explain makes it, decides.
func TestShortCutsDecideAlike(t *testing.T) {
	kinds := []string{"md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"}
	reasons := make(map[Reason]int)
	draws.Until(t, missing(reasons, SPAHMACMismatch, SPADecryptFailed, SPAGranted), func(rt *rapid.T) {
		s := users(freeTrials + 2)
		uniform := rapid.IntRange(0, 3).Draw(rt, "uniform") > 0
		kind := rapid.IntRange(0, len(kinds)).Draw(rt, "kind")
		for i := range s.stanzas {
			st := &s.stanzas[i]
			if !uniform && i%9 == 0 {
				kind = rapid.IntRange(0, len(kinds)).Draw(rt, "kind")
			}
			if kind == len(kinds) {
				st.HMACKey = conf.Secret{}
			} else {
				st.HMACType = kinds[kind]
			}
			if i%20 == 1 && rapid.Bool().Draw(rt, "1.9") {
				st.Dialect = conf.Perl19
			}
			st.Shadow = i == 30 && rapid.IntRange(0, 3).Draw(rt, "shadow") == 0
		}
		user := rapid.IntRange(0, len(s.stanzas)-1).Draw(rt, "user")
		s.is(user)
		s.key.HMACType, s.key.HMACKey = s.stanzas[user].HMACType, s.stanzas[user].HMACKey.Bytes()
		text := s.wire(t)
		switch rapid.IntRange(0, 4).Draw(rt, "text") {
		case 0:
			text[rapid.IntRange(0, len(text)-1).Draw(rt, "at")] = 'B'
		case 1:
			text = text[:rapid.IntRange(minPayload, len(text)).Draw(rt, "length")]
		case 2:
			text = append([]byte("U2FsdGVkX1"), text...)
		case 3:
			text = append(text, "=="...)
		}
		e, ev := s.engine(t), s.event(text)
		want := e.Explain(s.now, ev).Decision
		got := e.Decide(s.now, ev)
		reasons[got.Reason]++
		if show(got) != show(want) || len(got.Others) != len(want.Others) {
			rt.Fatalf("decided %s, explained %s", show(got), show(want))
		}
	})
}
