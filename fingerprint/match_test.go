package fingerprint

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

// newSYN makes the event of a captured IPv4 SYN.
func newSYN(window uint16, ttl uint8, df bool, options []byte) *parse.Event {
	ev := &parse.Event{
		Src:    netip.MustParseAddrPort("192.0.2.1:40000"),
		Dst:    netip.MustParseAddrPort("198.51.100.1:22"),
		Proto:  parse.TCP,
		Origin: parse.OriginFrame,
		Len:    uint16(40 + (len(options)+3)&^3),
		TTL:    ttl,
		DF:     df,
		ID:     1,
		Flags:  parse.SYN,
		Window: window,
		Seq:    1,
		HasSeq: true,
	}
	ev.SetOptions(options)
	return ev
}

// matcherFor loads signatures, one a line, without labels.
func matcherFor(t testing.TB, patterns string, maxHops int) *Matcher {
	t.Helper()
	var text strings.Builder
	for pattern := range strings.FieldsSeq(patterns) {
		text.WriteString(pattern + ": L\n")
	}
	set, err := Load("test", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return NewMatcher(set, maxHops)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Wire forms of options.
const (
	nop      = "01"
	mss1460  = "020405b4"
	mss1400  = "02040578"
	scale7   = "030307"
	sackOK   = "0402"
	stamp    = "080a00000001 00000000"
	stamp0   = "080a00000000 00000000"
	stampTwo = "080a00000001 00000002"
	linux    = mss1460 + sackOK + stamp + nop + scale7
)

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		why, pattern string
		window       uint16
		options      string
		want         bool
	}{
		{"window, number", "5840:64:1:60:M*,S,T,N,W7", 5840, linux, true},
		{"window, another", "5840:64:1:60:M*,S,T,N,W7", 5841, linux, false},
		{"window, any", "*:64:1:60:M*,S,T,N,W7", 1, linux, true},
		{"window, multiple", "%8192:64:1:44:M*", 16384, mss1460, true},
		{"window, 0 is a multiple", "%8192:64:1:44:M*", 0, mss1460, true},
		{"window, no multiple", "%8192:64:1:44:M*", 8191, mss1460, false},
		{"window, 4 MSS", "S4:64:1:60:M*,S,T,N,W7", 4 * 1460, linux, true},
		{"window, 3 MSS", "S4:64:1:60:M*,S,T,N,W7", 3 * 1460, linux, false},
		{"window, 4 MSS of another path", "S4:64:1:60:M*,S,T,N,W7", 4 * 1400, mss1400 + linux[8:], true},
		{"window, 4×1460 at another MSS", "S4:64:1:60:M*,S,T,N,W7", 4 * 1460, mss1400 + linux[8:], false},
		{"window, MSS last", "S17:64:1:48:N,N,S,M*", 17 * 1460, nop + nop + sackOK + mss1460, true},
		{"window, no MSS", "S4:64:1:44:S,N,N", 4 * 1460, sackOK + nop + nop, false},
		{"window, MSS 0", "S4:64:1:44:M*", 0, "02040000", false},
		{"window, 4 MTU", "T4:64:1:60:M*,S,T,N,W7", 4 * 1500, linux, true},
		{"window, 4 MTU of another path", "T4:64:1:60:M*,S,T,N,W7", 4 * 1440, mss1400 + linux[8:], true},
		{"window, 3 MTU", "T4:64:1:60:M*,S,T,N,W7", 3 * 1500, linux, false},
		{"window, MTU without MSS", "T1:64:1:44:S,N,N", 40, sackOK + nop + nop, false},

		{"MSS, number", "*:64:1:44:M1460", 1, mss1460, true},
		{"MSS, another", "*:64:1:44:M1460", 1, mss1400, false},
		{"MSS, multiple", "*:64:1:44:M%20", 1, mss1400, true},
		{"MSS, no multiple", "*:64:1:44:M%300", 1, mss1400, false},
		{"scale, number", "*:64:1:44:N,W7", 1, nop + scale7, true},
		{"scale, another", "*:64:1:44:N,W8", 1, nop + scale7, false},
		{"scale, any", "*:64:1:44:N,W*", 1, nop + scale7, true},
		{"scale, multiple", "*:64:1:44:N,W%7", 1, nop + scale7, true},
		{"scale, no multiple", "*:64:1:44:N,W%2", 1, nop + scale7, false},
		{"stamp", "*:64:1:52:N,N,T", 1, nop + nop + stamp, true},
		{"stamp, zero", "*:64:1:52:N,N,T", 1, nop + nop + stamp0, false},
		{"zero stamp", "*:64:1:52:N,N,T0", 1, nop + nop + stamp0, true},
		{"zero stamp, another", "*:64:1:52:N,N,T0", 1, nop + nop + stamp, false},
		{"kind without a letter", "*:64:1:44:?19,N", 1, "130355" + nop, true},
		{"another kind", "*:64:1:44:?20,N", 1, "130355" + nop, false},

		{"no options", "*:64:1:40:.", 1, "", true},
		{"no options wanted", "*:64:1:*:.", 1, mss1460, false},
		{"options wanted", "*:64:1:*:M*", 1, "", false},
		{"one more", "*:64:1:*:M*", 1, mss1460 + nop, false},
		{"one less", "*:64:1:*:M*,N", 1, mss1460, false},
		{"another order", "*:64:1:*:N,N,S,M*", 1, mss1460 + nop + nop + sackOK, false},
		{"last NOP", "*:64:1:48:M*,N,N,N,N", 1, mss1460 + "01010101", true},

		{"padded", "*:64:1:48:M*,W*", 1, mss1460 + scale7 + "00", true},
		{"not padded on record", "*:64:1:48:M*,W*", 1, mss1460 + scale7, true},
		{"padding that is not zero", "*:64:1:48:M*,W*", 1, mss1460 + sackOK + "0001", false},
		{"end of list is no padding", "*:64:1:48:M*", 1, mss1460 + "00000000", false},
		{"padded beyond the border", "*:64:1:*:M*,S", 1, mss1460 + sackOK + "000000", false},
		{"end of list wanted", "*:64:1:48:M*,S,E,E", 1, mss1460 + sackOK + "0000", true},
		{"end of list not there", "*:64:1:44:M*,E", 1, mss1460, false},
		{"fewer ends", "*:64:1:48:M*,S,E,E,E", 1, mss1460 + sackOK + "0000", false},
		{"more ends", "*:64:1:52:M*,S,E,E", 1, mss1460 + sackOK + "000000000000", false},
		{"one E ends the list", "*:64:1:48:M*,S,E", 1, mss1460 + sackOK + "0000", true},
		{"one E, anything after it", "*:64:1:48:M*,S,E", 1, mss1460 + sackOK + "0055", true},
		{"several E, not all zero", "*:64:1:48:M*,S,E,E", 1, mss1460 + sackOK + "0055", false},

		{"broken, cut", "*:64:1:48:M*", 1, mss1460 + "030307"[:4], false},
		{"broken, length 0", "*:64:1:48:M*", 1, mss1460 + "1300", false},
		{"broken, wrong length", "*:64:1:44:M*", 1, "020305", false},
		{"broken, and asked for", "*:64:1:48:M*:!", 1, mss1460 + "1300", true},
		{"whole, but broken asked for", "*:64:1:44:M*:!", 1, mss1460, false},

		{"size, any", "*:64:1:*:M*", 1, mss1460, true},
		{"size, multiple", "*:64:1:%4:M*", 1, mss1460, true},
		{"size, no multiple", "*:64:1:%3:M*", 1, mss1460, false},
		{"size, another", "*:64:1:48:M*", 1, mss1460, false},
	} {
		m := matcherFor(t, tc.pattern, DefaultMaxHops)
		ev := newSYN(tc.window, 60, true, unhex(t, tc.options))
		if got := m.MatchID(ev) != Unmatched; got != tc.want {
			t.Errorf("%s: %s on %s: %v", tc.why, tc.pattern, AppendSignature(nil, ev), got)
		}
	}
}

