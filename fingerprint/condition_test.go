package fingerprint

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"fwknopd/parse"
)

// Conditions hold or not, alone and beside quirks, and never if the record lacks what
// they look at.
func TestConditions(t *testing.T) {
	for _, tc := range []struct {
		why, quirks string
		change      func(ev *parse.Event)
		want        bool
	}{
		{"identification", "id=54321", func(ev *parse.Event) { ev.ID = 54321 }, true},
		{"another", "id=54321", func(ev *parse.Event) { ev.ID = 54320 }, false},
		{"another with the same lower bits", "id=54321", func(ev *parse.Event) { ev.ID = 54321 - 256 }, false},
		{"identification 0", "id=0", func(ev *parse.Event) { ev.ID = 0 }, true},
		{"identification 0, and no quirk wanted", ".,id=0", func(ev *parse.Event) { ev.ID = 0 }, false},
		{"identification 0, which is quirk Z", "Z,id=0", func(ev *parse.Event) { ev.ID = 0 }, true},
		{"no identification in IPv6", "id=0", sixth, false},
		{"source port", "sport=6000", func(ev *parse.Event) { ev.Src = netip.AddrPortFrom(ev.Src.Addr(), 6000) }, true},
		{"another port", "sport=6000", func(*parse.Event) {}, false},
		{"one of two", "id=54321,sport=6000", func(ev *parse.Event) { ev.ID = 54321 }, false},
		{"both of two", "id=54321,sport=6000", func(ev *parse.Event) { ev.ID, ev.Src = 54321, netip.AddrPortFrom(ev.Src.Addr(), 6000) }, true},
		{"quirks are not compared", "id=54321", func(ev *parse.Event) { ev.ID, ev.Urgent = 54321, 1 }, true},
		{"quirks are compared", ".,id=54321", func(ev *parse.Event) { ev.ID, ev.Urgent = 54321, 1 }, false},
		{"sequence number", "seq=dst", func(ev *parse.Event) { ev.Seq = 198<<24 | 51<<16 | 100<<8 | 1 }, true},
		{"another sequence number", "seq=dst", func(ev *parse.Event) { ev.Seq = 1<<24 | 100<<16 | 51<<8 | 198 }, false},
		{"no sequence number on record", "seq=dst", func(ev *parse.Event) { ev.Seq, ev.HasSeq = 198<<24|51<<16|100<<8|1, false }, false},
		{"IPv4", "ip=4", func(*parse.Event) {}, true},
		{"not IPv4", "ip=4", sixth, false},
		{"IPv6", "ip=6", sixth, true},
		{"data", "data", func(ev *parse.Event) { ev.Len++ }, true},
		{"data and no quirk wanted", ".,data", func(ev *parse.Event) { ev.Len++ }, false},
		{"data and the quirk", "D,data", func(ev *parse.Event) { ev.Len++ }, true},
		{"data in a log", "data", func(ev *parse.Event) { ev.Len, ev.Origin = ev.Len+1, parse.OriginKernel }, true},
		{"no data", "data", func(*parse.Event) {}, false},
		{"IP options, perhaps data", "data", func(ev *parse.Event) { ev.Len, ev.IPOptions = ev.Len+4, true }, false},
		{"IPv6, perhaps an extension header", "data", func(ev *parse.Event) { sixth(ev); ev.Len += 40 }, false},
	} {
		ev := newSYN(1, 60, true, unhex(t, mss1460))
		tc.change(ev)
		m := matcherFor(t, "*:64:*:*:M*:"+tc.quirks, DefaultMaxHops)
		for range 2 { // the second answer comes from the cache
			if got := m.MatchID(ev) != Unmatched; got != tc.want {
				t.Errorf("%s: %s: %v", tc.why, tc.quirks, got)
			}
		}
	}
}

// However many conditions a file has, the cache never returns the answer of another SYN.
func TestManyConditions(t *testing.T) {
	var patterns strings.Builder
	const first, n = 1000, 5 * maxConditions
	for i := range n {
		patterns.WriteString("*:64:*:*:M*:id=" + strconv.Itoa(first+i) + " ")
	}
	m := matcherFor(t, patterns.String(), DefaultMaxHops)
	ev := newSYN(1, 60, true, unhex(t, mss1460))
	for range 2 {
		for i := -5; i < n+5; i++ {
			ev.ID = uint16(first + i)
			want := ""
			if 0 <= i && i < n {
				want = "*:64:*:*:M*:id=" + strconv.Itoa(first+i)
			}
			got := ""
			for _, sig := range matches(m, ev) {
				got += sig.Text
			}
			if got != want {
				t.Fatalf("ID %d: %s, want %s", ev.ID, got, want)
			}
		}
	}
}
