package knock

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/policy/conf"
)

const opened = "knock.granted 192.0.2.7 tcp/22 5m0s"

func TestShared(t *testing.T) {
	for _, c := range []struct {
		name, sequence, packets, want string
	}{
		{"in order", "tcp/1 udp/2 icmp tcp/4", "tcp/1; udp/2; icmp; tcp/4", "4 " + opened},
		{"one port", "tcp/1", "tcp/1", "1 " + opened},
		{"echo replies count", "icmp", "icmp type=0", "1 " + opened},
		{"twice in a row", "tcp/1 udp/2", "tcp/1; udp/2; tcp/1; udp/2", "2 " + opened + "\n4 " + opened},
		{"the same port twice", "tcp/1 tcp/1", "tcp/1; tcp/1", "2 " + opened},
		{"any flags", "tcp/1 tcp/2 tcp/3", "tcp/1 flags=4; tcp/2 flags=17; tcp/3 flags=24", "3 " + opened},
		{"wherever it goes", "tcp/1 tcp/2", "tcp/1 dst=198.51.100.9; tcp/2 dst=203.0.113.1", "2 " + opened},

		{"wrong order", "tcp/1 tcp/2 tcp/3", "tcp/1; tcp/3; tcp/2; tcp/3", "2 knock.wrong_port"},
		{"wrong protocol", "tcp/1 tcp/2", "tcp/1; udp/2; tcp/2", "2 knock.wrong_port"},
		{"a foreign port between", "tcp/1 tcp/2", "tcp/1; tcp/9; tcp/2", "2 knock.wrong_port"},
		{"first twice: the second is used up", "tcp/1 tcp/2 tcp/3", "tcp/1; tcp/1; tcp/2; tcp/3", "2 knock.wrong_port"},
		{"first thrice", "tcp/1 tcp/2 tcp/3", "tcp/1; tcp/1; tcp/1; tcp/2; tcp/3", "2 knock.wrong_port\n5 " + opened},
		{"a new try", "tcp/1 tcp/2", "tcp/1; tcp/9; tcp/1; tcp/2", "2 knock.wrong_port\n4 " + opened},
		{"noise before", "tcp/1 tcp/2", "tcp/9; udp/9; tcp/1; tcp/2", "4 " + opened},
		{"noise of others", "tcp/1 tcp/2", "tcp/1; 192.0.2.8 tcp/9; tcp/2", "3 " + opened},
		{"two at once", "tcp/1 tcp/2", "tcp/1; 192.0.2.8 tcp/1; tcp/2; 192.0.2.8 tcp/2",
			"3 " + opened + "\n4 knock.granted 192.0.2.8 tcp/22 5m0s"},

		{"no knock: no flags", "tcp/1 tcp/2", "tcp/1; tcp/9 flags=0; tcp/2", "3 " + opened},
		{"no knock: ECE and CWR alone", "tcp/1 tcp/2", "tcp/1; tcp/9 flags=192; tcp/2", "3 " + opened},
		{"no knock: ICMP errors", "tcp/1 tcp/2", "tcp/1; icmp type=3; tcp/2", "3 " + opened},
		{"no knock: ICMP errors for icmp", "tcp/1 icmp", "tcp/1; icmp type=3; icmp type=11", ""},
		{"no address: 0.0.0.0", "tcp/1", "0.0.0.0 tcp/1", ""},
		{"no address: multicast", "tcp/1", "224.0.0.1 tcp/1", ""},
		{"IPv6", "tcp/1 icmp", "2001:db8::7 tcp/1; 2001:db8::7 icmp6", "2 knock.granted 2001:db8::7 tcp/22 5m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := New(Options{Stanzas: []conf.Stanza{shared(c.sequence)}})
			expect(t, play(tr, strings.Split(c.packets, ";")...), c.want)
		})
	}
}