func TestFitHeader(t *testing.T) {
	for _, tc := range []struct {
		why, pattern string
		change       func(ev *parse.Event)
		want         bool
	}{
		{"as is", "*:64:1:44:M*", func(*parse.Event) {}, true},
		{"0 hops", "*:64:1:44:M*", func(ev *parse.Event) { ev.TTL = 64 }, true},
		{"31 hops", "*:64:1:44:M*", func(ev *parse.Event) { ev.TTL = 33 }, true},
		{"32 hops", "*:64:1:44:M*", func(ev *parse.Event) { ev.TTL = 32 }, false},
		{"31 hops from 128", "*:128:1:44:M*", func(ev *parse.Event) { ev.TTL = 97 }, true},
		{"32 hops from 128", "*:128:1:44:M*", func(ev *parse.Event) { ev.TTL = 96 }, false},
		{"31 hops from 255", "*:255:1:44:M*", func(ev *parse.Event) { ev.TTL = 224 }, true},
		{"32 hops from 255", "*:255:1:44:M*", func(ev *parse.Event) { ev.TTL = 223 }, false},
		{"31 hops from 32", "*:32:1:44:M*", func(ev *parse.Event) { ev.TTL = 1 }, true},
		{"any distance", "*:200-:1:44:M*", func(ev *parse.Event) { ev.TTL = 1 }, true},
		{"any distance, TTL too high", "*:59-:1:44:M*", func(ev *parse.Event) { ev.TTL = 60 }, false},
		{"TTL too high", "*:64:1:44:M*", func(ev *parse.Event) { ev.TTL = 65 }, false},
		{"TTL 0", "*:64:1:44:M*", func(ev *parse.Event) { ev.TTL = 0 }, false},
		{"no DF", "*:64:1:44:M*", func(ev *parse.Event) { ev.DF = false }, false},
		{"no DF wanted", "*:64:0:44:M*", func(*parse.Event) {}, false},
		{"DF or not", "*:64:*:44:M*", func(ev *parse.Event) { ev.DF = false }, true},

		{"SYN+ACK", "*:64:1:44:M*", func(ev *parse.Event) { ev.Flags |= parse.ACK }, false},
		{"SYN+FIN", "*:64:1:44:M*", func(ev *parse.Event) { ev.Flags |= parse.FIN }, false},
		{"SYN+RST", "*:64:1:44:M*", func(ev *parse.Event) { ev.Flags |= parse.RST }, false},
		{"no SYN", "*:64:1:44:M*", func(ev *parse.Event) { ev.Flags = parse.ACK }, false},
		{"SYN with ECN", "*:64:1:44:M*:.", func(ev *parse.Event) { ev.Flags |= parse.ECE | parse.CWR }, true},
		{"UDP", "*:64:1:44:M*", func(ev *parse.Event) { ev.Proto = parse.UDP }, false},
		{"fragment", "*:64:1:44:M*", func(ev *parse.Event) { ev.Fragment = true }, false},
		{"options not on record", "*:64:1:44:M*", func(ev *parse.Event) { ev.HasOptions = false }, false},

		{"IPv6 counts 20 bytes less", "*:64:1:44:M*", func(ev *parse.Event) { sixth(ev); ev.Len = 64 }, true},
		{"IPv6 has no DF", "*:64:0:44:M*", func(ev *parse.Event) { sixth(ev); ev.Len = 64 }, true},
		{"IPv6 has no ID", "*:64:*:44:M*:Z", func(ev *parse.Event) { sixth(ev); ev.Len = 64 }, true},
		{"IPv6 with its own length", "*:64:1:44:M*", func(ev *parse.Event) { sixth(ev) }, false},
	} {
		m := matcherFor(t, tc.pattern, DefaultMaxHops)
		ev := newSYN(1, 60, true, unhex(t, mss1460))
		tc.change(ev)
		if got := m.MatchID(ev) > Unmatched; got != tc.want {
			t.Errorf("%s: %s: %v", tc.why, tc.pattern, got)
		}
	}
}

