package policy

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// respellings are other texts of one packet, of which some open to the same message.
func respellings(text []byte) map[string][]byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	with := func(parts ...string) []byte { return []byte(strings.Join(parts, "")) }
	s := string(text)
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return map[string][]byte{
		"as sent":         slices.Clone(text),
		"one =":           with(s, "="),
		"two =":           with(s, "=="),
		"many =":          with(s, "========"),
		"= inside":        with(s[:40], "=", s[40:]),
		"unused bit":      with(s[:len(s)-1], string(alphabet[last^1])),
		"unused bits":     with(s[:len(s)-1], string(alphabet[last^2])),
		"prefix":          with("U2FsdGVkX1", s),
		"prefix twice":    with("U2FsdGVkX1U2FsdGVkX1", s),
		"prefix of GnuPG": with("hQ", s),
		"newline":         with(s, "\n"),
		"NUL":             with(s, "\x00"),
		"blank before":    with(" ", s),
		"URL alphabet":    with(strings.NewReplacer("+", "-", "/", "_").Replace(s)),
		"twice":           with(s, s),
		"byte more":       with(s, "A"),
	}
}

// carriers are the ways in which a payload may come.
var carriers = map[string]func(s *situation, text []byte) *parse.Event{
	"UDP":  func(s *situation, text []byte) *parse.Event { return s.event(text) },
	"TCP":  func(s *situation, text []byte) *parse.Event { return over(s, parse.TCP, text) },
	"ICMP": func(s *situation, text []byte) *parse.Event { return over(s, parse.ICMP, text) },
	"socket": func(s *situation, text []byte) *parse.Event {
		ev := over(s, parse.UDP, text)
		ev.Origin = parse.OriginSocket
		return ev
	},
	"no transport": func(s *situation, text []byte) *parse.Event {
		ev := over(s, parse.TCP, text)
		ev.Origin, ev.Src = parse.OriginSocket, netip.AddrPortFrom(s.src, 0)
		return ev
	},
	"HTTP": func(s *situation, text []byte) *parse.Event {
		url := strings.NewReplacer("+", "-", "/", "_").Replace(string(text))
		return over(s, parse.TCP, fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nUser-Agent: Fwknop/2.6\r\n\r\n", url))
	},
	"HTTP, standard alphabet": func(s *situation, text []byte) *parse.Event {
		return over(s, parse.TCP, fmt.Appendf(nil, "get /%s HTTP/1.0\r\nUser-Agent: Fwknop\r\n\r\n", text))
	},
	"HTTP over UDP": func(s *situation, text []byte) *parse.Event {
		return s.event(fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nUser-Agent: Fwknop\r\n\r\n", bytes.TrimSpace(text)))
	},
	"another source": func(s *situation, text []byte) *parse.Event {
		ev := s.event(text)
		ev.Src = netip.MustParseAddrPort("203.0.113.66:1")
		return ev
	},
}

func over(s *situation, proto parse.Proto, payload []byte) *parse.Event {
	ev := s.event(payload)
	ev.Proto = proto
	return ev
}

// TestAttackRespellings: a packet is honoured once, whichever of its spellings comes first
// and by whichever way, and in whichever spelling and way it comes again.
func TestAttackRespellings(t *testing.T) {
	for first := range carriers {
		for _, hmac := range []bool{false, true} {
			s := plain()
			s.server.OverHTTP = true
			if hmac {
				s.one().HMACKey, s.key.HMACKey = conf.NewSecret([]byte("an HMAC key")), []byte("an HMAC key")
			}
			e, text := s.engine(t), s.wire(t)
			honoured := 0
			count := func(d Decision) {
				if d.Verdict == Allow {
					honoured++
				}
			}
			count(e.Decide(s.now, carriers[first](s, text)))
			if honoured != 1 {
				t.Errorf("first over %s, HMAC %v: not honoured", first, hmac)
			}
			for _, again := range carriers {
				for _, spelling := range respellings(text) {
					count(e.Decide(s.now, again(s, spelling)))
				}
			}
			if honoured != 1 {
				t.Errorf("first over %s, HMAC %v: honoured %d times", first, hmac, honoured)
			}
		}
	}
}

// TestAttackRespellingFirst: a spelling that an attacker sends before the packet itself
// arrives is the packet, or is refused; together they are honoured once.
func TestAttackRespellingFirst(t *testing.T) {
	for name := range respellings([]byte(strings.Repeat("A", 80))) {
		for way, carry := range carriers {
			s := plain()
			s.server.OverHTTP = true
			e, text := s.engine(t), s.wire(t)
			honoured := 0
			for _, ev := range []*parse.Event{carry(s, respellings(text)[name]), s.event(text), carry(s, respellings(text)[name])} {
				if e.Decide(s.now, ev).Verdict == Allow {
					honoured++
				}
			}
			if honoured != 1 {
				t.Errorf("%s over %s: honoured %d times", name, way, honoured)
			}
		}
	}
}
