package parse

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

const (
	linkPart = "Jul  3 04:05:06 gate kernel: X IN=eth0 OUT= MAC=33:10:a9:e2:3a:0e:75:87:8f:c8:66:d3:08:00 "
	addrPart = "SRC=192.0.2.7 DST=198.51.100.10 "
	ip4Part  = addrPart + "LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=33561 "
	ip6Part  = "SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=2001:0db8:0000:0000:0000:0000:0000:0002 " +
		"LEN=80 TC=0 HOPLIMIT=57 FLOWLBL=123456 "
	tcpPart = "PROTO=TCP SPT=47594 DPT=22 WINDOW=5840 RES=0x00 SYN URGP=0 "
)

// show writes an event as a test table can hold it: the fields of the record, and
// no others.
func show(ev *Event) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v>%v proto=%d len=%d ttl=%d id=%d", ev.Src, ev.Dst, ev.Proto, ev.Len, ev.TTL, ev.ID)
	for _, f := range []struct {
		name string
		set  bool
	}{{"DF", ev.DF}, {"IPOPT", ev.IPOptions}, {"FRAG", ev.Fragment}} {
		if f.set {
			s.WriteString(" " + f.name)
		}
	}
	switch ev.Proto {
	case ICMP, ICMPv6:
		fmt.Fprintf(&s, " type=%d code=%d", ev.ICMPType, ev.ICMPCode)
	case TCP:
		fmt.Fprintf(&s, " flags=%02x res=%x win=%d urg=%d", uint8(ev.Flags), ev.Reserved, ev.Window, ev.Urgent)
		if ev.HasSeq {
			fmt.Fprintf(&s, " seq=%d ack=%d", ev.Seq, ev.Ack)
		}
		if ev.HasOptions {
			fmt.Fprintf(&s, " opt=(%x)", ev.Options())
		}
	}
	return s.String()
}