func sixth(ev *parse.Event) {
	ev.Src = netip.MustParseAddrPort("[2001:db8::1]:40000")
	ev.Dst = netip.MustParseAddrPort("[2001:db8::2]:22")
	ev.DF, ev.ID = false, 0
}

// Each quirk alone is reported by its letter, is no hindrance to five fields, and
// must be there, alone, for six.
func TestQuirks(t *testing.T) {
	mss := unhex(t, mss1460)
	for _, tc := range []struct {
		quirks  string
		options string
		change  func(ev *parse.Event)
	}{
		{".", "M1460", func(*parse.Event) {}},
		{"P", "M1460,S,E,E", func(ev *parse.Event) { ev.SetOptions(unhex(t, mss1460+sackOK+"0000")); ev.Len += 4 }},
		{"Z", "M1460", func(ev *parse.Event) { ev.ID = 0 }},
		{"I", "M1460", func(ev *parse.Event) { ev.IPOptions = true; ev.Len += 4 }},
		{"U", "M1460", func(ev *parse.Event) { ev.Urgent = 9 }},
		{"X", "M1460", func(ev *parse.Event) { ev.Reserved = 4 }},
		{"A", "M1460", func(ev *parse.Event) { ev.Ack = 7 }},
		{"T", "N,N,T", func(ev *parse.Event) { ev.SetOptions(unhex(t, nop+nop+stampTwo)); ev.Len += 8 }},
		{"F", "M1460", func(ev *parse.Event) { ev.Flags |= parse.PSH }},
		{"F", "M1460", func(ev *parse.Event) { ev.Flags |= parse.URG }},
		{"D", "M1460", func(ev *parse.Event) { ev.Len += 3; ev.Payload = mss[:3] }},
		{"0", "M1460", func(ev *parse.Event) { ev.Seq = 0; ev.Ack = 0 }},
		{"Q", "M1460", func(ev *parse.Event) { ev.Ack = ev.Seq }},
	} {
		ev := newSYN(1, 60, true, mss)
		tc.change(ev)
		want := tc.quirks
		switch want { // these entail others
		case "0":
			want = "Q0"
		case "Q":
			want = "AQ"
		}
		text := string(AppendSignature(nil, ev))
		if got := text[strings.LastIndexByte(text, ':')+1:]; got != want {
			t.Errorf("quirk %s: %s has %s", tc.quirks, text, got)
		}
		prefix := "*:64:1:*:" + strings.ReplaceAll(tc.options, "M1460", "M*")
		others := "P"
		if strings.Contains(want, "P") {
			others = "Z"
		}
		for pattern, fits := range map[string]bool{
			prefix:              true,
			prefix + ":" + want: true,
			prefix + ":" + strings.TrimPrefix(want+others, "."): false,
			prefix + ":K": false,
		} {
			if got := matcherFor(t, pattern, DefaultMaxHops).MatchID(ev) != Unmatched; got != fits {
				t.Errorf("quirk %s: %s fits: %v", tc.quirks, pattern, got)
			}
		}
	}
}

