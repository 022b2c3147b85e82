package policy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/parse"
)

// captured is an event as a capture has it, with the fields of its IP header.
func (s *situation) captured(payload []byte) *parse.Event {
	ev := s.event(payload)
	ev.ID, ev.TTL = 4711, 57
	return ev
}

func TestCopies(t *testing.T) {
	const copied = "ignore"
	six := func(ev *parse.Event) {
		ev.ID = 0
		ev.Src = netip.MustParseAddrPort("[2001:db8::7]:40000")
		ev.Dst = netip.MustParseAddrPort("[2001:db8::1]:62201")
	}
	both := func(fs ...func(*parse.Event)) func(*parse.Event) {
		return func(ev *parse.Event) {
			for _, f := range fs {
				f(ev)
			}
		}
	}
	later := func(d time.Duration) func(*parse.Event) { return func(ev *parse.Event) { ev.Time = ev.Time.Add(d) } }
	tests := []struct {
		name   string
		first  func(*parse.Event) // changes both
		second func(*parse.Event)
		want   string
	}{
		{"at once", nil, nil, copied},
		{"a little later", nil, later(10 * time.Microsecond), copied},
		{"recorded the other way round", nil, later(-10 * time.Microsecond), copied},
		{"a second later", nil, later(time.Second), copied},
		{"more than a second later", nil, later(time.Second + time.Microsecond), "spa.replay"},
		{"another identification", nil, func(ev *parse.Event) { ev.ID++ }, "spa.replay"},
		{"another source port", nil, func(ev *parse.Event) { ev.Src = netip.AddrPortFrom(ev.Src.Addr(), 40001) }, "spa.replay"},
		{"another source", nil, func(ev *parse.Event) { ev.Src = netip.MustParseAddrPort("192.0.2.8:40000") }, "spa.replay"},
		{"another protocol", nil, func(ev *parse.Event) { ev.Proto = parse.TCP }, "spa.replay"},
		{"forwarded to another address", nil, func(ev *parse.Event) { ev.Dst, ev.TTL = netip.MustParseAddrPort("10.0.0.5:62201"), ev.TTL-1 }, copied},
		{"on another interface", nil, func(ev *parse.Event) { ev.In = []byte("br0") }, copied},
		{"IPv6", six, nil, copied},
		{"IPv6, one hop on", six, func(ev *parse.Event) { ev.TTL-- }, copied},
		{"IPv6, two hops on", six, func(ev *parse.Event) { ev.TTL -= 2 }, "spa.replay"},
		{"IPv6, to another address", six, func(ev *parse.Event) { ev.Dst = netip.MustParseAddrPort("[2001:db8::2]:62201") }, "spa.replay"},
		{"IPv6, later", six, later(2 * time.Second), "spa.replay"},
		{"no identification", func(ev *parse.Event) { ev.ID = 0 }, nil, copied},
		{"no identification, another distance", func(ev *parse.Event) { ev.ID = 0 }, func(ev *parse.Event) { ev.TTL = 64 }, "spa.replay"},
		{"from a socket", func(ev *parse.Event) { ev.Origin, ev.ID = parse.OriginSocket, 0 }, nil, "spa.replay"},
		{"without an IP header", func(ev *parse.Event) { ev.ID, ev.TTL = 0, 0 }, nil, "spa.replay"},
		{"without a time", func(ev *parse.Event) { ev.Time = time.Time{} }, nil, "spa.replay"},
		{"TCP", both(func(ev *parse.Event) { ev.Proto = parse.TCP }), nil, copied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			e, wire := s.engine(t), s.wire(t)
			first, second := s.captured(wire), s.captured(bytes.Clone(wire))
			if tt.first != nil {
				tt.first(first)
				tt.first(second)
			}
			if tt.second != nil {
				tt.second(second)
			}
			if d := e.Decide(s.now, first); d.Reason != SPAGranted {
				t.Fatalf("first: %s", show(d))
			}
			d := e.Decide(s.now, second)
			if got := show(d); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if copies := e.Copies(); (copies == 1) != (tt.want == copied) {
				t.Errorf("%d copies", copies)
			}
			again := s.captured(bytes.Clone(wire))
			again.ID, again.TTL = 5, 60
			if d := e.Decide(s.now, again); d.Reason != SPAReplay {
				t.Errorf("a real replay: %s", show(d))
			}
		})
	}
}

// TestCopiesOfRefused holds that what was refused is told once as well, but judged
// again where another interface or destination may give another answer.
func TestCopiesOfRefused(t *testing.T) {
	s := plain()
	s.one().Interface = "eth1"
	e, wire := s.engine(t), s.wire(t)
	ev := s.captured(wire)
	ev.In = []byte("br0")
	for i, want := range []string{"no_stanza", "ignore", "ignore"} {
		if got := show(e.Decide(s.now, ev)); !strings.HasPrefix(got, want) {
			t.Errorf("record %d: got %s, want %s", i+1, got, want)
		}
	}
	ev.In = []byte("eth1")
	if d := e.Decide(s.now, ev); d.Reason != SPAGranted {
		t.Errorf("where the stanza wants it: %s", show(d))
	}
	ev.In = []byte("br0")
	if d := e.Decide(s.now, ev); d.Verdict != Ignore || e.Copies() != 3 {
		t.Errorf("a copy of what was granted: %s, %d copies", show(d), e.Copies())
	}
}