func TestLogLineFields(t *testing.T) {
	const (
		ip4  = "192.0.2.7:0>198.51.100.10:0 "
		tcp4 = "192.0.2.7:47594>198.51.100.10:22 proto=6 len=60 ttl=57 id=33561"
		syn  = " flags=02 res=0 win=5840 urg=0"
		udp4 = "192.0.2.7:1>198.51.100.10:2 proto=17 len=60 ttl=57 id=33561"
		udp  = "PROTO=UDP SPT=1 DPT=2 LEN=40 "
		ip6  = "[2001:db8::1]:0>[2001:db8::2]:0 "
		tcp6 = "[2001:db8::1]:47594>[2001:db8::2]:22 proto=6 len=80 ttl=57 id=0"
	)
	tcp := func(s string) string { return linkPart + ip4Part + "PROTO=TCP SPT=47594 DPT=22 " + s }
	in := func(link string) string { return "[ 1.000000] X IN=br0 OUT= " + link + ip4Part + tcpPart }
	for _, c := range []struct{ name, line, want string }{
		{"no options logged", linkPart + ip4Part + tcpPart, tcp4 + syn},
		{"options", linkPart + ip4Part + tcpPart + "OPT (020405B4) ", tcp4 + syn + " opt=(020405b4)"},
		{"options, 40 bytes", linkPart + ip4Part + tcpPart + "OPT (" + strings.Repeat("01", 40) + ") ", tcp4 + syn + " opt=(" + strings.Repeat("01", 40) + ")"},
		{"options, any case", linkPart + ip4Part + tcpPart + "OPT (0aBcDeFf90)", tcp4 + syn + " opt=(0abcdeff90)"},
		{"options cut short on the wire", linkPart + ip4Part + tcpPart + "OPT (TRUNCATED)", tcp4 + syn},
		{"options, mark", linkPart + ip4Part + tcpPart + "OPT (020405B4) MARK=0x1f ", tcp4 + syn + " opt=(020405b4)"},
		{"options, owner", linkPart + ip4Part + tcpPart + "OPT (020405B4) UID=0 GID=0 ", tcp4 + syn + " opt=(020405b4)"},
		{"nothing behind the record", strings.TrimRight(linkPart+ip4Part+tcpPart, " "), tcp4 + syn},
		{"no room for options", strings.Replace(linkPart+ip4Part+tcpPart, "LEN=60", "LEN=40", 1), strings.Replace(tcp4, "=60", "=40", 1) + syn + " opt=()"},
		{"room for three bytes", strings.Replace(linkPart+ip4Part+tcpPart, "LEN=60", "LEN=43", 1), strings.Replace(tcp4, "=60", "=43", 1) + syn + " opt=()"},
		{"room for four bytes", strings.Replace(linkPart+ip4Part+tcpPart, "LEN=60", "LEN=44", 1), strings.Replace(tcp4, "=60", "=44", 1) + syn},
		{"no length, a super-packet", strings.Replace(linkPart+ip4Part+tcpPart, "LEN=60", "LEN=0", 1), strings.Replace(tcp4, "=60", "=0", 1) + syn},

		{"no flags", tcp("WINDOW=1 RES=0x00 URGP=0 "), tcp4 + " flags=00 res=0 win=1 urg=0"},
		{"all flags", tcp("WINDOW=1 RES=0x3c CWR ECE URG ACK PSH RST SYN FIN URGP=9 "), tcp4 + " flags=ff res=f win=1 urg=9"},
		{"accurate ECN", tcp("WINDOW=1 RES=0x00 AE CWR ECE SYN URGP=0 "), tcp4 + " flags=c2 res=1 win=1 urg=0"},
		{"sequence numbers", tcp("SEQ=4294967295 ACK=7 WINDOW=1 RES=0x00 ACK URGP=0 "), tcp4 + " flags=10 res=0 win=1 urg=0 seq=4294967295 ack=7"},
		{"ulogd", strings.Replace(linkPart+ip4Part, "TOS=0x00", "TOS=00", 1) + "PROTO=TCP SPT=47594 DPT=22 SEQ=1 ACK=0 WINDOW=1 SYN URGP=0 MARK=0 ", tcp4 + " flags=02 res=0 win=1 urg=0 seq=1 ack=0"},

		{"no DF elsewhere", linkPart + ip4Part + "MF " + udp, udp4 + " FRAG"},
		{"DF", linkPart + ip4Part + "DF " + udp, udp4 + " DF"},
		{"CE DF MF", linkPart + ip4Part + "CE DF MF " + udp, udp4 + " DF FRAG"},
		{"DF, IP options", linkPart + ip4Part + "DF OPT (94040000) " + udp, udp4 + " DF IPOPT"},
		{"IP and TCP options", linkPart + ip4Part + "DF OPT (94040000) " + tcpPart + "OPT (020405B4) ", tcp4 + " DF IPOPT" + syn + " opt=(020405b4)"},
		{"first fragment", linkPart + ip4Part + "MF " + udp, udp4 + " FRAG"},
		{"UDP, mark", linkPart + ip4Part + udp + "MARK=0x1 ", udp4},

		{"echo", linkPart + ip4Part + "PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 ", ip4 + "proto=1 len=60 ttl=57 id=33561 type=8 code=0"},
		{"timestamp", linkPart + ip4Part + "PROTO=ICMP TYPE=13 CODE=0 ", ip4 + "proto=1 len=60 ttl=57 id=33561 type=13 code=0"},
		{"unreachable", linkPart + ip4Part + "PROTO=ICMP TYPE=3 CODE=4 [SRC=6.6.6.6 DST=7.7.7.7 LEN=60 TOS=0x00 PREC=0x00 TTL=1 ID=1 DF PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 SYN URGP=0 ] MTU=1400 ", ip4 + "proto=1 len=60 ttl=57 id=33561 type=3 code=4"},
		{"redirect", linkPart + ip4Part + "PROTO=ICMP TYPE=5 CODE=1 GATEWAY=6.6.6.6 [SRC=6.6.6.6 DST=7.7.7.7 ] ", ip4 + "proto=1 len=60 ttl=57 id=33561 type=5 code=1"},
		{"parameter problem", linkPart + ip4Part + "PROTO=ICMP TYPE=12 CODE=0 PARAMETER=20 ", ip4 + "proto=1 len=60 ttl=57 id=33561 type=12 code=0"},
		{"ESP", linkPart + ip4Part + "PROTO=ESP SPI=0x1234 ", ip4 + "proto=50 len=60 ttl=57 id=33561"},
		{"AH", linkPart + ip4Part + "PROTO=AH INCOMPLETE [4 bytes] ", ip4 + "proto=51 len=60 ttl=57 id=33561"},
		{"UDPLITE has no ports here", linkPart + ip4Part + "PROTO=UDPLITE SPT=1 DPT=2 LEN=9 ", ip4 + "proto=136 len=60 ttl=57 id=33561"},
		{"SCTP", linkPart + ip4Part + "PROTO=SCTP SPT=1 DPT=2 ", ip4 + "proto=132 len=60 ttl=57 id=33561"},
		{"by number", linkPart + ip4Part + "PROTO=2", ip4 + "proto=2 len=60 ttl=57 id=33561"},

		{"IPv6", linkPart + ip6Part + tcpPart + "OPT (020405A0) ", tcp6 + syn + " opt=(020405a0)"},
		{"IPv6, no room for options", strings.Replace(linkPart+ip6Part+tcpPart, "LEN=80", "LEN=60", 1), strings.Replace(tcp6, "=80", "=60", 1) + syn + " opt=()"},
		{"IPv6 echo", linkPart + ip6Part + "PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=1 ", ip6 + "proto=58 len=80 ttl=57 id=0 type=128 code=0"},
		{"IPv6 as inet_ntop writes it", linkPart + "SRC=2001:db8::1 DST=2001:db8::2 LEN=80 TC=0 HOPLIMIT=57 FLOWLBL=0 " + tcpPart, tcp6 + syn},
		{"IPv6, header options", linkPart + ip6Part + "OPT ( ) OPT ( AH SPI=0x1 ) " + tcpPart, tcp6 + syn},
		{"IPv6, first fragment", linkPart + ip6Part + "FRAG:0 INCOMPLETE ID:0000002a " + tcpPart, tcp6 + " FRAG" + syn},
		{"IPv6, first fragment, options", linkPart + ip6Part + "OPT ( FRAG:0 INCOMPLETE ID:0000002a ) " + tcpPart, tcp6 + " FRAG" + syn},
		{"IPv6, whole fragment", linkPart + ip6Part + "FRAG:0 ID:0000002a " + tcpPart, tcp6 + syn},
		{"IPv6, no next header", linkPart + ip6Part + "PROTO=59 ", ip6 + "proto=59 len=80 ttl=57 id=0"},

		{"no link layer", in(""), tcp4 + syn},
		{"empty MAC", in("MAC= "), tcp4 + syn},
		{"bridge", in("PHYSIN=veth1 PHYSOUT=veth2 MAC=00:01:02 "), tcp4 + syn},
		{"decoded MAC", in("MACSRC=36:dc:e9:33:88:78 MACDST=4a:c2:65:47:26:4b MACPROTO=0800 "), tcp4 + syn},
		{"decoded MAC, VLAN", in("MACSRC=36:dc:e9:33:88:78 MACDST=4a:c2:65:47:26:4b VPROTO=8100 VID=5 MACPROTO=0800 "), tcp4 + syn},
		{"MAC, VLAN", in("MAC=00:01:02 VPROTO=8100 VID=5 "), tcp4 + syn},
		{"tunnel", in("MAC=00:01:02 TUNNEL=6.6.6.6->7.7.7.7 "), tcp4 + syn},
		{"made here", strings.Replace(in(""), "IN=br0 OUT=", "IN= OUT=br0", 1), tcp4 + syn},
		{"more blanks", strings.NewReplacer(" OUT", "  OUT", " TTL", "  TTL", " SPT", "   SPT", " URGP", "   URGP").Replace(in("")), tcp4 + syn},
		{"leading zeros", strings.Replace(in(""), "TTL=57", "TTL=0057", 1), tcp4 + syn},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(parseLine(t, c.line)); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.line, got, c.want)
			}
		})
	}
}

