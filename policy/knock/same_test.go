package knock

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fwknopd/fingerprint"
	"fwknopd/fixtures/draws"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// A datagram can be written as a log line and as the frame that it was.
type datagram struct {
	at          time.Time
	src         netip.Addr
	proto       parse.Proto
	sport, port uint16
	id          uint16
	seq         uint32
	flags       parse.TCPFlags
	ttl         uint8
	win         uint16
	options     []byte
	icmpType    uint8
}

func (d *datagram) header() int {
	if d.proto == parse.TCP {
		return 20 + len(d.options)
	}
	return 8
}

// line is the kernel's record, stamped to the second.
func (d *datagram) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s fw kernel: DROP IN=eth0 OUT= SRC=%s DST=198.51.100.1 LEN=%d TOS=0x00 PREC=0x00 TTL=%d ID=%d DF ",
		d.at.Format("Jan _2 15:04:05"), d.src, 20+d.header(), d.ttl, d.id)
	switch d.proto {
	case parse.TCP:
		fmt.Fprintf(&b, "PROTO=TCP SPT=%d DPT=%d WINDOW=%d RES=0x00 ", d.sport, d.port, d.win)
		for _, f := range []struct {
			bit  parse.TCPFlags
			name string
		}{{parse.ACK, "ACK "}, {parse.RST, "RST "}, {parse.SYN, "SYN "}, {parse.FIN, "FIN "}} {
			if d.flags&f.bit != 0 {
				b.WriteString(f.name)
			}
		}
		b.WriteString("URGP=0 ")
		if len(d.options) > 0 {
			fmt.Fprintf(&b, "OPT (%X) ", d.options)
		}
	case parse.UDP:
		fmt.Fprintf(&b, "PROTO=UDP SPT=%d DPT=%d LEN=8 ", d.sport, d.port)
	case parse.ICMP:
		fmt.Fprintf(&b, "PROTO=ICMP TYPE=%d CODE=0 ", d.icmpType)
		if d.icmpType == 0 || d.icmpType == 8 {
			b.WriteString("ID=1 SEQ=1 ")
		}
	}
	return b.String()
}

// frame is the packet itself, without a link-layer header.
func (d *datagram) frame() []byte {
	b := make([]byte, 20+d.header())
	b[0], b[8], b[9] = 0x45, d.ttl, byte(d.proto)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], d.id)
	b[6] = 0x40
	copy(b[12:], d.src.AsSlice())
	copy(b[16:], us.Addr().AsSlice())
	p := b[20:]
	if d.proto == parse.ICMP {
		p[0] = d.icmpType
		return b
	}
	binary.BigEndian.PutUint16(p, d.sport)
	binary.BigEndian.PutUint16(p[2:], d.port)
	if d.proto == parse.UDP {
		binary.BigEndian.PutUint16(p[4:], 8)
		return b
	}
	binary.BigEndian.PutUint32(p[4:], d.seq)
	p[12], p[13] = byte(d.header()/4)<<4, byte(d.flags)
	binary.BigEndian.PutUint16(p[14:], d.win)
	copy(p[20:], d.options)
	return b
}

// traffic draws packets of a few sources: whole sequences, broken ones, noise,
// retransmissions and records written twice, interleaved at random. Two packets
// are an even number of seconds apart, give or take less than one; the limits of
// the stanzas are odd, so that stamps of a second cannot change what is decided.
func traffic(t *rapid.T, scripts [][]datagram) (all []datagram) {
	sources := []netip.Addr{alice, bob, netip.MustParseAddr("203.0.113.9")}
	at := epoch
	queues := make([][]datagram, len(sources))
	gaps := rapid.SampledFrom([][]int{{0}, {1}, {0, 0, 0, 1, 1, 4, 20}}).Draw(t, "pace")
	for range rapid.SampledFrom([]int{10, 100, 600}).Draw(t, "packets") {
		i := rapid.IntRange(0, len(sources)-1).Draw(t, "source")
		if len(queues[i]) == 0 {
			queues[i] = slices.Clone(rapid.SampledFrom(scripts).Draw(t, "script"))
		}
		var d datagram
		d, queues[i] = queues[i][0], queues[i][1:]
		at = at.Truncate(2 * time.Second).Add(2 * time.Duration(rapid.SampledFrom(gaps).Draw(t, "gap")) * time.Second)
		d.at, d.src = at, sources[i]
		d.sport, d.id = uint16(1024+7919*len(all)%60000), uint16(40503*len(all))
		if rapid.IntRange(0, 19).Draw(t, "odd") == 7 { // what rapid likes: the same small numbers again and again
			d.sport, d.id = rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "id")
		}
		d.seq = rapid.Uint32().Draw(t, "seq")
		if d.proto == parse.TCP && d.flags == parse.SYN {
			system := rapid.SampledFrom(systemsOnTheWire).Draw(t, "system")
			d.ttl, d.win, d.options = system.ttl, system.win, system.options
		}
		all = append(all, d)
		switch rapid.IntRange(0, 9).Draw(t, "again") {
		case 0:
			all = append(all, d)
		case 1:
			d.id++
			all = append(all, d)
		}
	}
	// The frames know the time better than the lines.
	late := rapid.SliceOfN(rapid.IntRange(0, 999), len(all), len(all)).Draw(t, "late")
	for i := range all {
		all[i].at = all[i].at.Add(time.Duration(late[i]) * time.Millisecond)
		if i > 0 && all[i].at.Before(all[i-1].at) {
			all[i].at = all[i-1].at
		}
	}
	return all
}