// What a log cannot show never keeps a signature from fitting; what it shows does.
func TestQuirksUnknown(t *testing.T) {
	for _, tc := range []struct {
		why     string
		pattern string
		change  func(ev *parse.Event)
		want    bool
	}{
		{"acknowledgement number without --log-tcp-sequence", "*:64:1:44:M*:A", func(*parse.Event) {}, true},
		{"no quirks without --log-tcp-sequence", "*:64:1:44:M*:.", func(ev *parse.Event) { ev.Ack = 1 }, true},
		{"numbers with --log-tcp-sequence", "*:64:1:44:M*:A", func(ev *parse.Event) { ev.HasSeq, ev.Seq, ev.Ack = true, 1, 2 }, true},
		{"numbers that contradict", "*:64:1:44:M*:.", func(ev *parse.Event) { ev.HasSeq, ev.Seq, ev.Ack = true, 1, 2 }, false},
		{"shown: identification", "*:64:1:44:M*:Z", func(*parse.Event) {}, false},
		{"shown: urgent pointer", "*:64:1:44:M*:.", func(ev *parse.Event) { ev.Urgent = 1 }, false},
		{"a longer packet has data", "*:64:1:*:M*:D", func(ev *parse.Event) { ev.Len = 52 }, true},
		{"or IP options that are not logged", "*:64:1:*:M*:I", func(ev *parse.Event) { ev.Len = 52 }, true},
		{"IP options logged", "*:64:1:*:M*:.", func(ev *parse.Event) { ev.Len, ev.IPOptions = 52, true }, false},
		{"no room for data", "*:64:1:*:M*:D", func(*parse.Event) {}, false},
	} {
		ev := newSYN(1, 60, true, unhex(t, mss1460))
		ev.Origin, ev.HasSeq, ev.Seq = parse.OriginKernel, false, 0
		tc.change(ev)
		if got := matcherFor(t, tc.pattern, DefaultMaxHops).MatchID(ev) != Unmatched; got != tc.want {
			t.Errorf("%s: %s: %v", tc.why, tc.pattern, got)
		}
	}
}

