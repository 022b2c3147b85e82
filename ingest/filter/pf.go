package filter

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// Offsets in the header that pf(4) puts before a packet it logs. OpenBSD and FreeBSD have them in
// the same places; they differ only behind these, in what the length at offset 0 counts.
const (
	pfLength, pfFamily, pfAction, pfReason = 0, 1, 2, 3
	pfInterface, pfRuleset                 = 4, 20 // names of 16 bytes with their NUL
	pfRule, pfSubrule                      = 36, 40
)

// A pfWord is a word about the header of pf: it reads its value to the node that it means.
type pfWord struct {
	is    string // the word as libpcap's messages have it
	value func(p *parser, t token) node
}

var pfWords = map[string]pfWord{
	"ifname": pfInterfaceWord, "on": pfInterfaceWord,
	"rset": pfRulesetWord, "ruleset": pfRulesetWord,
	"rnr": pfRuleWord, "rulenum": pfRuleWord,
	"srnr": pfSubruleWord, "subrulenum": pfSubruleWord,
	"reason": {"reason", pfReasonOf},
	"action": {"action", pfActionOf},
}

var (
	pfInterfaceWord = pfWord{"ifname", pfName(pfInterface, "name of an interface")}
	pfRulesetWord   = pfWord{"ruleset", pfName(pfRuleset, "name of a ruleset")}
	pfRuleWord      = pfWord{"rnr", pfNumber(pfRule)}
	pfSubruleWord   = pfWord{"srnr", pfNumber(pfSubrule)}
)

// pfReasons and pfActions are the names that libpcap knows, at their numbers.
var (
	pfReasons = []string{"match", "bad-offset", "fragment", "short", "normalize", "memory", "bad-timestamp", "congestion", "ip-option",
		"proto-cksum", "state-mismatch", "state-insert", "state-limit", "src-limit", "synproxy"}
	pfActions = []string{"pass", "block", "scrub", "noscrub", "nat", "nonat", "binat", "nobinat", "rdr", "nordr", "synproxy-drop"}
	// pfActionAliases are other names of the same actions.
	pfActionAliases = map[string]string{"accept": "pass", "drop": "block"}
)

// libpcapWords are words of libpcap's language, which are no names in it.
var libpcapWords = strings.Fields(`dst src link ether arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp atalk
	aarp decnet lat sca moprc mopdl iso stp ipx netbeui host net mask port portrange proto protochain gateway type subtype direction dir
	less greater byte broadcast multicast and or not len length inbound outbound vlan mpls pppoed pppoes geneve lane metac on ifname rset
	ruleset rnr rulenum srnr subrulenum reason action fddi tr wlan ppp slip csnp psnp bcc llc l1 l2 iih lsp snp clnp isis es-is is-is esis
	addr1 addr2 addr3 addr4 address1 address2 address3 address4 ra ta vpi vci oam oamf4 oamf4ec oamf4sc sc ilmic connectmsg metaconnect
	sio opc dpc sls hsio hopc hdpc hsls fisu lssu lsu msu hfisu hlssu hmsu`)

// pf reads a word about the header of pf and its value; nil if there is none.
func (p *parser) pf() node {
	word, ok := pfWords[p.peek().text]
	if !ok {
		return nil
	}
	first := p.next()
	if len(p.headers) > 0 {
		p.fail(first, "%q is about what is before all other headers; put it to the left of those", first.text)
	}
	if p.pfFirst == nil {
		p.pfFirst = &Error{first.column, word.is + " is supported only on captures of a log of pf (pflog)"}
	}
	t := p.next()
	if t.text == "" || strings.Contains("()!/&&||", t.text) {
		p.unexpected(t)
	}
	return word.value(p, t)
}

// pfName reads a name, which as in libpcap the field at off begins with.
func pfName(off uint32, what string) func(*parser, token) node {
	const most = 15
	return func(p *parser, t token) node {
		first, last := t.text[:1], t.text[len(t.text)-1:]
		switch {
		case isNumeric(t.text), strings.Contains("-_.", first), strings.Contains("-_", last), slices.Contains(libpcapWords, t.text):
			p.fail(t, "%q is not the %s", t.text, what)
		case len(t.text) > most:
			p.fail(t, "%q is longer than the %d characters of the %s", t.text, most, what)
		}
		return bytesAt(off, t.text)
	}
}

// bytesAt compares bytes of the frame, in pieces from their end.
func bytesAt(off uint32, s string) node {
	var pieces []node
	for rest := []byte(s); len(rest) > 0; {
		size, n := 1, len(rest)
		var v uint32
		switch {
		case n >= 4:
			size, v = 4, binary.BigEndian.Uint32(rest[n-4:])
		case n >= 2:
			size, v = 2, uint32(binary.BigEndian.Uint16(rest[n-2:]))
		default:
			v = uint32(rest[0])
		}
		rest = rest[:n-size]
		pieces = append(pieces, equal(link, off+uint32(len(rest)), size, v))
	}
	return allOf(pieces...)
}

// pfNumber reads the number of a rule.
func pfNumber(off uint32) func(*parser, token) node {
	return func(p *parser, t token) node {
		n, ok := number(t.text)
		if !ok {
			p.fail(t, "%q is not the number of a rule", t.text)
		}
		return equal(link, off, 4, n)
	}
}

// pfReasonOf reads a reason, by its name or number.
func pfReasonOf(p *parser, t token) node {
	if n := slices.Index(pfReasons, t.text); n >= 0 {
		return equal(link, pfReason, 1, uint32(n))
	}
	n, ok := number(t.text)
	if !ok || n > math.MaxUint8 {
		p.fail(t, "%q is not a reason of pf; known are numbers and %s", t.text, strings.Join(pfReasons, " "))
	}
	return equal(link, pfReason, 1, n)
}

// pfActionOf reads an action by its name.
func pfActionOf(p *parser, t token) node {
	name := t.text
	if alias := pfActionAliases[name]; alias != "" {
		name = alias
	}
	n := slices.Index(pfActions, name)
	if n < 0 {
		p.fail(t, "%q is not an action of pf; known are accept drop %s", t.text, strings.Join(pfActions, " "))
	}
	return equal(link, pfAction, 1, uint32(n))
}

// pfCarries tests the address family of the header. AF_INET6 is another number on every system:
// libpcap takes that of its own.
func pfCarries(ether int) node {
	n := none
	for _, af := range families[ether] {
		n = anyOf(n, equal(link, pfFamily, 1, af))
	}
	return n
}

// pfPacketAt returns where the packet behind the header of pf is: its length is without the
// padding to four bytes. ok is false if the frame is empty.
func pfPacketAt(frame []byte) (off uint, ok bool) {
	if len(frame) <= pfLength {
		return 0, false
	}
	return (uint(frame[pfLength]) + 3) &^ 3, true
}

// notePF are the instructions of pfPacketAt.
var notePF = []bpf.Instruction{
	bpf.LoadAbsolute{Off: pfLength, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 3},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfffffffc},
	bpf.StoreScratch{Src: bpf.RegA, N: payloadSlot},
}

// isPF reports whether a link type has the header of pf.
func isPF(l parse.LinkType) bool { return l == parse.LinkPflog }
