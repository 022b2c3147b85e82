package filter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"fwknopd/fixtures/short"
	"fwknopd/parse"
)

var dltNames = map[parse.LinkType]string{
	parse.LinkEthernet: "EN10MB", parse.LinkRaw: "RAW", parse.LinkSLL: "LINUX_SLL", parse.LinkSLL2: "LINUX_SLL2", parse.LinkPPP: "PPP", parse.LinkIPv4: "IPV4", parse.LinkPflog: "PFLOG",
}

// expressions are compared one by one; the test adds random ones.
var expressions = []string{
	"ip", "ip6", "tcp", "udp", "icmp", "icmp6", "udp port 62201", "port 62201", "tcp port 22 or 80 or 443",
	"src port 53", "tcp dst port 22", "src or dst port 22", "src and dst port 22", "dst or src port 22", "udp portrange 60000-63000", "portrange 90-80",
	"host 192.0.2.7", "src host 192.0.2.7", "ip host 192.0.2.7", "src and dst host 192.0.2.7", "host 10", "host 10.1", "src 192.0.2.7", "dst 10.1",
	"net 10", "net 10.1", "net 10.1/16", "net 192.0.2.0/24", "net 192.0.2.0 mask 255.255.255.0", "net 0.0.0.0/0", "ip net 192.0.2.0/24", "net 192.0.2",
	"host 2001:db8::7", "src net 2001:db8::/32", "ip6 host ::1", "net 2001:db8::7/128", "net ::/0", "dst net 2001:db8::/33",
	"not tcp", "! udp", "not not tcp", "not port 22", "port not 22", "host !192.0.2.7", "port 22 or not 80", "port (22 or 80)", "port 22 or (80 and 443)",
	"port 22 || 80 && 443", "tcp and (port 22 or host 192.0.2.7 and not port 80)", "host (192.0.2.7 or 10.1.2.3) and port (22 or 53)",
	"udp dst port 62201 or tcp", "not (udp and port 62201) and ip", "port 0x16", "port 026", "host 192.0.2.7 or 7", "portrange 1-1024 or 62201",
	"ip and not icmp", "ip6 and tcp port 22", "icmp or icmp6 or udp port 62201", "src host 10.1.2.3 or port 22 or 53", "tcp src or dst port 80",
	"proto 47", "proto gre", "ip proto gre", "ip6 proto 50", "ip proto 47 or 50", "not proto 6 and ip",
}

// wrapped are expressions about what lies in a PPPoE session or a GENEVE tunnel, for all link
// types with an EtherType.
var wrapped = []string{
	"pppoes", "pppoes 7", "pppoed", "not pppoes", "pppoes and udp port 62201", "udp port 62201 or (pppoes and udp port 62201)", "pppoes 7 and ip6",
	"pppoes and not udp", "pppoes and host 192.0.2.7", "pppoes or udp", "not pppoed and udp", "pppoes and src net 2001:db8::/32 and portrange 1-100",
	"geneve", "geneve 3", "not geneve", "geneve and udp port 62201", "udp port 62201 or (geneve and udp port 62201)", "geneve and ip6 and tcp",
	"geneve 3 and net 10", "geneve and not tcp", "geneve and tcp src port 22", "pppoes and geneve and udp", "geneve and pppoes 7 and udp",
	"pppoes and geneve and proto 6",
}

// wrappedAndTagged are such expressions with "vlan", and one in which libpcap reads what it has not
// set, the start of the frame, for an EtherType.
var wrappedAndTagged = []string{
	"geneve or ip", "vlan and pppoes and udp port 62201", "vlan 7 and pppoes 7 and ip6", "vlan and geneve and tcp", "geneve and vlan and udp", "geneve and vlan 7 and vlan and udp",
	"vlan and geneve 3 and vlan 7 and host 192.0.2.7", "udp port 62201 or (vlan and udp port 62201 or (pppoes and udp port 62201))",
}

// tagged are expressions for Ethernet alone: libpcap has "vlan" for nothing else.
var tagged = []string{
	"vlan", "vlan 7", "vlan 8", "not vlan", "vlan and udp port 62201", "udp port 62201 or (vlan and udp port 62201)", "vlan and vlan", "vlan and vlan 9 and tcp",
	"vlan or udp", "vlan and not tcp", "(vlan and host 192.0.2.7) or port 22", "not (vlan 7 and ip6)", "vlan 7 and src net 10.0.0.0/8 and portrange 1-100",
}

