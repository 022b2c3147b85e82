package knock

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// FuzzStep feeds any packets. Whatever they are, a shared sequence is granted only
// if its knocks, all of them and in order, were the last that its source sent, with
// copies left out, and in time; and the tables keep within their bounds.
func FuzzStep(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x01\x01\x00\x00\x02\x02"))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x01\x00\x00\x01\x02\x01"))
	sequences := []string{"tcp/1 udp/2 icmp", "tcp/1 tcp/1", "udp/2", "tcp/1 udp/2 tcp/3 tcp/1"}
	f.Fuzz(func(t *testing.T, data []byte) {
		var stanzas []conf.Stanza
		for i, s := range sequences {
			stanzas = append(stanzas, shared(s))
			stanzas[i].KnockLimit = i
		}
		e := encrypted("key")
		e.PortOffset = 0
		stanzas = append(stanzas, e)
		const room = 3
		tr := New(Options{Stanzas: stanzas, MaxSources: room})
		past := make(map[netip.Addr][]*parse.Event)
		granted := make(map[string]int)
		at := epoch
		for len(data) >= 4 {
			ev := fuzzPacket(data[:4], &at)
			data = data[4:]
			src := ev.Src.Addr()
			past[src] = append(past[src], ev)
			for _, r := range tr.Step(ev.Time, ev, nil) {
				if !r.Granted {
					continue
				}
				if r.Stanza == len(sequences) {
					t.Fatal("deciphered noise")
				}
				if s := &stanzas[r.Stanza]; !earned(s, past[src]) {
					t.Fatalf("%v granted after %v", s.Sequence, past[src])
				}
				use := fmt.Sprint(src, r.Stanza)
				if granted[use]++; granted[use] > stanzas[r.Stanza].KnockLimit {
					t.Fatalf("%s: used %d times", use, granted[use])
				}
			}
			if tr.sources.len() > room || tr.attempts > room+len(stanzas) {
				t.Fatalf("%d sources, %d attempts", tr.sources.len(), tr.attempts)
			}
		}
	})
}

// fuzzPacket makes a packet of four bytes: what, who, which source port and
// identification, how much later (or earlier).
func fuzzPacket(b []byte, at *time.Time) *parse.Event {
	ports := []string{"tcp/1", "udp/2", "icmp", "tcp/3", "tcp/9", "tcp/1 flags=0", "icmp type=3", "tcp/1 flags=4", "tcp/1 forged"}
	*at = at.Add(time.Duration(int8(b[3])) * time.Second)
	ev := new(wire).packet(ports[int(b[0])%len(ports)])
	ev.Time, ev.ID = *at, uint16(b[2]>>4)
	ev.Src = netip.AddrPortFrom(address(int(b[1])%5+1), uint16(b[2]&3))
	return ev
}

// earned reports whether the events of one source end in the stanza's sequence.
func earned(s *conf.Stanza, events []*parse.Event) bool {
	last := events[len(events)-1]
	want := len(s.Sequence)
	for i := len(events) - 1; i >= 0 && want > 0; i-- {
		port, ok := knockOf(events[i])
		if !ok || events[i].Origin == parse.OriginUnknown {
			continue
		}
		if port != s.Sequence[want-1] {
			if copyOf(events[i], events[:i]) {
				continue
			}
			return false
		}
		if last.Time.Sub(events[i].Time) > s.KnockInterval {
			return false
		}
		want--
	}
	return want == 0
}

// copyOf reports whether ev may be a copy of one of the earlier packets, by the
// loosest reading of the rule.
func copyOf(ev *parse.Event, earlier []*parse.Event) bool {
	for _, e := range earlier {
		if e.Proto == ev.Proto && e.Src == ev.Src && e.Dst == ev.Dst && e.ID <= ev.ID {
			return true
		}
	}
	return false
}
