package policy

import (
	"bytes"
	"fmt"
	"testing"

	"fwknopd/policy/conf"
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
