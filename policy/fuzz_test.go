package policy

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// Whoever has a key may send whatever plaintext he likes, with a right digest and
// all. It opens nothing that the stanza does not offer.
func FuzzHostilePlaintext(f *testing.F) {
	for _, fields := range []string{
		"3.0.0:1|192.0.2.7,tcp/22", "1.9.12:1|192.0.2.7,tcp/22", "3.0.0:1|0.0.0.0,tcp/22", "3.0.0:1|::,tcp/22,udp/53",
		"3.0.0:2|192.0.2.7,tcp/22|10.0.0.5,8022", "1.9.12:2|192.0.2.7,tcp/22|10.0.0.5,55000", "3.0.0:5|192.0.2.7,tcp/22|198.51.100.1,22",
		"3.0.0:0|192.0.2.7,id;reboot", "3.0.0:1|192.0.2.7,tcp/22,tcp/23", "3.0.0:1|192.0.2.7,tcp/022", "3.0.0:1|1.2.3.4.5,tcp/22",
		"3.0.0:1|::ffff:192.0.2.7,tcp/22", "3.0.0:1|fe80::1%eth0,tcp/22", "3.0.0:1|255.255.255.255,tcp/22",
		"3.0.0:1|192.0.2.7,tcp/22;id", "3.0.0:1|192.0.2.7,tcp,22", "3.0.0:2|192.0.2.7,tcp/22|127.0.0.1,22",
	} {
		f.Add(fields, uint32(60))
	}
	s := plain()
	s.server.Forwarding, s.server.LocalNAT = true, true
	inside := nets("10.0.0.0/8", "!10.0.0.9/32")
	s.one().InternalNets = inside
	perl := stanzaAt(5)
	perl.Key, perl.Dialect, perl.InternalNets = conf.NewSecret([]byte("key of a 1.9 file")), conf.Perl19, inside
	s.stanzas = append(s.stanzas, perl)
	e := s.engine(f)
	f.Fuzz(func(t *testing.T, text string, timeout uint32) {
		head, rest, _ := strings.Cut(text, "|")
		msg, nat, _ := strings.Cut(rest, "|")
		version, typ, _ := strings.Cut(head, ":")
		m := spa.Message{User: "alice", Time: t0.Unix(), Version: version, Text: msg, NAT: nat, Timeout: timeout, HasTimeout: timeout%2 == 0}
		if len(typ) == 1 {
			m.Type = spa.Type(typ[0] - '0')
		}
		p, err := spa.Plaintext(&m, fmt.Sprintf("%016d", timeout))
		if err != nil {
			return
		}
		for _, st := range s.stanzas {
			key := spa.Key{Passphrase: st.Key.Bytes(), LegacyPad: st.Dialect == conf.Perl19}
			wire, err := spa.Seal(p, key, spa.EncodeOptions{Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			checkHostile(t, s, e.Decide(s.now, s.event(wire)), inside)
		}
	})
}

func checkHostile(t *testing.T, s *situation, d Decision, inside conf.Nets) {
	t.Helper()
	if d.Verdict != Allow {
		if d.Verdict == Deny && d.Reason == "" {
			t.Error("refused without a reason")
		}
		return
	}
	g := d.Grant
	src := g.Src.IsValid() && !g.Src.IsUnspecified() && !g.Src.IsMulticast() && g.Src.Zone() == "" && !g.Src.Is4In6()
	left := g.Expires.Sub(s.now)
	switch {
	case d.Command != nil:
		t.Errorf("runs %q", d.Command.Text)
	case !src:
		t.Errorf("source %v", g.Src)
	case left <= 0 || left > 300*time.Second:
		t.Errorf("for %v", left)
	case g.NAT == nil && !slices.Equal(g.Ports, []enforce.Port{{Proto: 6, Number: 22}}):
		t.Errorf("opens %v", g.Ports)
	case g.NAT != nil && (!inside.Contains(g.NAT.Target.Addr()) || len(g.Ports) != 1):
		t.Errorf("leads %v to %v", g.Ports, g.NAT.Target)
	case g.Dst != (netip.Addr{}) || g.Output || g.All || g.External != nil:
		t.Errorf("grants %+v", g)
	}
}