// TestLogLineRefused: a record that is off in one place makes no event.
func TestLogLineRefused(t *testing.T) {
	sound := linkPart + ip4Part + "DF " + tcpPart + "OPT (020405B4) "
	parseLine(t, sound)
	numbers := []string{"", "-1", "+60", "0x10", "1e3", "1.5", "abc", "60abc", "%d", "\u0661", " 1",
		"65536", "4294967296", "18446744073709551616", strings.Repeat("9", 40)}
	type edit struct{ old, new string }
	edits := []edit{
		{"SRC=192.0.2.7", "SRC="}, {"SRC=192.0.2.7", "SRC= 192.0.2.7"}, {"SRC=192.0.2.7", "SRC=256.1.1.1"},
		{"SRC=192.0.2.7", "SRC=1.2.3"}, {"SRC=192.0.2.7", "SRC=1.2.3.4.5"}, {"SRC=192.0.2.7", "SRC=01.2.3.4"},
		{"SRC=192.0.2.7", "SRC=1.2.3.4/24"}, {"SRC=192.0.2.7", "SRC=1.2.3.4,5.6.7.8"}, {"SRC=192.0.2.7", "SRC=localhost"},
		{"SRC=192.0.2.7", "SRC=fe80::1"}, {"SRC=192.0.2.7", "SRC=\x00192.0.2.7"}, {"SRC=192.0.2.7", "SRC=1.2.3.1234"},
		{"SRC=192.0.2.7", "SRC=1..2.3"}, {"SRC=192.0.2.7", "src=192.0.2.7"}, {"SRC=192.0.2.7 ", ""},
		{"SRC=192.0.2.7", "SRC=192.0.2.7 SRC=192.0.2.8"}, {"DST=198.51.100.10", "DST=2001:db8::1"},
		{"DST=198.51.100.10 ", ""}, {"LEN=60 ", ""}, {"LEN=60", "LEN=60 LEN=60"}, {"TOS=0x00", "TOS=0x0g"},
		{"TOS=0x00", "TOS=0x000"}, {"PREC=0x00", "PREC=00"}, {"TTL=57", "TTL=256"}, {"TTL=57 ", ""},
		{"ID=33561 ", ""}, {"DF ", "XF "}, {"DF ", "DFX "}, {"PROTO=TCP", "PROTO=TCPX"}, {"PROTO=TCP", "PROTO="},
		{"PROTO=TCP", "PROTO=6"}, {"PROTO=TCP", "PROTO=17"}, {"PROTO=TCP", "PROTO=256"}, {"PROTO=TCP", "PROTO=UDP"},
		{"PROTO=TCP", "PROTO=ICMP"}, {"PROTO=TCP", "proto=tcp"}, {"SPT=47594 ", ""}, {"DPT=22 ", ""},
		{"WINDOW=5840 ", ""}, {"RES=0x00", "RES=0x0"}, {"SYN ", "syn "}, {"SYN ", "SYN SYN "}, {"SYN ", "ASYNC "},
		{"SYN ", "NULL "}, {"SYN ", "SYN\x00 "}, {"SYN ", "SYN WIN "}, {"URGP=0 ", ""}, {"URGP=0", "URGP=0x0"},
		{"OPT (020405B4)", "OPT (020405B)"}, {"OPT (020405B4)", "OPT ()"}, {"OPT (020405B4)", "OPT (020405BG)"},
		{"OPT (020405B4)", "OPT (0204 05B4)"}, {"OPT (020405B4)", "OPT (0x020405B4)"}, {"OPT (020405B4)", "OPT (020405B4"},
		{"OPT (020405B4)", "OPT(020405B4)"}, {"OPT (020405B4)", "OPT 020405B4"}, {"OPT (020405B4)", "OPT=(020405B4)"},
		{"OPT (020405B4)", "OPT (" + strings.Repeat("01", 41) + ")"}, {"OPT (020405B4)", "OPT (" + strings.Repeat("01", 4000) + ")"},
		{"OPT (020405B4)", "OPT (\xff\xff\xff\xff\xff\xff\xff\xff)"}, {"OPT (020405B4)", "OPT (((020405B4)))"},
		{"MAC=33", "MAC= 33"}, {"MAC=33", "mac=33"}, {"OUT=", "OUT= OUT="}, {"DF ", "OPT (94040000) DF "}, {"DF ", "OPT (9404000) "},
		{"DF ", "FRAG:8192 "}, {"DF ", "FRAG:x "},
	}
	for _, field := range []string{"LEN=60", "TTL=57", "ID=33561", "SPT=47594", "DPT=22", "WINDOW=5840", "URGP=0"} {
		key, _, _ := strings.Cut(field, "=")
		for _, n := range numbers {
			edits = append(edits, edit{field, key + "=" + n})
		}
	}
	for _, e := range edits {
		line := strings.Replace(sound, e.old, e.new, 1)
		if line == sound {
			t.Fatalf("%q is not in the line", e.old)
		}
		var ev Event
		if err := LogLine([]byte(line), logRef, &ev); !errors.Is(err, ErrMalformed) || !errors.Is(err, ErrSkip) {
			t.Errorf("%q for %q: %v, want malformed", e.new, e.old, err)
		}
	}
	for n := strings.Index(sound, "OUT=") + 4; n < strings.Index(sound, "URGP=")+6; n++ {
		var ev Event
		if err := LogLine([]byte(sound[:n]), logRef, &ev); err == nil {
			t.Errorf("cut to %q: an event", sound[:n])
		}
	}
}

