package knock

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// Two systems of the signature file, as their SYNs look.
const (
	linux      = "Linux:2.6::Linux 2.4/2.6"
	linuxOther = "Linux:2.4::Linux 2.4/2.6"
)

func asLinux(ev *parse.Event) *parse.Event {
	return withOptions(ev, 60, 55, 5840, "020405B40402080A001046E40000000001030300")
}

func asWindows(ev *parse.Event) *parse.Event {
	return withOptions(ev, 48, 117, 65535, "020405B401010402")
}

func asUnknown(ev *parse.Event) *parse.Event { return withOptions(ev, 44, 200, 1234, "020405B4") }

func withOptions(ev *parse.Event, length uint16, ttl uint8, win uint16, options string) *parse.Event {
	b, _ := hex.DecodeString(options)
	ev.Len, ev.TTL, ev.Window, ev.DF = length, ttl, win, true
	ev.SetOptions(b)
	return ev
}

func TestRequireOS(t *testing.T) {
	set := fingerprint.Default()
	type syn = func(*parse.Event) *parse.Event
	bare := func(ev *parse.Event) *parse.Event { return ev }
	text := func(s string) func(*conf.Stanza) { return func(c *conf.Stanza) { c.RequireOS = s } }
	regex := func(s string) func(*conf.Stanza) {
		return func(c *conf.Stanza) { c.RequireOSRegex = regexp.MustCompile("(?i)" + s) }
	}
	for _, c := range []struct {
		name    string
		require func(*conf.Stanza)
		syns    []syn // of tcp/80 at 0 s, then the sequence tcp/1 tcp/2 at 50 and 51 s
		want    string
	}{
		{"regex met, whatever its case", regex("LINUX"), []syn{bare, asLinux, asLinux}, ""},
		{"regex not met", regex("linux"), []syn{bare, asWindows, asWindows}, OS},
		{"one of the SYNs will do", regex("linux"), []syn{bare, asLinux, asWindows}, ""},
		{"one before the sequence too", regex("linux"), []syn{asLinux, asWindows, asWindows}, ""},
		{"no options known", regex("linux"), []syn{bare, bare, bare}, OS},
		{"no signature fits", regex("."), []syn{bare, asUnknown, asUnknown}, OS},
		{"label", text(linux), []syn{bare, asLinux, asLinux}, ""},
		{"any of the labels that fit", text(linuxOther), []syn{bare, asLinux, asLinux}, ""},
		{"case of the label", text("linux:2.6::linux 2.4/2.6"), []syn{bare, asLinux, asLinux}, OS},
		{"part of the label", text("Linux:2.6"), []syn{bare, asLinux, asLinux}, OS},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shared("tcp/1 tcp/2")
			c.require(&s)
			tr := New(Options{Stanzas: []conf.Stanza{s}, Matcher: fingerprint.NewMatcher(set, fingerprint.DefaultMaxHops)})
			var w wire
			var out []Result
			for i, p := range []string{"0 tcp/80", "50 tcp/1", "51 tcp/2"} {
				ev := c.syns[i](w.packet(p))
				out = tr.Step(ev.Time, ev, out)
			}
			want := c.want
			if want == "" {
				want = Granted
			}
			if len(out) != 1 || out[0].Reason != want {
				t.Errorf("got %+v, want %s", out, want)
			}
		})
	}
}

// Fingerprints count as long as the interval, not for ages.
func TestRequireOSAge(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		at       float64
		want     string
	}{
		{60 * time.Second, 60, Granted},
		{60 * time.Second, 60.1, OS},
		{5 * time.Second, 6, OS},
		{0, 60, Granted},
		{0, 61, OS},
	} {
		s := shared("udp/2")
		s.KnockInterval = c.interval
		s.RequireOS = linux
		tr := New(Options{Stanzas: []conf.Stanza{s}, Matcher: fingerprint.NewMatcher(fingerprint.Default(), 20)})
		var w wire
		syn := asLinux(w.packet("tcp/80"))
		tr.Step(syn.Time, syn, nil)
		knock := w.packet(fmt.Sprint(c.at, " udp/2"))
		got := tr.Step(knock.Time, knock, nil)
		if len(got) != 1 || got[0].Reason != c.want {
			t.Errorf("%v at %v s: %+v", c.interval, c.at, got)
		}
	}
}

// A forged line lends no fingerprint, nor does another source.
func TestRequireOSOwn(t *testing.T) {
	s := shared("udp/2")
	s.RequireOS = linux
	tr := New(Options{Stanzas: []conf.Stanza{s}, Matcher: fingerprint.NewMatcher(fingerprint.Default(), 20)})
	var w wire
	forged, others := asLinux(w.packet("tcp/80 forged")), asLinux(w.packet("192.0.2.8 tcp/80"))
	tr.Step(epoch, forged, nil)
	tr.Step(epoch, others, nil)
	expect(t, play(tr, "udp/2"), "1 knock.os")
}

// Without signatures REQUIRE_OS refuses every client.
func TestRequireOSWithoutMatcher(t *testing.T) {
	s := shared("tcp/1")
	s.RequireOS = linux
	expect(t, play(New(Options{Stanzas: []conf.Stanza{s}}), "tcp/1"), "1 knock.os")
}

// What is said about a wrong system.
func TestRequireOSGot(t *testing.T) {
	s := shared("tcp/1")
	s.RequireOS = "OpenBSD:3.0-3.5::OpenBSD 3.0-3.5"
	tr := New(Options{Stanzas: []conf.Stanza{s}, Matcher: fingerprint.NewMatcher(fingerprint.Default(), 20)})
	var w wire
	ev := asLinux(w.packet("tcp/1"))
	got := tr.Step(ev.Time, ev, nil)
	if len(got) != 1 || got[0].Want != s.RequireOS || got[0].Got == "" {
		t.Errorf("%+v", got)
	}
}

// A flood of SYNs from everywhere pushes out the oldest and takes no memory.
func TestSystemsBounded(t *testing.T) {
	s := shared("tcp/1")
	s.RequireOS = linux
	tr := New(Options{Stanzas: []conf.Stanza{s}, Matcher: fingerprint.NewMatcher(fingerprint.Default(), 20)})
	var w wire
	ev := asLinux(w.packet("tcp/80"))
	n := 0
	if got := testing.AllocsPerRun(100000, func() {
		n++
		ev.Src = netip.AddrPortFrom(address(n), 1)
		ev.Time = epoch.Add(time.Duration(n) * time.Microsecond)
		tr.Step(ev.Time, ev, nil)
	}); got != 0 {
		t.Errorf("%v allocations each", got)
	}
	ev = w.packet("1 udp/9")
	ev.Src = netip.AddrPortFrom(address(n), 1)
	k := knock{ev: ev, addr: ev.Src.Addr(), at: ev.Time}
	if got, ok := tr.checkSystem(&tr.stanzas[0], &k); !ok {
		t.Errorf("the last one is forgotten: %q", got)
	}
}

// Neighbours do not share a set, or the SYNs of one push out those of another.
func TestNeighboursHaveSetsOfTheirOwn(t *testing.T) {
	var table systems
	for _, first := range []string{"192.0.2.0", "10.1.2.0", "2001:db8::"} {
		users := make(map[*[systemWays]system]int)
		addr := netip.MustParseAddr(first)
		for range 256 {
			users[table.of(addr)]++
			addr = addr.Next()
		}
		for _, n := range users {
			if n > systemWays {
				t.Errorf("%s/24: %d addresses share a set", first, n)
			}
		}
	}
}
