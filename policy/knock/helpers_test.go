package knock

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/openssl"
)

var (
	epoch  = time.Date(2026, 7, 11, 23, 31, 55, 0, time.UTC)
	alice  = netip.MustParseAddr("192.0.2.7")
	bob    = netip.MustParseAddr("192.0.2.8")
	us     = netip.MustParseAddrPort("198.51.100.1:0")
	anyone = conf.Nets{Include: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
)

// shared returns a stanza as the configuration reader fills it in.
func shared(sequence string) conf.Stanza {
	s := blank()
	s.Mode = conf.ModeShared
	for _, w := range strings.Fields(sequence) {
		s.Sequence = append(s.Sequence, portOf(w))
	}
	return s
}

func encrypted(key string) conf.Stanza {
	s := blank()
	s.Mode = conf.ModeEncrypted
	s.Key = conf.NewSecret([]byte(key))
	s.Dialect = conf.Perl19
	s.PortOffset = 61000
	return s
}

func blank() conf.Stanza {
	return conf.Stanza{
		Source: anyone, SourceAddress: anyone,
		OpenPorts:     []conf.Port{{Proto: 6, Number: 22}},
		AccessTimeout: 5 * time.Minute,
		KnockInterval: time.Minute, KnockLimit: -1, MinTimeDiff: -1, MaxTimeDiff: -1,
	}
}

// portOf reads tcp/22, udp/53 or icmp.
func portOf(s string) conf.Port {
	proto, number, slash := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if slash && err != nil {
		panic(err)
	}
	p := map[string]parse.Proto{"tcp": parse.TCP, "udp": parse.UDP, "icmp": parse.ICMP, "icmp6": parse.ICMPv6}
	return conf.Port{Proto: p[proto], Number: uint16(n)}
}

// A wire makes packets; each has a source port and an identification of its own,
// unless the packet says otherwise.
type wire struct{}

// sent counts the packets of all wires, so that no two are alike by chance.
var sent int

// packet reads what a table says: [seconds] [source] proto/port [key=value …]
// with keys sport, id, seq, flags, type, dst; "forged" for a line that the
// kernel did not write. What is left out is 0 s, alice, SYN, echo request.
func (*wire) packet(text string) *parse.Event {
	sent++
	ev := &parse.Event{Time: epoch, Origin: parse.OriginKernel, ID: uint16(sent * 1000), Dst: us}
	src, sport := alice, uint16(40000+sent*7)
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 32)
		if s, err := strconv.ParseFloat(word, 64); err == nil {
			ev.Time = epoch.Add(time.Duration(s * float64(time.Second)))
			continue
		}
		if a, err := netip.ParseAddr(word); err == nil {
			src = a
			continue
		}
		switch key {
		case "sport":
			sport = uint16(n)
		case "id":
			ev.ID = uint16(n)
		case "seq":
			ev.Seq, ev.HasSeq = uint32(n), true
		case "type":
			ev.ICMPType = uint8(n)
		case "dst":
			ev.Dst = netip.AddrPortFrom(netip.MustParseAddr(value), ev.Dst.Port())
		case "flags":
			ev.Flags = parse.TCPFlags(n)
		case "forged":
			ev.Origin = parse.OriginUnknown
		default:
			p := portOf(word)
			ev.Proto = p.Proto
			ev.Dst = netip.AddrPortFrom(ev.Dst.Addr(), p.Number)
			switch ev.Proto {
			case parse.TCP:
				ev.Flags = parse.SYN
			case parse.ICMP:
				ev.ICMPType = 8
			case parse.ICMPv6:
				ev.ICMPType = 128
			}
		}
	}
	if ev.Proto == parse.ICMP || ev.Proto == parse.ICMPv6 {
		sport = 0
	}
	ev.Src = netip.AddrPortFrom(src, sport)
	return ev
}

// play steps through packets and returns what came of them, one line a result:
// the packet's number from 1, the reason, and what is granted.
func play(tr *Tracker, packets ...string) string {
	var w wire
	var b strings.Builder
	for i, p := range packets {
		ev := w.packet(p)
		for _, r := range tr.Step(ev.Time, ev, nil) {
			fmt.Fprintf(&b, "%d %s\n", i+1, show(&r))
		}
	}
	return strings.TrimSpace(b.String())
}

func show(r *Result) string {
	if !r.Granted {
		return r.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", r.Reason, r.Allow, ports(r.Ports), r.Timeout, r.User))
}

func ports(ps []enforce.Port) string {
	var names []string
	for _, p := range ps {
		names = append(names, p.String())
	}
	return strings.Join(names, ",")
}

// clearText is a message: address, proto/port, user. Other than that of a Request it may be
// one that no client sends.
func clearText(addr, port, user string) []byte {
	a, p := netip.MustParseAddr(addr).As4(), portOf(port)
	b := append(a[:], byte(p.Number>>8), byte(p.Number), byte(p.Proto))
	return append(append(b, checksum(b)), user...)
}

// knocksFor returns the packets that carry a cipher text for stanza s.
func knocksFor(s *conf.Stanza, text []byte, extra string) []string {
	var packets []string
	for _, b := range text {
		packets = append(packets, strings.TrimSpace(fmt.Sprintf("tcp/%d %s", int(s.PortOffset)+int(b), extra)))
	}
	return packets
}

func salt(n byte) [openssl.SaltSize]byte { return [openssl.SaltSize]byte{n, 1, 2, 3, 4, 5, 6, 7} }

func expect(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
