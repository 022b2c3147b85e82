package knock

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

func TestRepeats(t *testing.T) {
	const (
		pass  = "copied"
		end   = "other"
		maybe = "alike"
	)
	names := map[similarity]string{duplicate: pass, different: end, similar: maybe}
	for _, c := range []struct {
		name, first, second, want string
	}{
		{"logged twice", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=5", pass},
		{"SYN sent again", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=6", pass},
		{"a few more", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=13", pass},
		{"too many", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=14", end},
		{"backwards", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=4", end},
		{"the counter wraps", "tcp/1 sport=9 id=65535", "tcp/1 sport=9 id=0", pass},
		{"SYNs without identification", "tcp/1 sport=9 id=0", "tcp/1 sport=9 id=0", pass},
		{"ECN given up", "tcp/1 sport=9 id=5 flags=194", "tcp/1 sport=9 id=6 flags=2", pass},
		{"another connection", "tcp/1 sport=9 id=5", "tcp/1 sport=10 id=6", end},
		{"another port", "tcp/1 sport=9 id=5", "tcp/2 sport=9 id=6", end},
		{"another protocol", "tcp/1 sport=9 id=5", "udp/1 sport=9 id=5", end},
		{"whatever the sequence number", "tcp/1 sport=9 id=5 seq=1", "tcp/1 sport=9 id=5 seq=2", pass},
		{"not a SYN", "tcp/1 sport=9 id=5 flags=16", "tcp/1 sport=9 id=6 flags=16", end},
		{"not a SYN, logged twice", "tcp/1 sport=9 id=5 flags=16", "tcp/1 sport=9 id=5 flags=16", pass},
		{"other flags", "tcp/1 sport=9 id=5", "tcp/1 sport=9 id=5 flags=4", end},
		{"SYN+ACK is no SYN", "tcp/1 sport=9 id=5 flags=18", "tcp/1 sport=9 id=6 flags=18", end},
		{"UDP logged twice", "udp/1 sport=9 id=5", "udp/1 sport=9 id=5", pass},
		{"UDP, the next", "udp/1 sport=9 id=5", "udp/1 sport=9 id=6", end},
		{"UDP without identification", "udp/1 sport=9 id=0", "udp/1 sport=9 id=0", maybe},
		{"echo logged twice", "icmp id=5", "icmp id=5", pass},
		{"the next echo", "icmp id=5", "icmp id=6", end},
		{"reply to it", "icmp id=5", "icmp type=0 id=5", end},
		{"in time", "tcp/1 sport=9 id=5", "127 tcp/1 sport=9 id=5", pass},
		{"too late", "tcp/1 sport=9 id=5", "127.1 tcp/1 sport=9 id=5", end},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w wire
			knockIn := func(text string) *knock {
				ev := w.packet(text)
				p, _ := knockOf(ev)
				return &knock{ev: ev, addr: alice, port: p, at: ev.Time}
			}
			var s source
			s.record(knockIn(c.first))
			if got := names[s.compare(knockIn(c.second))]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRepeatsPassedOver(t *testing.T) {
	for _, c := range []struct {
		name, sequence, packets, want string
	}{
		{"a knock sent again", "tcp/1 tcp/2", "tcp/1 sport=9 id=5; tcp/1 sport=9 id=6; tcp/1 sport=9 id=7; tcp/2", "4 " + opened},
		{"sent again after the next", "tcp/1 tcp/2 tcp/3", "tcp/1 sport=9 id=5; tcp/2; tcp/1 sport=9 id=6; tcp/3", "4 " + opened},
		{"as Linux 6.18 sends a SYN that is not answered", "tcp/7000 tcp/7001",
			"0 tcp/7000 sport=41712 id=31260; 1 tcp/7000 sport=41712 id=31261; 2 tcp/7000 sport=41712 id=31262;" +
				"3 tcp/7000 sport=41712 id=31263; 4 tcp/7000 sport=41712 id=31264; 5 tcp/7001", "6 " + opened},
		{"every record twice", "tcp/1 udp/2 icmp",
			"tcp/1 sport=9 id=1; tcp/1 sport=9 id=1; udp/2 sport=9 id=2; udp/2 sport=9 id=2; icmp id=3; icmp id=3", "5 " + opened},
		{"one port: no second grant", "tcp/1", "tcp/1 sport=9 id=5; tcp/1 sport=9 id=6; tcp/1", "1 " + opened + "\n3 " + opened},
		{"one knock is not two", "tcp/1 tcp/1", "tcp/1 sport=9 id=5; tcp/1 sport=9 id=6; tcp/1", "3 " + opened},
		{"the copy of what ended an attempt begins none", "tcp/1 tcp/2",
			"tcp/1 sport=8 id=100; tcp/1 sport=9 id=5; tcp/1 sport=9 id=6; tcp/2", "2 knock.wrong_port"},
		{"datagrams without identification", "udp/1 udp/2",
			"udp/1 sport=9 id=0; udp/1 sport=9 id=0; udp/2 sport=9 id=0; udp/2 sport=9 id=0", "3 " + opened},
		{"which may be waited for", "udp/1 udp/1", "udp/1 sport=9 id=0; udp/1 sport=9 id=0", "2 " + opened},
		{"a new connection ends it", "tcp/1 tcp/2 tcp/3", "tcp/1; tcp/2; tcp/2; tcp/3", "3 knock.wrong_port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := New(Options{Stanzas: []conf.Stanza{shared(c.sequence)}})
			expect(t, play(tr, strings.Split(c.packets, ";")...), c.want)
		})
	}
}

func TestRepeatInEncrypted(t *testing.T) {
	s := encrypted("key")
	knocks := knocksFor(&s, encrypt(passphrase(&s), salt(0), clearText("192.0.2.99", "tcp/443", "")), "")
	packets := append([]string{knocks[0] + " sport=9 id=5", knocks[0] + " sport=9 id=6"}, knocks[1:]...)
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	expect(t, play(tr, packets...), "33 knock.granted 192.0.2.99 tcp/22,tcp/443 5m0s")
	if got := tr.Counts().Repeats; got != 1 {
		t.Errorf("%d repeats", got)
	}
}

// Copies open nothing and break nothing: with any records written again, the same
// is decided as without.
func TestRepeatsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stanzas := []conf.Stanza{shared("tcp/1 tcp/2 tcp/1"), shared("udp/2 icmp tcp/1"), shared("tcp/3")}
		stanzas[0].KnockLimit = 2
		var w wire
		var events, again []*parse.Event
		knock := rapid.SampledFrom([]string{"tcp/1", "tcp/2", "tcp/3", "udp/2", "icmp"})
		for range rapid.IntRange(1, 40).Draw(t, "packets") {
			ev := w.packet(knock.Draw(t, "packet"))
			events, again = append(events, ev), append(again, ev)
			for range rapid.IntRange(0, 2).Draw(t, "copies") {
				cp := *again[len(again)-1]
				if cp.Flags == parse.SYN && rapid.Bool().Draw(t, "resent") {
					cp.ID++
				}
				again = append(again, &cp)
			}
		}
		once, twice := New(Options{Stanzas: stanzas}), New(Options{Stanzas: stanzas})
		if a, b := decide(once, events), decide(twice, again); a != b {
			t.Fatalf("once:\n%s\ntwice:\n%s", a, b)
		}
	})
}

// decide returns what came of events, without their numbers.
func decide(tr *Tracker, events []*parse.Event) string {
	var b strings.Builder
	for _, ev := range events {
		for _, r := range tr.Step(ev.Time, ev, nil) {
			b.WriteString(ev.Src.Addr().String() + " " + show(&r) + "\n")
		}
	}
	return b.String()
}
