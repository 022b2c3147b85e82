package iptables

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
)

var addr = netip.MustParseAddr

func TestParseRule(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       spec
	}{
		{"ours", `-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m time --datestop 2023-11-14T22:13:20 -m comment --comment "_exp_1700000001 fwknopd:3:1d7e9a40" -j ACCEPT`,
			spec{src: addr("192.0.2.7"), proto: enforce.TCP, dport: 22, stop: 1700000000, comment: "_exp_1700000001 fwknopd:3:1d7e9a40", target: "ACCEPT"}},
		{"the C daemon's", `-A FWKNOP_INPUT -s 192.0.2.7/32 -p udp -m udp --dport 53 -m comment --comment _exp_1700000001 -j ACCEPT`,
			spec{src: addr("192.0.2.7"), proto: enforce.UDP, dport: 53, comment: "_exp_1700000001", target: "ACCEPT"}},
		{"numeric protocol", `-A FWKNOP_INPUT -s 192.0.2.7/32 -p 6 -m tcp --dport 22 -j ACCEPT`,
			spec{src: addr("192.0.2.7"), proto: enforce.TCP, dport: 22, target: "ACCEPT"}},
		{"output", `-A FWKNOP_OUTPUT -d 192.0.2.7/32 -p tcp -m tcp --sport 22 -j ACCEPT`,
			spec{dst: addr("192.0.2.7"), proto: enforce.TCP, sport: 22, target: "ACCEPT"}},
		{"icmp", `-A FWKNOP_INPUT -s 2001:db8::7/128 -p ipv6-icmp -j ACCEPT`,
			spec{src: addr("2001:db8::7"), proto: enforce.ICMPv6, target: "ACCEPT"}},
		{"dnat", `-A FWKNOP_PREROUTING -s 2001:db8::7/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080`,
			spec{src: addr("2001:db8::7"), proto: enforce.TCP, dport: 80, target: "DNAT", to: "[fd00::2]:8080"}},
		{"quotes", `-A X -s 192.0.2.7/32 -m comment --comment "say \"hi\" \\ \'x\'" -j ACCEPT`,
			spec{src: addr("192.0.2.7"), comment: `say "hi" \ 'x'`, target: "ACCEPT"}},
		{"guard", `-A FWKNOP_GUARD -s 192.0.2.7/32 -p tcp -m conntrack --ctstate NEW --ctorigdst 198.51.100.1 --ctorigdstport 8080 --ctdir ORIGINAL -j RETURN`,
			spec{src: addr("192.0.2.7"), dst: addr("198.51.100.1"), proto: enforce.TCP, dport: 8080, origin: true, target: "RETURN"}},
		{"drop of the guard", `-A FWKNOP_GUARD -p udp -m conntrack --ctstate NEW --ctorigdstport 5000 --ctdir ORIGINAL -j DROP`, drop(enforce.Port{Proto: enforce.UDP, Number: 5000})},
		{"established", `-A X -s 192.0.2.7/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`, spec{src: addr("192.0.2.7"), origin: true, target: "ACCEPT", unknown: true}},
		{"a match we never write", `-A X -s 192.0.2.7/32 -i eth0 -j ACCEPT`, spec{src: addr("192.0.2.7"), target: "ACCEPT", unknown: true}},
		{"negated", `-A X ! -s 192.0.2.7/32 -j ACCEPT`, spec{src: addr("192.0.2.7"), target: "ACCEPT", unknown: true}},
		{"prefix", `-A FWKNOP_INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -m comment --comment "fwknopd:3:1d7e9a40" -j ACCEPT`,
			spec{src: addr("192.0.2.0"), srcBits: 24, proto: enforce.TCP, dport: 22, comment: "fwknopd:3:1d7e9a40", target: "ACCEPT"}},
		{"prefix of IPv6, output", `-A FWKNOP_OUTPUT -d 2001:db8::/64 -p tcp -m tcp --sport 22 -m comment --comment "fwknopd:3:1d7e9a40" -j ACCEPT`,
			spec{dst: addr("2001:db8::"), dstBits: 64, proto: enforce.TCP, sport: 22, comment: "fwknopd:3:1d7e9a40", target: "ACCEPT"}},
		{"everywhere", `-A X -s 0.0.0.0/0 -m comment --comment "fwknopd:3:1d7e9a40" -j ACCEPT`,
			spec{src: addr("0.0.0.0"), comment: "fwknopd:3:1d7e9a40", target: "ACCEPT", unknown: true}},
		{"network of the C daemon", `-A X -s 192.0.2.0/24 -m comment --comment _exp_1700000001 -j ACCEPT`,
			spec{src: addr("192.0.2.0"), comment: "_exp_1700000001", target: "ACCEPT", unknown: true}},
		{"network", `-A X -s 192.0.2.0/24 -j ACCEPT`, spec{src: addr("192.0.2.0"), target: "ACCEPT", unknown: true}},
	} {
		chain, got, ok := parseRule(c.line)
		if !ok || got != c.want || !strings.Contains(c.line, "-A "+chain+" ") {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, ok, c.want)
		}
	}
	for _, line := range []string{"", "-P INPUT ACCEPT", "-N FWKNOP_INPUT", "-A X", `-A X -m comment --comment "open -j ACCEPT`, "-A X -s 192.0.2.7/32"} {
		if _, s, ok := parseRule(line); ok {
			t.Errorf("parseRule(%q) = %+v, want none", line, s)
		}
	}
}