// logged are expressions about the header of pf, and of what is behind it. "geneve" is not among them:
// libpcap 1.10 reads the length of the header from a register that it has not set then.
var logged = []string{
	"on em0", "ifname em1", "on em", "on vtnet-long.name", "not on em0", "rset jail", "ruleset abc", "rnr 5", "rulenum 300", "srnr 2", "subrulenum 70000",
	"reason match", "reason fragment", "reason 8", "reason synproxy or reason 14", "action pass", "action block", "action drop or action rdr", "action nat",
	"action binat", "action scrub", "action synproxy-drop", "on em0 and action block and udp port 62201", "udp port 62201 and not action pass",
	"tcp dst port 22 or rnr 5", "(ip6 or action block) and srnr 2", "pppoes", "not (pppoes and udp)",
}

// TestEqualsLibpcap runs our program and the one that libpcap makes of the same
// expression over many packets: whole and cut short, fragments, options, IPv6 with
// fragment headers, VLAN tags, ARP.
func TestEqualsLibpcap(t *testing.T) {
	short.Skip(t)
	if _, err := exec.LookPath("tcpdump"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	all := append([]string(nil), expressions...)
	for range 60 {
		all = append(all, randomExpr(rnd, 3))
	}
	packets := make([]packet, 4000)
	for i := range packets {
		packets[i] = wrap(rnd, randomPacket(rnd), 2)
	}
	for link, name := range dltNames {
		exprs := all
		if link != parse.LinkEthernet {
			exprs = expressions
		} else {
			exprs = slices.Concat(exprs, tagged, wrappedAndTagged)
		}
		if link == parse.LinkEthernet || link == parse.LinkSLL || link == parse.LinkSLL2 {
			exprs = slices.Concat(exprs, wrapped)
		}
		if link == parse.LinkPflog {
			exprs = slices.Concat(exprs, logged)
		}
		t.Run(name, func(t *testing.T) {
			for _, expr := range exprs {
				compareWithLibpcap(t, link, name, expr, packets)
			}
		})
	}
}

func compareWithLibpcap(t *testing.T, link parse.LinkType, name, expr string, packets []packet) {
	t.Helper()
	optimized, err := libpcap(name, expr)
	if err != nil {
		t.Errorf("libpcap, %s, %q: %v", name, expr, err)
		return
	}
	plain, err := libpcap(name, expr, "-O")
	if err != nil {
		t.Errorf("libpcap -O, %s, %q: %v", name, expr, err)
		return
	}
	f, err := Parse(expr)
	if err != nil {
		t.Errorf("%q: %v", expr, err)
		return
	}
	matched := 0
	for _, p := range packets {
		frame := p.frame(link)
		want := runs(optimized, frame)
		if p.cut > 0 && runs(plain, frame) != want {
			continue // libpcap's optimizer leaves out loads that a cut packet fails on
		}
		if got := f.Match(link, frame); got != want {
			t.Errorf("%s, %q: ours %v, libpcap %v\n% x", name, expr, got, want, frame)
			return
		}
		if want {
			matched++
		}
	}
	if testing.Verbose() {
		t.Logf("%-10s %5d of %d match %q", name, matched, len(packets), expr)
	}
}

func runs(vm *bpf.VM, frame []byte) bool {
	n, err := vm.Run(frame)
	return err == nil && n > 0
}

// libpcap compiles an expression with tcpdump.
func libpcap(dlt, expr string, options ...string) (*bpf.VM, error) {
	var errs bytes.Buffer
	cmd := exec.Command("tcpdump", append(options, "-ddd", "-s", "262144", "-y", dlt, expr)...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if strings.Contains(errs.String(), "rejects all packets") {
		return bpf.NewVM([]bpf.Instruction{bpf.RetConstant{}})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, errs.String())
	}
	var program []bpf.Instruction
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Scan() // the number of instructions
	for lines.Scan() {
		var in bpf.RawInstruction
		if _, err := fmt.Sscan(lines.Text(), &in.Op, &in.Jt, &in.Jf, &in.K); err != nil {
			return nil, err
		}
		program = append(program, in.Disassemble())
	}
	return bpf.NewVM(program)
}

var (
	somePorts = []uint16{22, 53, 80, 443, 62201, 62202, 1024, 85}
	someHosts = []string{"192.0.2.7", "192.0.2.8", "10.1.2.3", "10.2.3.4", "0.0.0.10", "10.1.0.0"}
)

func pick[T any](rnd *rand.Rand, list []T) T { return list[rnd.IntN(len(list))] }

// randomExpr returns an expression of the language.
func randomExpr(rnd *rand.Rand, depth int) string {
	if depth > 0 {
		switch rnd.IntN(5) {
		case 0:
			return "not " + randomExpr(rnd, depth-1)
		case 1:
			return "(" + randomExpr(rnd, depth-1) + ")"
		case 2, 3:
			return randomExpr(rnd, depth-1) + pick(rnd, []string{" and ", " or ", " && ", " || "}) + randomExpr(rnd, depth-1)
		}
	}
	dir := pick(rnd, []string{"", "", "src ", "dst ", "src or dst ", "src and dst "})
	switch rnd.IntN(6) {
	case 0:
		return pick(rnd, []string{"ip", "ip6", "tcp", "udp", "icmp", "icmp6"})
	case 1:
		return pick(rnd, []string{"", "ip "}) + dir + "host " + pick(rnd, someHosts)
	case 2:
		return dir + "net " + pick(rnd, []string{"10", "10.1", "192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8"})
	case 3:
		return pick(rnd, []string{"", "tcp ", "udp "}) + dir + "portrange 80-1024"
	}
	return pick(rnd, []string{"", "tcp ", "udp "}) + dir + fmt.Sprintf("port %d", pick(rnd, somePorts))
}

// A packet is a network packet and its EtherType.
type packet struct {
	ether uint16
	data  []byte
	vlan  bool
	twice bool // two tags
	cut   int
	pf    []byte // the header of pf but for its family
}

func (p packet) frame(link parse.LinkType) []byte {
	var b []byte
	switch link {
	case parse.LinkEthernet:
		b = make([]byte, 12)
		if p.vlan {
			b = append(b, 0x81, 0, 0xe0, 7)
		}
		if p.twice {
			b = append(b, 0x88, 0xa8, 0, 9)
		}
		b = binary.BigEndian.AppendUint16(b, p.ether)
	case parse.LinkSLL:
		b = binary.BigEndian.AppendUint16(make([]byte, 14), p.ether)
	case parse.LinkSLL2:
		b = append(binary.BigEndian.AppendUint16(nil, p.ether), make([]byte, 18)...)
	case parse.LinkPflog:
		b = slices.Clone(p.pf)
		b[pfFamily] = map[uint16]byte{etherIPv4: 2, etherIPv6: 10}[p.ether] // AF_INET6 of the system of libpcap
	case parse.LinkPPP:
		proto := map[uint16]uint16{etherIPv4: 0x21, etherIPv6: 0x57, etherARP: 0x806}[p.ether]
		b = binary.BigEndian.AppendUint16([]byte{0xff, 3}, proto)
	}
	b = append(b, p.data...)
	return b[:max(0, len(b)-p.cut)]
}

func randomPacket(rnd *rand.Rand) packet {
	ports := binary.BigEndian.AppendUint16(nil, pick(rnd, somePorts))
	ports = binary.BigEndian.AppendUint16(ports, pick(rnd, somePorts))
	payload := append(ports, make([]byte, 16)...)
	proto := pick(rnd, []byte{1, 6, 6, 6, 17, 17, 17, 58, 132, 50, 44})
	p := packet{vlan: rnd.IntN(6) == 0, pf: pfHeader(rnd)}
	p.twice = p.vlan && rnd.IntN(3) == 0
	if rnd.IntN(8) == 0 {
		p.cut = rnd.IntN(60)
	}
	switch rnd.IntN(20) {
	case 0:
		p.ether, p.data = etherARP, arpPacket(rnd)
	case 1, 2, 3, 4, 5, 6:
		p.ether, p.data = etherIPv6, ipv6Packet(rnd, proto, payload)
	default:
		p.ether, p.data = etherIPv4, ipv4Packet(rnd, proto, payload)
	}
	return p
}

// pfHeader returns a header of pf of some system, with a length that may lack the padding.
func pfHeader(rnd *rand.Rand) []byte {
	length := pick(rnd, []byte{45, 61, 64, 69, 72, 100})
	b := make([]byte, (length+3)&^3)
	b[pfLength], b[pfAction], b[pfReason] = length, byte(rnd.IntN(11)), byte(rnd.IntN(15))
	copy(b[pfInterface:], pick(rnd, []string{"em0", "em1", "pppoe0", "vtnet-long.name"}))
	copy(b[pfRuleset:], pick(rnd, []string{"", "jail", "abc", "abcd"}))
	binary.BigEndian.PutUint32(b[pfRule:], pick(rnd, []uint32{5, 300}))
	binary.BigEndian.PutUint32(b[pfSubrule:], pick(rnd, []uint32{2, 70000, 0xffffffff}))
	return b
}

// wrap puts some of the packets into a PPPoE session or a GENEVE tunnel, and some of those once
// more.
func wrap(rnd *rand.Rand, p packet, depth int) packet {
	if depth == 0 || rnd.IntN(3) > 0 {
		return p
	}
	in := wrap(rnd, randomPacket(rnd), depth-1)
	in.cut = 0
	switch rnd.IntN(8) {
	case 0:
		p.ether, p.data = etherDiscovery, []byte{0x11, 9, 0, 0, 0, 0}
	case 1, 2, 3:
		p.ether, p.data = etherSession, sessionPacket(rnd, in)
	case 4, 5:
		p.ether, p.data = etherIPv6, ipv6Packet(rnd, 17, genevePacket(rnd, in))
	default:
		p.ether, p.data = etherIPv4, ipv4Packet(rnd, 17, genevePacket(rnd, in))
	}
	return p
}

// sessionPacket puts a packet into a PPPoE session.
func sessionPacket(rnd *rand.Rand, in packet) []byte {
	proto := map[uint16]uint16{etherIPv4: 0x21, etherIPv6: 0x57}[in.ether]
	b := binary.BigEndian.AppendUint16([]byte{0x11, pick(rnd, []byte{0, 0, 0, 0xa7})}, pick(rnd, []uint16{7, 8}))
	b = binary.BigEndian.AppendUint16(b, uint16(2+len(in.data)))
	return append(binary.BigEndian.AppendUint16(b, proto), in.data...)
}

// genevePacket puts a packet, or a frame with it, into UDP and GENEVE, now and then with another
// port or version.
func genevePacket(rnd *rand.Rand, in packet) []byte {
	options := rnd.IntN(3)
	b := binary.BigEndian.AppendUint16(nil, 50000)
	b = binary.BigEndian.AppendUint16(b, pick(rnd, []uint16{6081, 6081, 6081, 4789}))
	b = append(b, 0, 0, 0, 0, pick(rnd, []byte{0, 0, 0, 0x40})|byte(options), 0)
	ether, data := in.ether, in.data
	if rnd.IntN(2) == 0 {
		ether, data = etherBridged, in.frame(parse.LinkEthernet)
	}
	b = binary.BigEndian.AppendUint16(b, ether)
	b = append(b, 0, 0, pick(rnd, []byte{3, 4}), 0)
	return append(append(b, make([]byte, 4*options)...), data...)
}

func addr4(rnd *rand.Rand) []byte {
	return pick(rnd, [][]byte{{192, 0, 2, 7}, {192, 0, 2, 8}, {10, 1, 2, 3}, {10, 2, 3, 4}, {0, 0, 0, 10}, {10, 1, 0, 0}, {0, 0, 0, 7}})
}

func addr6(rnd *rand.Rand) []byte {
	b := make([]byte, 16)
	switch rnd.IntN(3) {
	case 0:
		copy(b, []byte{0x20, 1, 0xd, 0xb8})
		b[15] = byte(rnd.IntN(9))
	case 1:
		b[15] = 1
	default:
		copy(b, []byte{0x20, 1, 0xd, 0xb8, 0x80})
	}
	return b
}

func ipv4Packet(rnd *rand.Rand, proto byte, payload []byte) []byte {
	options := 4 * pick(rnd, []int{0, 0, 0, 1, 10})
	b := make([]byte, 20+options)
	b[0], b[9] = byte(0x45+options/4), proto
	if rnd.IntN(5) == 0 { // fragments, first and later
		binary.BigEndian.PutUint16(b[6:], pick(rnd, []uint16{0x2000, 0x2001, 0x0010, 0x1fff}))
	}
	copy(b[12:], addr4(rnd))
	copy(b[16:], addr4(rnd))
	return append(b, payload...)
}

func ipv6Packet(rnd *rand.Rand, proto byte, payload []byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, proto
	copy(b[8:], addr6(rnd))
	copy(b[24:], addr6(rnd))
	if rnd.IntN(5) == 0 {
		b[6] = 44
		b = append(b, proto, 0, 0, 1, 0, 0, 0, 7)
	}
	return append(b, payload...)
}

func arpPacket(rnd *rand.Rand) []byte {
	b := make([]byte, 28)
	copy(b[14:], addr4(rnd))
	copy(b[24:], addr4(rnd))
	return b
}