func TestMaxHops(t *testing.T) {
	ev := newSYN(1, 60, true, unhex(t, mss1460)) // 4 hops from 64
	for maxHops, want := range map[int]bool{0: false, 4: false, 5: true, 255: true} {
		if got := matcherFor(t, "*:64:1:44:M*", maxHops).MatchID(ev) != Unmatched; got != want {
			t.Errorf("at most %d hops: %v", maxHops, got)
		}
	}
}

// All that fit are reported, generic ones last; the same combination has one ID.
func TestMatchOrder(t *testing.T) {
	set, err := Load("f", []byte("*:64:1:44:M*: @guess\n1:64:1:44:M*: one\n2:64:1:44:M*: two\n%1:64:1:44:M*: any\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := NewMatcher(set, DefaultMaxHops)
	ev := newSYN(1, 60, true, unhex(t, mss1460))
	if got := labels(matches(m, ev)); !slices.Equal(got, []string{"one", "any", "@guess"}) {
		t.Errorf("got %q", got)
	}
	one := m.MatchID(ev)
	ev.TTL--
	if id := m.MatchID(ev); id != one {
		t.Errorf("IDs %d and %d for one combination", one, id)
	}
	ev.Window = 2
	if id := m.MatchID(ev); id == one || m.Result(id)[0].Label != "two" {
		t.Errorf("ID %d: %q", id, labels(m.Result(id)))
	}
	if m.Result(NotSYN) != nil || m.Result(Unmatched) != nil {
		t.Error("no match has a result")
	}
}

// The cache does not change results.
func TestShapeCache(t *testing.T) {
	short.Skip(t)
	m, slow := NewMatcher(Default(), DefaultMaxHops), NewMatcher(Default(), DefaultMaxHops)
	random := rand.New(rand.NewPCG(1, 2))
	choose := func(list ...uint16) uint16 { return list[random.IntN(len(list))] }
	layouts := []string{linux, mss1460, "", mss1460 + nop + nop + sackOK, mss1460 + nop + scale7 + nop + nop + sackOK,
		mss1460 + nop + scale7 + nop + nop + stamp + sackOK + "0000", mss1460 + nop + scale7 + sackOK + stamp0}
	for range 200_000 {
		ev := newSYN(choose(64240, 5840, 8192, 65535, 1024, 0, 29200, 16384), uint8(random.IntN(256)), random.IntN(4) > 0,
			unhex(t, layouts[random.IntN(len(layouts))]))
		ev.ID, ev.Urgent = choose(0, 1, 2), choose(0, 0, 0, 1)
		ev.HasSeq = random.IntN(2) == 0
		got, want := m.Result(m.MatchID(ev)), slow.Result(slow.match(ev))
		if !slices.EqualFunc(got, want, func(a, b *Signature) bool { return a.Index == b.Index }) {
			t.Fatalf("%s: cache %q, signatures %q", AppendSignature(nil, ev), labels(got), labels(want))
		}
	}
}

// The cache grows with the shapes it sees, up to its bound.
func TestShapeCacheGrows(t *testing.T) {
	short.Skip(t)
	m := NewMatcher(Default(), DefaultMaxHops)
	if n := len(m.cache.sets); n != 1<<cacheBits {
		t.Errorf("starts with %d sets", n)
	}
	ev := linuxSYN()
	for more := range 4 {
		ev.Len = uint16(60 + more)
		for window := range 1 << 16 {
			ev.Window = uint16(window)
			m.MatchID(ev)
		}
	}
	if n := len(m.cache.sets); n != 1<<cacheMaxBits {
		t.Errorf("has grown to %d sets", n)
	}
}

// However many combinations a file and its traffic make, those told apart are
// bounded; the rest are reported by their first signature.
func TestResultsAreBounded(t *testing.T) {
	short.Skip(t)
	var patterns strings.Builder
	for n := 2; n <= 40; n++ {
		patterns.WriteString("%" + strconv.Itoa(n) + ":255:*:*:M* ")
		patterns.WriteString("*:255:*:%" + strconv.Itoa(n) + ":M* ")
	}
	m := matcherFor(t, patterns.String(), 256)
	ev := newSYN(0, 60, true, unhex(t, mss1460))
	for size := 0; size < 1200; size++ {
		ev.Len = uint16(size)
		for window := 0; window < 1200; window += 7 {
			ev.Window = uint16(window)
			m.MatchID(ev)
		}
	}
	if n := len(m.results); n < maxResults || n > maxResults+m.set.Len() {
		t.Errorf("%d combinations are kept, limit %d", n, maxResults)
	}
	ev.Window, ev.Len = 0xffff-15, 0xffff-15
	if got := matches(m, ev); len(got) == 0 {
		t.Error("a combination past the limit is lost altogether")
	}
}

// Of signatures that differ in the TTL alone the nearest one above fits, whatever the
// limit, and of guesses whatever the label; of those that differ in more, each.
func TestNearestTTLWins(t *testing.T) {
	for _, tc := range []struct {
		patterns string
		ttl      uint8
		want     string
	}{
		{"*:60:1:44:M* *:64:1:44:M*", 61, "64"},
		{"*:60:1:44:M* *:64:1:44:M*", 60, "60"},
		{"*:60:1:44:M* *:64:1:44:M*", 30, "60"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 37, "37"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 38, "59"},
		{"*:255:1:44:M* *:37:1:44:M* *:59:1:44:M*", 60, "255"},
		{"*:60:1:44:M* 1:64:1:44:M*", 50, "60 64"},
		{"*:60:1:44:M* *:64:*:44:M*", 50, "60 64"},
	} {
		ev := newSYN(1, tc.ttl, true, unhex(t, mss1460))
		var got []string
		for _, sig := range matches(matcherFor(t, tc.patterns, 256), ev) {
			got = append(got, strings.Split(sig.Text, ":")[1])
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s at TTL %d: %s fit, want %s", tc.patterns, tc.ttl, s, tc.want)
		}
	}
}

func TestNearestTTLWinsByLabel(t *testing.T) {
	set, err := Load("f", []byte("*:60:1:44:M*: a\n*:64:1:44:M*: b\n*:60:1:44:M*: @c\n*:64:1:44:M*: @d\n"))
	if err != nil {
		t.Fatal(err)
	}
	ev := newSYN(1, 60, true, unhex(t, mss1460))
	if got := labels(matches(NewMatcher(set, DefaultMaxHops), ev)); !slices.Equal(got, []string{"a", "b", "@c"}) {
		t.Errorf("got %q", got)
	}
}

// TTLs share a class only if no signature can tell them apart.
func TestTTLClasses(t *testing.T) {
	set := Default().With(matcherFor(t, "*:1:*:*:. *:255:*:*:.", 1).set)
	for _, maxHops := range []int{-1, 0, 1, 2, DefaultMaxHops, 64, 255, 256, 1000} {
		classes := newTTLClasses(set, maxHops)
		for ttl := 1; ttl < 256; ttl++ {
			for i := range set.sigs {
				p := &set.sigs[i].pattern
				one, next := &syn{header: header{ttl: uint8(ttl - 1)}}, &syn{header: header{ttl: uint8(ttl)}}
				if classes[ttl] == classes[ttl-1] && p.fits(fieldTTL, one, maxHops) != p.fits(fieldTTL, next, maxHops) {
					t.Fatalf("up to %d hops: TTL %d and %d differ for %s", maxHops, ttl-1, ttl, set.sigs[i].Text)
				}
			}
		}
	}
	if c := newTTLClasses(Default(), DefaultMaxHops); c[255] > 32 {
		t.Errorf("%d classes of few initial TTLs", c[255])
	}
}