func TestGap(t *testing.T) {
	sec := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, c := range []struct {
		name               string
		interval, min, max time.Duration
		packets, want      string
	}{
		{"interval just reached", sec(10), -1, -1, "0 tcp/1; 5 tcp/2; 10 tcp/3", "3 " + opened},
		{"interval exceeded", sec(10), -1, -1, "0 tcp/1; 5 tcp/2; 10.1 tcp/3", "3 knock.timeout"},
		{"from first to last, not between", sec(10), -1, -1, "0 tcp/1; 6 tcp/2; 12 tcp/3", "3 knock.timeout"},
		{"what ends one may begin the next", sec(10), -1, -1, "0 tcp/1; 11 tcp/1; 12 tcp/2; 13 tcp/3", "2 knock.timeout\n4 " + opened},
		{"no interval", 0, -1, -1, "0 tcp/1; 9000 tcp/2; 90000 tcp/3", "3 " + opened},
		{"min exceeded", sec(60), sec(2), -1, "0 tcp/1; 2.1 tcp/2; 4.2 tcp/3", "3 " + opened},
		{"min just reached", sec(60), sec(2), -1, "0 tcp/1; 2 tcp/2; 5 tcp/3", "2 knock.too_fast"},
		{"min 0: not at once", sec(60), 0, -1, "0 tcp/1; 0 tcp/2", "2 knock.too_fast"},
		{"max kept", sec(60), -1, sec(3), "0 tcp/1; 2.9 tcp/2; 5.8 tcp/3", "3 " + opened},
		{"max just reached", sec(60), -1, sec(3), "0 tcp/1; 3 tcp/2; 4 tcp/3", "2 knock.too_slow"},
		{"max 0 cannot be met", sec(60), -1, 0, "0 tcp/1; 0 tcp/2", "2 knock.too_slow"},
		{"both", sec(60), sec(1), sec(4), "0 tcp/1; 2 tcp/2; 4 tcp/3", "3 " + opened},
		{"too fast, then not tried as first", sec(60), sec(1), -1, "0 tcp/1; 0 tcp/2; 2 tcp/3; 4 tcp/1; 6 tcp/2; 8 tcp/3",
			"2 knock.too_fast\n6 " + opened},
		{"stamps backwards", sec(60), -1, -1, "5 tcp/1; 6 tcp/2; 3 tcp/3", "3 knock.timeout"},
		{"stamps backwards, and on from there", sec(60), -1, -1, "5 tcp/1; 3 tcp/1; 4 tcp/2; 5 tcp/3", "2 knock.timeout\n4 " + opened},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shared("tcp/1 tcp/2 tcp/3")
			s.KnockInterval, s.MinTimeDiff, s.MaxTimeDiff = c.interval, c.min, c.max
			tr := New(Options{Stanzas: []conf.Stanza{s}})
			expect(t, play(tr, strings.Split(c.packets, ";")...), c.want)
		})
	}
}

// A record without a stamp happened now.
func TestNoStamp(t *testing.T) {
	s := shared("tcp/1 tcp/2")
	s.MinTimeDiff = time.Second
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	var w wire
	for i, want := range []int{0, 1} {
		ev := w.packet([]string{"tcp/1", "tcp/2"}[i])
		ev.Time = time.Time{}
		got := tr.Step(epoch.Add(time.Duration(i)*2*time.Second), ev, nil)
		if len(got) != want {
			t.Errorf("packet %d: %+v", i, got)
		}
	}
}

func TestLimit(t *testing.T) {
	whole := "tcp/1; tcp/2; "
	for _, c := range []struct {
		name          string
		limit         int
		packets, want string
	}{
		{"none", -1, whole + whole, "2 " + opened + "\n4 " + opened},
		{"0", 0, whole, "2 knock.limit"},
		{"1", 1, whole + whole + whole, "2 " + opened + "\n4 knock.limit\n6 knock.limit"},
		{"2", 2, whole + whole + whole, "2 " + opened + "\n4 " + opened + "\n6 knock.limit"},
		{"noise does not reset it", 1, whole + "tcp/9; tcp/1; tcp/9;" + whole, "2 " + opened + "\n5 knock.wrong_port\n7 knock.limit"},
		{"time does not reset it", 1, whole + "3600 tcp/1; 3600 tcp/2", "2 " + opened + "\n4 knock.limit"},
		{"by source", 1, whole + "192.0.2.8 tcp/1; 192.0.2.8 tcp/2;" + whole,
			"2 " + opened + "\n4 knock.granted 192.0.2.8 tcp/22 5m0s\n6 knock.limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shared("tcp/1 tcp/2")
			s.KnockLimit = c.limit
			s.OpenPorts = append(s.OpenPorts, s.OpenPorts[0]) // written twice, counted once
			tr := New(Options{Stanzas: []conf.Stanza{s}})
			expect(t, play(tr, strings.Split(strings.TrimSuffix(c.packets, "; "), ";")...), c.want)
		})
	}
}