func TestLogLineRefusedOther(t *testing.T) {
	for _, c := range []struct {
		line string
		kind error
	}{
		{ip4Part + "FRAG:185 PROTO=UDP ", ErrNotOurs},
		{ip4Part + "MF FRAG:185 OPT (94040000) PROTO=TCP ", ErrNotOurs},
		{ip4Part + "PROTO=TCP INCOMPLETE [8 bytes] ", ErrNotOurs},
		{ip4Part + "PROTO=UDP INCOMPLETE [2 bytes] ", ErrNotOurs},
		{ip4Part + "PROTO=ICMP INCOMPLETE [2 bytes] ", ErrNotOurs},
		{ip4Part + "PROTO=ICMP TYPE=3 CODE=1 INCOMPLETE [8 bytes] ", ErrNotOurs},
		{ip4Part + "TRUNCATED", ErrNotOurs},
		{ip4Part + "PROTO=58 ", ErrNotOurs},
		{ip6Part + "PROTO=1 ", ErrNotOurs},
		{ip6Part, ErrNotOurs}, // ESP
		{ip6Part + "OPT ( ESP SPI=0x1 )", ErrNotOurs},
		{ip6Part + "FRAG:1448 INCOMPLETE ID:0000002a PROTO=TCP ", ErrNotOurs},
		{ip6Part + "OPT ( FRAG:1448 ID:0000002a ) PROTO=TCP ", ErrNotOurs},
		{ip6Part + "OPT ( FRAG:TRUNCATED ", ErrMalformed},
		{ip6Part + "Unknown Ext Hdr 253", ErrNotOurs},
		{ip4Part, ErrMalformed},
		{ip4Part + "PROTO=UDP SPT=1 DPT=2 ", ErrMalformed},
		{ip4Part + "PROTO=UDP SPT=1 DPT=2 LEN=9x", ErrMalformed},
		{ip4Part + "PROTO=UDP SPT=1 DPT=2 WINDOW=5 RES=0x00 SYN URGP=0 ", ErrMalformed},
		{ip4Part + "PROTO=ICMP TYPE=256 CODE=0 ", ErrMalformed},
		{ip4Part + "PROTO=ICMP TYPE=8 ", ErrMalformed},
		{strings.Replace(ip6Part, "2001:0db8:0000:0000:0000:0000:0000:0001", "0000:0000:0000:0000:0000:ffff:c000:0207", 1) + tcpPart, ErrMalformed},
		{strings.Replace(ip6Part, "HOPLIMIT=57", "HOPLIMIT=256", 1) + tcpPart, ErrMalformed},
		{strings.Replace(ip6Part, "FLOWLBL=123456", "FLOWLBL=1048576", 1) + tcpPart, ErrMalformed},
		{strings.Replace(ip6Part, "TC=0 ", "", 1) + tcpPart, ErrMalformed},
		{ip6Part + "OPT (00) " + tcpPart, ErrMalformed},
	} {
		var ev Event
		if err := LogLine([]byte(linkPart+c.line), logRef, &ev); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", c.line, err, c.kind)
		}
	}
}