var systemsOnTheWire = []struct {
	ttl     uint8
	win     uint16
	options []byte
}{
	{55, 5840, []byte("\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x10\x46\xe4\x00\x00\x00\x00\x01\x03\x03\x00")},
	{117, 65535, []byte("\x02\x04\x05\xb4\x01\x01\x04\x02")},
	{64, 1024, nil},
}

// script turns words as in tables into packets.
func script(words ...string) (all []datagram) {
	for _, w := range words {
		p := portOf(w)
		d := datagram{proto: p.Proto, port: p.Number, ttl: 55, icmpType: 8}
		if d.proto == parse.TCP {
			d.flags = parse.SYN
		}
		all = append(all, d)
	}
	return all
}

// The same packets given as log lines and as frames give the same decisions.
func TestLogAndCaptureAgree(t *testing.T) {
	stanzas := []conf.Stanza{
		shared("tcp/1 udp/2 icmp"), shared("tcp/1 tcp/3 tcp/1"), shared("udp/2 tcp/1"), encrypted("key"), encrypted("key"),
	}
	for i := range stanzas {
		stanzas[i].KnockInterval = 59 * time.Second
	}
	stanzas[0].MinTimeDiff, stanzas[0].MaxTimeDiff = -1, 9*time.Second
	stanzas[1].MinTimeDiff, stanzas[1].KnockLimit = time.Second, 2
	stanzas[2].RequireOSRegex = regexp.MustCompile("(?i)linux")
	stanzas[4].PortOffset, stanzas[4].RequireOS, stanzas[4].KnockLimit = 40000, linux, 1
	scripts := [][]datagram{
		script("tcp/1", "udp/2", "icmp"), script("tcp/1", "tcp/3", "tcp/1"), script("udp/2", "tcp/1"),
		script("tcp/1", "tcp/80"), script("tcp/1", "tcp/1"), script("udp/9"), script("icmp"),
	}
	scripts = append(scripts,
		[]datagram{{proto: parse.ICMP, icmpType: 3, ttl: 60}},
		[]datagram{{proto: parse.TCP, port: 1, flags: parse.ACK | parse.FIN, ttl: 60}})
	for i, s := range []*conf.Stanza{&stanzas[3], &stanzas[4]} {
		text := encrypt(passphrase(s), salt(byte(i)), clearText("0.0.0.0", "tcp/443", "eightchr"))
		scripts = slices.Insert(scripts, 0, script(knocksFor(s, text, "")...)) // in front: drawn more often
	}
	seen := make(map[string]int)
	agree := func(t *rapid.T) {
		packets := traffic(t, scripts)
		log, capture := decideBoth(t, stanzas, packets)
		if log != capture {
			t.Fatalf("log:\n%s\ncapture:\n%s", log, capture)
		}
		for line := range strings.SplitSeq(log, "\n") {
			if _, after, ok := strings.Cut(line, "knock."); ok {
				reason, _, _ := strings.Cut(after, " ")
				seen[reason]++
			}
		}
	}
	missing := func() string {
		for _, reason := range []string{"granted", "wrong_port", "timeout", "too_fast", "too_slow", "limit", "os", "replay"} {
			if seen[reason] == 0 {
				return fmt.Sprintf("%q of %v", reason, seen)
			}
		}
		return ""
	}
	draws.Until(t, missing, agree)
}

func decideBoth(t *rapid.T, stanzas []conf.Stanza, packets []datagram) (log, capture string) {
	dec, err := parse.NewDecoder(parse.LinkRaw)
	if err != nil {
		t.Fatal(err)
	}
	var lines, frames []*parse.Event
	for i := range packets {
		var a, b parse.Event
		if err := parse.LogLine([]byte(packets[i].line()), epoch.Add(24*time.Hour), &a); err != nil {
			t.Fatalf("%s: %v", packets[i].line(), err)
		}
		if err := dec.Frame(packets[i].frame(), packets[i].at, &b); err != nil {
			t.Fatal(err)
		}
		lines, frames = append(lines, &a), append(frames, &b)
	}
	fresh := func() *Tracker {
		return New(Options{Stanzas: stanzas, Matcher: fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops)})
	}
	return decide(fresh(), lines), decide(fresh(), frames)
}