func TestSources(t *testing.T) {
	net := func(in, out string) (n conf.Nets) {
		for _, p := range strings.Fields(in) {
			n.Include = append(n.Include, netip.MustParsePrefix(p))
		}
		for _, p := range strings.Fields(out) {
			n.Exclude = append(n.Exclude, netip.MustParsePrefix(p))
		}
		return n
	}
	for _, c := range []struct {
		name                           string
		source, destination, blacklist conf.Nets
		want                           string
	}{
		{"covered", net("192.0.2.0/24", ""), conf.Nets{}, conf.Nets{}, "2 " + opened},
		{"not covered", net("192.0.3.0/24", ""), conf.Nets{}, conf.Nets{}, ""},
		{"excluded", net("192.0.2.0/24", "192.0.2.7/32"), conf.Nets{}, conf.Nets{}, ""},
		{"blacklisted", anyone, conf.Nets{}, net("192.0.2.0/29", ""), ""},
		{"at our address", anyone, net("198.51.100.1/32", ""), conf.Nets{}, "2 " + opened},
		{"at another", anyone, net("198.51.100.2/32", ""), conf.Nets{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shared("tcp/1 tcp/2")
			s.Source, s.Destination = c.source, c.destination
			tr := New(Options{Stanzas: []conf.Stanza{s}, Server: &conf.Server{Blacklist: c.blacklist}})
			expect(t, play(tr, "tcp/1", "tcp/2"), c.want)
		})
	}
}

// Each stanza is on its own, and they answer in reading order.
func TestStanzas(t *testing.T) {
	a, b, c := shared("tcp/1 tcp/2"), shared("tcp/2 tcp/3"), shared("tcp/1 tcp/2")
	a.AccessTimeout, b.AccessTimeout, c.AccessTimeout = 1, 2, 3
	tr := New(Options{Stanzas: []conf.Stanza{a, {Mode: conf.ModeSPA, Source: anyone}, b, c}})
	expect(t, play(tr, "tcp/1", "tcp/2", "tcp/3"), `
2 knock.granted 192.0.2.7 tcp/22 1ns
2 knock.granted 192.0.2.7 tcp/22 3ns
3 knock.granted 192.0.2.7 tcp/22 2ns`)
}

func TestExpired(t *testing.T) {
	s := shared("tcp/1 tcp/2")
	s.Expires = epoch.Add(10 * time.Second)
	tr := New(Options{Stanzas: []conf.Stanza{s}})
	expect(t, play(tr, "8 tcp/1", "9 tcp/2", "9 tcp/1", "10 tcp/2", "11 tcp/1", "11 tcp/2"), "2 "+opened)
}

func TestForged(t *testing.T) {
	a, b := shared("tcp/1 tcp/2"), encrypted("k")
	a.Source = conf.Nets{Include: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}}
	tr := New(Options{Stanzas: []conf.Stanza{a, b}})
	expect(t, play(tr,
		"tcp/1",
		"tcp/2 forged",           // would complete it
		"tcp/9 forged",           // would end it
		"192.0.2.8 tcp/1 forged", // not covered
		"192.0.2.8 tcp/61083 forged",
		"tcp/2"), "2 knock.forged_line\n5 knock.forged_line\n6 "+opened)
	if got := tr.Counts(); got.Forged != 2 || got.Granted != 1 || got.Refused != 0 {
		t.Errorf("counts %+v", got)
	}
}