// TestAddress compares the in-place address parser with net/netip.
func TestAddress(t *testing.T) {
	for _, s := range []string{
		"0.0.0.0", "255.255.255.255", "1.2.3.4", "10.200.30.4", "1.2.3", "1.2.3.4.", "1.2.3.256", "01.2.3.4", "1.2.3.04", "00.0.0.0",
		"1.2.3.4444", ".1.2.3", "1.2..3", "", ":", "::", "::1", "1::", "1::8", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1::2::3", ":1", "1:", "1:::2", "12345::", "g::", "fe80::1%eth0", "::1.2.3.4",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "64:ff9b::192.0.2.1", "2001:0DB8:0:0::1", "fd00:0a77:0000:0000:0000:0000:0000:0002",
		"::ffff:1.2.3.4", "::ffff:102:304", "1:2:3:4:5:6:7:", "::1:2:3:4:5:6:7:8",
	} {
		want, err := netip.ParseAddr(s)
		sound := err == nil && !want.Is4In6() && want.Zone() == ""
		for _, tail := range []string{"", " DST=1.2.3.4 LEN=60"} {
			got, end := address([]byte(s+tail), 0)
			if ok := end == len(s); ok != sound || ok && got != want {
				t.Errorf("%q: %v, end %d; net/netip says %v, %v", s+tail, got, end, want, err)
			}
		}
	}
}