// FuzzSpec: a rule that we write is read back the same, and nothing in it can end
// a line or begin another option.
func FuzzSpec(f *testing.F) {
	f.Add([]byte{192, 0, 2, 7}, []byte{}, uint8(6), uint16(0), uint16(22), int64(1700000000), "_exp_1 fwknopd:3:1")
	f.Add(addr("2001:db8::7").AsSlice(), addr("::1").AsSlice(), uint8(58), uint16(0), uint16(0), int64(0), `a "b" \c`)
	f.Fuzz(func(t *testing.T, src, dst []byte, proto uint8, sport, dport uint16, stop int64, comment string) {
		if strings.ContainsAny(comment, "\n\x00") || stop < 0 || stop > lastDate.Unix() {
			return
		}
		s := spec{proto: enforce.Proto(proto), stop: stop, comment: comment, target: "ACCEPT", origin: dport%2 == 1 && sport == 0}
		s.src, _ = netip.AddrFromSlice(src)
		s.dst, _ = netip.AddrFromSlice(dst)
		if enforce.Proto(proto) == enforce.TCP || enforce.Proto(proto) == enforce.UDP {
			s.sport, s.dport = sport, dport
		}
		line := "-A FWKNOP_INPUT " + s.args()
		chain, back, ok := parseRule(line)
		if !ok || back != s || chain != "FWKNOP_INPUT" {
			t.Fatalf("%q reads %+v, was %+v", line, back, s)
		}
	})
}

// FuzzParseRule: a rule whose matches are all known is what was read: written again, it
// reads the same.
func FuzzParseRule(f *testing.F) {
	f.Add(`-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m comment --comment "_exp_1700000001 fwknopd:3:1d7e9a40" -j ACCEPT`)
	f.Add(`-A X ! -s 192.0.2.7/32 -j DNAT --to-destination 1.2.3.4-1.2.3.5:80`)
	f.Fuzz(func(t *testing.T, line string) {
		chain, s, ok := parseRule(line)
		if !ok || s.unknown || strings.ContainsAny(line, "\n\x00") {
			return
		}
		written := "-A X " + s.args()
		if _, again, ok := parseRule(written); !ok || again != s {
			t.Fatalf("%q of %q is %+v, written %q it is %+v", line, chain, s, written, again)
		}
	})
}

func TestScript(t *testing.T) {
	var s script
	if !s.empty() || s.text() != "" {
		t.Error("an empty script has text")
	}
	s.add("filter", "-A F 1")
	s.add("mangle", "-A M 1")
	s.add("nat", "-A N 1")
	s.add("filter", "-A F 2")
	want := "*nat\n-A N 1\nCOMMIT\n*mangle\n-A M 1\nCOMMIT\n*filter\n-A F 1\n-A F 2\nCOMMIT\n"
	if got := s.text(); got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
}

func TestPath6(t *testing.T) {
	for path, want := range map[string]string{
		"iptables": "ip6tables", "/usr/sbin/iptables-legacy": "/usr/sbin/ip6tables-legacy", "/opt/iptables/sbin/iptables": "/opt/iptables/sbin/ip6tables",
	} {
		if got := path6(path); got != want {
			t.Errorf("path6(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestPidRing(t *testing.T) {
	var r pidRing
	for pid := range 100 {
		r.start()(pid + 1)
	}
	got := []bool{r.has(100), r.has(37), r.has(36), r.has(200)}
	if !slices.Equal(got, []bool{true, true, false, false}) {
		t.Errorf("has = %v", got)
	}
}

// TestPidRingWaits: the change of a program that runs ahead of its process id is ours. That
// of a program that could not be started is not waited for.
func TestPidRingWaits(t *testing.T) {
	var r pidRing
	started := r.start()
	asked, mine := make(chan struct{}), make(chan bool)
	go func() {
		close(asked)
		mine <- r.has(42)
	}()
	<-asked
	select {
	case <-mine:
		t.Error("answered before the program had a process id")
	case <-time.After(10 * time.Millisecond):
		started(42)
		if !<-mine {
			t.Error("the program is not known")
		}
	}
	started(0)
	r.start()(0)
	if r.has(0) {
		t.Error("a program that was not started has process id 0")
	}
}
