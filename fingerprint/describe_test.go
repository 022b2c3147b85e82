package fingerprint

import (
	"slices"
	"strings"
	"testing"

	"fwknopd/parse"
)

func TestNearest(t *testing.T) {
	const patterns = "S44:64:1:60:M*,S,T,N,W7 8192:128:1:52:M*,N,W8,N,N,S 1024:64:0:40:.:. *:64:1:44:M1460 4660:255:0:44:N:id=7"
	for _, tc := range []struct {
		why     string
		ev      *parse.Event
		text    string
		differs []string
	}{
		{"fits", newSYN(64240, 60, true, unhex(t, linux)), "S44:64:1:60:M*,S,T,N,W7", nil},
		{"window", newSYN(4321, 60, true, unhex(t, linux)), "S44:64:1:60:M*,S,T,N,W7",
			[]string{"window 4321 instead of S44"}},
		{"TTL and DF", newSYN(64240, 30, false, unhex(t, linux)), "S44:64:1:60:M*,S,T,N,W7",
			[]string{"ttl 30 instead of 64", "df 0 instead of 1"}},
		{"an option", newSYN(8192, 128, true, unhex(t, mss1460+nop+"030302"+nop+nop+sackOK)), "8192:128:1:52:M*,N,W8,N,N,S",
			[]string{"options M1460,N,W2,N,N,S instead of M*,N,W8,N,N,S"}},
		{"size and quirks", func() *parse.Event {
			ev := newSYN(1024, 60, false, nil)
			ev.Len = 100
			return ev
		}(), "1024:64:0:40:.:.", []string{"size 100 instead of 40", "quirks D instead of ."}},
		{"condition", newSYN(4660, 250, false, unhex(t, nop)), "4660:255:0:44:N:id=7", []string{"quirks . instead of id=7"}},
		{"broken", newSYN(1, 60, true, unhex(t, mss1460+"0303")), "*:64:1:44:M1460",
			[]string{"size 48 instead of 44", "quirks ! instead of no !"}},
	} {
		m := matcherFor(t, patterns, DefaultMaxHops)
		sig, differs := m.Nearest(tc.ev)
		if sig.Text != tc.text || !slices.Equal(differs, tc.differs) {
			t.Errorf("%s: got %s %q, want %s %q", tc.why, sig.Text, differs, tc.text, tc.differs)
		}
	}
}

// A signature whose TTL is below that of the packet is nearest only if all are.
func TestNearestIsNotBelow(t *testing.T) {
	for _, tc := range []struct {
		patterns string
		ttl      uint8
		want     string
	}{
		{"S44:64:1:60:M*,S,T,N,W7 8192:128:1:48:M*,N,N,S", 98, "8192:128:1:48:M*,N,N,S"},
		{"S44:64:1:60:M*,S,T,N,W7 1:255:0:40:.", 243, "1:255:0:40:."},
		{"S44:64:1:60:M*,S,T,N,W7 1:255:0:40:.", 39, "S44:64:1:60:M*,S,T,N,W7"},
		{"S44:64:1:60:M*,S,T,N,W7 1:60:0:40:.", 98, "S44:64:1:60:M*,S,T,N,W7"},
	} {
		ev := newSYN(1000, tc.ttl, true, unhex(t, linux))
		if sig, _ := matcherFor(t, tc.patterns, DefaultMaxHops).Nearest(ev); sig.Text != tc.want {
			t.Errorf("TTL %d: nearest of %s is %s, want %s", tc.ttl, tc.patterns, sig.Text, tc.want)
		}
	}
}

func TestNearestOfNothing(t *testing.T) {
	m := matcherFor(t, "*:64:1:44:M1460", DefaultMaxHops)
	noSYN, unknown := newSYN(1, 60, true, nil), newSYN(1, 60, true, nil)
	noSYN.Flags = parse.ACK
	unknown.HasOptions = false
	for _, ev := range []*parse.Event{noSYN, unknown} {
		if sig, differs := m.Nearest(ev); sig != nil || differs != nil {
			t.Errorf("nearest of %v is %v, %q", ev.Flags, sig, differs)
		}
		if text := AppendSignature([]byte("x"), ev); string(text) != "x" {
			t.Errorf("signature of %v is %q", ev.Flags, text)
		}
	}
	if sig, _ := matcherFor(t, "", DefaultMaxHops).Nearest(newSYN(1, 60, true, nil)); sig != nil {
		t.Errorf("nearest of no signatures is %v", sig)
	}
}

func TestAppendSignature(t *testing.T) {
	for _, tc := range []struct {
		window  uint16
		ttl     uint8
		df      bool
		options string
		want    string
	}{
		{64240, 57, true, linux, "S44:64:1:60:M1460,S,T,N,W7:."},
		{6000, 128, true, linux, "T4:128:1:60:M1460,S,T,N,W7:."},
		{0, 255, false, mss1460, "0:255:0:44:M1460:."},
		{1, 30, false, "", "1:32:0:40:.:."},
		{1, 33, false, "", "1:64:0:40:.:."},
		{1, 39, false, "", "1:64:0:40:.:."},
		{1, 80, false, "", "1:128:0:40:.:."}, // far, but from where else
		{1, 98, false, "", "1:128:0:40:.:."},
		{1, 129, false, "", "1:255:0:40:.:."},
		{1, 235, false, "", "1:255:0:40:.:."},
		{1, 2, false, "", "1:32:0:40:.:."},
		{1, 1, false, "", "1:1:0:40:.:."},
		{1, 0, false, "", "1:1:0:40:.:."},
		{1, 64, false, mss1460 + sackOK + "0000", "1:64:0:48:M1460,S,E,E:P"},
		{1, 64, false, mss1460 + sackOK + "0001", "1:64:0:48:M1460,S,E:P"},
		{1, 64, false, "1303ff" + stamp0 + nop + nop + nop, "1:64:0:56:?19,T0,N,N,N:."},
		{1, 64, false, nop + stampTwo + nop, "1:64:0:52:N,T,N:T"},
		{1, 64, false, mss1460 + "03030b1c", "1:64:0:48:M1460,W11:!"},
	} {
		ev := newSYN(tc.window, tc.ttl, tc.df, unhex(t, tc.options))
		if got := string(AppendSignature(nil, ev)); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
	ev := newSYN(64800, 57, true, unhex(t, strings.Replace(linux, mss1460, "020405a0", 1)))
	sixth(ev)
	ev.Len += 20
	if got := string(AppendSignature(nil, ev)); got != "S45:64:*:60:M1440,S,T,N,W7:." {
		t.Errorf("IPv6: got %s", got)
	}
}