// TestOptionBytes compares with encoding/hex over all bytes in all places.
func TestOptionBytes(t *testing.T) {
	for n := 1; n <= 12; n++ {
		src := []byte(strings.Repeat("a5", n))
		for place := range src {
			for c := range 256 {
				src[place] = byte(c)
				want, err := hex.DecodeString(string(src))
				var got [MaxOptions]byte
				text := []byte(" (" + string(src) + ") ")
				length, end := optionBytes(text, 0, &got)
				if ok := end == len(text)-1; ok != (err == nil) || ok && string(got[:length]) != string(want) {
					t.Fatalf("%q: %x %t, want %x, %v", src, got[:length], ok, want, err)
				}
			}
			src[place] = "a5"[place%2]
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint64
		n    int // digits, 0 if it is none
	}{
		{"0", 0, 1}, {"7 ", 7, 1}, {"42", 42, 2}, {"123,", 123, 3}, {"1234567", 1234567, 7}, {"12345678", 12345678, 8},
		{"123456789 ", 123456789, 9}, {"4294967295", 4294967295, 10}, {"1783051506123456\"", 1783051506123456, 16}, {"007", 7, 3},
		{"", 0, 0}, {" 1", 0, 0}, {"-1", 0, 0}, {"x", 0, 0}, {"\xff1", 0, 0}, {"1\xff1", 1, 1}, {"12\xba34", 12, 2},
		{strings.Repeat("1", 19), 0, 0}, {strings.Repeat("9", 40), 0, 0},
	} {
		for _, lead := range []string{"", "x"} {
			v, end := number([]byte(lead+c.text), len(lead), 1<<60)
			want := len(lead) + c.n
			if c.n == 0 {
				want = failed
			}
			if v != c.want || end != want {
				t.Errorf("%q: %d, %d; want %d, %d", c.text, v, end, c.want, want)
			}
		}
	}
	if _, end := number([]byte("65536 "), 0, 65535); end != failed {
		t.Error("65536 passes a limit of 65535")
	}
}

// TestLogLineProxmox: records of Proxmox VE's log, which leaves out what a packet has
// not, with options and without, and as grep shows them.
func TestLogLineProxmox(t *testing.T) {
	const (
		head = "101 1 tap101i0-IN 03/Jul/2026:04:05:06 +0200 "
		ip   = "SRC=192.0.2.7 DST=198.51.100.10 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=33561 DF PROTO=TCP SPT=47594 DPT=22 WINDOW=5840 "
		opt  = "OPT (020405B40402080A001046E40000000001030300) "
		bare = "OPT (020405B40402080A001046E40000000001030300)"
	)
	for _, front := range []string{"", "pve-firewall.log:", "/var/log/pve-firewall.log.1:12:", "12:"} {
		for _, links := range []string{"IN=eth0 MAC=33:10:a9:e2:3a:0e:75:87:8f:c8:66:d3:08:00 ", "IN=eth0 OUT=eth1 ", "IN=eth0 PHYSIN=tap101i0 ", "IN=eth0 "} {
			for _, tail := range []string{"SYN ", "SYN", "SYN " + opt, "SYN " + bare, "SYN URGP=7 " + opt, "SYN ACK " + opt, "RES=0x00 SYN URGP=0 " + opt} {
				line := front + head + "policy DROP: " + links + ip + tail
				ev := parseLine(t, line)
				if ev.Origin != OriginKernel || string(ev.Prefix) != "policy DROP: " || string(ev.In) != "eth0" || ev.Flags&SYN == 0 ||
					ev.Src.String() != "192.0.2.7:47594" || !ev.Time.Equal(mustTime(t, "2026-07-03T02:05:06Z")) {
					t.Errorf("%s: origin %d, prefix %q, time %v, %s", line, ev.Origin, ev.Prefix, ev.Time, show(ev))
				}
				if strings.Contains(tail, "OPT") && !bytes.HasPrefix(ev.Options(), []byte{2, 4, 5, 0xb4}) {
					t.Errorf("%s: options %x", line, ev.Options())
				}
			}
		}
	}
	for _, torn := range []string{"SYN OPT", "SYN OPT (0204", "SYN OPT (020405B", "OPT (0204)", "SYN SY", "SYN OPTION"} {
		var ev Event
		if err := LogLine([]byte(head+"IN=eth0 OUT= "+ip+torn), logRef, &ev); err == nil {
			t.Errorf("%s: read as %s", torn, show(&ev))
		}
	}
}