func TestCopiesOutliveReload(t *testing.T) {
	s := plain()
	wire := s.wire(t)
	old := s.engine(t)
	old.Decide(s.now, s.captured(wire))
	e := s.engine(t)
	e.Inherit(old)
	if d := e.Decide(s.now, s.captured(wire)); d.Verdict != Ignore || e.Copies() != 1 {
		t.Errorf("%s, %d copies", show(d), e.Copies())
	}
}

func TestExplainCopy(t *testing.T) {
	s := plain()
	record := int64(0)
	e, wire := s.engine(t), s.wire(t)
	e.opts.Record = func() int64 { return record }
	record = 17
	e.Decide(s.now, s.captured(wire))
	second := s.captured(wire)
	second.Time = second.Time.Add(10 * time.Microsecond)
	tr := e.Explain(s.now, second)
	last := tr.Packet[len(tr.Packet)-1]
	if tr.Decision.Verdict != Ignore || last.Name != "copy" || last.OK || last.Detail.Text != "a copy of record 17, which is 10µs older" {
		t.Errorf("%+v", tr)
	}
	if e.Copies() != 0 {
		t.Error("an explained packet was counted")
	}
}

func TestCut(t *testing.T) {
	wire := func(s *situation, t *testing.T) *parse.Event {
		ev := s.captured(s.wire(t))
		ev.Whole = uint32(42 + len(ev.Payload))
		return ev
	}
	keep := func(ev *parse.Event, n int) {
		ev.Payload, ev.Captured = ev.Payload[:n], uint32(42+n)
	}
	tests := []struct {
		name string
		set  func(*parse.Event)
		want Reason
	}{
		{"in the middle", func(ev *parse.Event) { keep(ev, 54) }, SPACut},
		{"by a byte", func(ev *parse.Event) { keep(ev, len(ev.Payload)-1) }, SPACut},
		{"near the beginning", func(ev *parse.Event) { keep(ev, minCaptured) }, SPACut},
		{"before anything can be told", func(ev *parse.Event) { keep(ev, minCaptured-1) }, ""},
		{"behind the header", func(ev *parse.Event) { keep(ev, 0) }, ""},
		{"of a stranger", func(ev *parse.Event) { keep(ev, 54); ev.Src = netip.MustParseAddrPort("10.9.9.9:1") }, ""},
		{"of something else", func(ev *parse.Event) { keep(ev, 54); ev.Payload = []byte(strings.Repeat("no SPA, ", 7)) }, ""},
		{"of a packet that is too short", func(ev *parse.Event) { keep(ev, 20); ev.Whole = 42 + 100 }, ""},
		{"of a packet that is too long", func(ev *parse.Event) { keep(ev, 54); ev.Whole = 42 + 9000 }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plain()
			s.one().Source = nets("192.0.2.0/24")
			ev := wire(s, t)
			tt.set(ev)
			d := s.engine(t).Decide(s.now, ev)
			if d.Reason != tt.want || (d.Verdict == Deny) != (tt.want != "") {
				t.Errorf("got %s, want %q", show(d), tt.want)
			}
			if tt.want != "" && !strings.Contains(d.Detail.Text, "the capture holds ") {
				t.Errorf("detail %q", d.Detail.Text)
			}
			tr := s.engine(t).Explain(s.now, ev)
			if tt.name == "behind the header" && tr.Packet[0].Detail.Text != "the capture holds 42 of 203 bytes" {
				t.Errorf("explained as %+v", tr.Packet)
			}
		})
	}
}

func TestCopiesAllocateNothing(t *testing.T) {
	s := plain()
	e := s.engine(t)
	ev := s.captured(s.wire(t))
	e.Decide(s.now, ev)
	cut := s.captured(nil)
	cut.Captured, cut.Whole = 42, 246
	if n := testing.AllocsPerRun(100, func() { e.Decide(s.now, ev); e.Decide(s.now, cut) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCopiesAreForgottenAlike: which packets are remembered does not depend on the seed of a
// process, so that each replay decides the same.
func TestCopiesAreForgottenAlike(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var one, other copies
	var sent []parse.Event
	known := 0
	for i := range 20000 {
		var ev parse.Event
		if i > 0 && i%2 == 0 {
			ev = sent[max(0, len(sent)-1-rnd.IntN(2*copySlots))]
		} else {
			ev = parse.Event{Time: time.Unix(1, int64(i)), Origin: parse.OriginFrame, TTL: 64, Proto: parse.UDP, ID: uint16(rnd.Uint32()),
				Src: netip.MustParseAddrPort("192.0.2.7:40000"), Payload: fmt.Appendf(nil, "%040x", rnd.Uint64())}
			sent = append(sent, ev)
		}
		var a, b packetID
		if !one.identify(&a, &ev) || !other.identify(&b, &ev) {
			t.Fatal("not identified")
		}
		first, second := one.find(&a), other.find(&b)
		if (first == nil) != (second == nil) {
			t.Fatalf("packet %d: a copy to one of two", i)
		}
		if first != nil {
			known++
		}
		one.record(&a)
		other.record(&b)
	}
	if known < 2000 || known > 9000 {
		t.Errorf("%d of 10000 copies known: none was forgotten, or nearly all", known)
	}
}
