package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

// Examined counts what -C counts: candidates, not frames or log lines.
func TestExamined(t *testing.T) {
	s := plain()
	s.server.AuthModes = []string{"PCAP", "KNOCK"}
	s.stanzas = append(s.stanzas, sequence(9, 7000, 8000))
	e := s.engine(t)
	wire := s.wire(t)
	wrong := append([]byte(nil), wire...)
	if wrong[40]++; !strings.Contains("BCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz", string(wrong[40])) {
		wrong[40] = 'A' // it stays base64
	}
	on := func(change func(*parse.Event)) *parse.Event {
		ev := s.event(wire)
		change(ev)
		return ev
	}
	for _, c := range []struct {
		name string
		ev   *parse.Event
		want uint64
	}{
		{"valid packet", s.event(wire), 1},
		{"the same again", s.event(wire), 1},
		{"damaged packet", s.event(wrong), 1},
		{"over TCP", on(func(ev *parse.Event) { ev.Proto = parse.TCP }), 1},
		{"empty TCP segment", on(func(ev *parse.Event) { ev.Proto, ev.Payload, ev.Flags = parse.TCP, nil, parse.ACK }), 0},
		{"empty datagram", s.event(nil), 0},
		{"a query", s.event([]byte("\x12\x34\x01\x00\x00\x01example")), 0},
		{"text that is no base64", s.event([]byte(strings.Repeat("GET / ", 40))), 0},
		{"fragment", on(func(ev *parse.Event) { ev.Fragment = true }), 0},
		{"of another protocol", on(func(ev *parse.Event) { ev.Proto = 47 }), 0},
		{"logged datagram", on(func(ev *parse.Event) { ev.Origin, ev.Payload = parse.OriginKernel, nil }), 0},
		{"SYN of no sequence", s.syn(1, 23), 0},
		{"first knock", s.syn(2, 7000), 1},
		{"second knock", s.syn(3, 8000), 1},
		{"last port alone", s.syn(4, 8000), 0},
		{"knock of another source", func() *parse.Event {
			ev := s.syn(5, 7000)
			ev.Src = netip.MustParseAddrPort("192.0.2.99:4000")
			return ev
		}(), 1},
	} {
		before := e.Examined()
		e.Decide(s.now.Add(time.Second), c.ev)
		if got := e.Examined() - before; got != c.want {
			t.Errorf("%s: counts %d, want %d", c.name, got, c.want)
		}
	}
}
