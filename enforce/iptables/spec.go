package iptables

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/quote"
)

// A spec is a rule as this package writes and reads it: every field is a number
// or an address, so that nothing a client sent can become an option. Two rules
// are the same iff their specs are equal.
type spec struct {
	src, dst     netip.Addr // zero: any
	srcBits      uint8      // of a prefix; 0: one address
	dstBits      uint8
	proto        enforce.Proto // 0: any
	sport, dport uint16        // 0: any
	local        bool          // the destination is an address of this host
	origin       bool          // dst and dport are those before translation, of a packet that begins a connection
	stop         int64         // datestop, seconds of the epoch; 0: none
	comment      string
	target       string
	to           string // of --to-destination or --to-source
	unknown      bool   // it has matches that we never write
}

// dateLayout is what the time match takes; it means UTC unless --kerneltz.
const dateLayout = "2006-01-02T15:04:05"

// lastDate is the latest that iptables lets the time match have.
var lastDate = time.Date(2038, 1, 19, 4, 17, 7, 0, time.UTC)

// args are the arguments behind "-A CHAIN", as iptables-restore reads them.
func (s spec) args() string {
	var b strings.Builder
	if s.src.IsValid() {
		fmt.Fprintf(&b, "-s %s/%d ", s.src, cmp.Or(int(s.srcBits), s.src.BitLen()))
	}
	if s.dst.IsValid() && !s.origin {
		fmt.Fprintf(&b, "-d %s/%d ", s.dst, cmp.Or(int(s.dstBits), s.dst.BitLen()))
	}
	if s.proto != 0 {
		fmt.Fprintf(&b, "-p %s ", s.proto)
	}
	if s.local {
		b.WriteString("-m addrtype --dst-type LOCAL ")
	}
	if s.origin {
		b.WriteString(s.originArgs())
	} else {
		b.WriteString(s.portArgs())
	}
	if s.stop != 0 {
		fmt.Fprintf(&b, "-m time --datestop %s ", time.Unix(s.stop, 0).UTC().Format(dateLayout))
	}
	if s.comment != "" {
		fmt.Fprintf(&b, "-m comment --comment %s ", quoted(s.comment))
	}
	b.WriteString("-j " + s.target)
	if s.to != "" {
		b.WriteString(" " + toOption[s.target] + " " + s.to)
	}
	return b.String()
}

func (s spec) portArgs() string {
	var b strings.Builder
	if s.sport != 0 || s.dport != 0 {
		fmt.Fprintf(&b, "-m %s ", s.proto)
	}
	if s.sport != 0 {
		fmt.Fprintf(&b, "--sport %d ", s.sport)
	}
	if s.dport != 0 {
		fmt.Fprintf(&b, "--dport %d ", s.dport)
	}
	return b.String()
}

// originArgs match by connection tracking, in the order in which -S prints them.
func (s spec) originArgs() string {
	var b strings.Builder
	b.WriteString("-m conntrack --ctstate NEW ")
	if s.dst.IsValid() {
		fmt.Fprintf(&b, "--ctorigdst %s ", s.dst)
	}
	if s.dport != 0 {
		fmt.Fprintf(&b, "--ctorigdstport %d ", s.dport)
	}
	b.WriteString("--ctdir ORIGINAL ")
	return b.String()
}

var toOption = map[string]string{"DNAT": "--to-destination", "SNAT": "--to-source", "MASQUERADE": "--to-ports"}

// quoted is a word as iptables-save writes it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`).Replace(s) + `"`
}

// parseRule reads a line "-A CHAIN …" of iptables -S or iptables-save.
func parseRule(line string) (chain string, s spec, ok bool) {
	words, err := quote.Iptables.Split(line)
	if err != nil || len(words) < 4 || words[0] != "-A" {
		return "", spec{}, false
	}
	chain = words[1]
	for w := words[2:]; len(w) > 0; {
		if len(w) == 1 { // an option without value, or half a line
			s.unknown = true
			break
		}
		if !s.option(w[0], w[1]) {
			s.unknown = true
			w = w[1:]
			continue
		}
		w = w[2:]
	}
	if isForeign(s) && (s.srcBits != 0 || s.dstBits != 0) {
		s.srcBits, s.dstBits, s.unknown = 0, 0, true
	}
	return chain, s, s.target != ""
}

// originOption takes in what originArgs writes.
func (s *spec) originOption(name, value string) bool {
	var err error
	s.origin = true
	switch name {
	case "--ctstate":
		return value == "NEW"
	case "--ctdir":
		return value == "ORIGINAL"
	case "--ctorigdst":
		s.dst, err = netip.ParseAddr(value)
	case "--ctorigdstport":
		s.dport, err = parsePort(value)
	}
	return err == nil
}

// option takes one pair in; false for what we never write.
func (s *spec) option(name, value string) bool {
	switch name {
	case "-s", "-d", "-p", "--sport", "--dport":
		return s.packetOption(name, value) == nil
	case "-m":
		return modules[value] || value == s.proto.String()
	case "--dst-type":
		s.local = value == "LOCAL"
		return s.local
	case "--datestop":
		t, err := time.Parse(dateLayout, value)
		s.stop = t.Unix()
		return err == nil
	case "--comment":
		s.comment = value
		return true
	case "-j":
		again := s.target != ""
		s.target = value
		return !again
	case "--to-destination", "--to-source", "--to-ports": // behind the target that has it
		s.to = value
		return name == toOption[s.target]
	case "--ctstate", "--ctdir", "--ctorigdst", "--ctorigdstport":
		return s.originOption(name, value)
	}
	return false
}

// modules are the matches that we write, beside that of the protocol.
var modules = map[string]bool{"time": true, "comment": true, "addrtype": true, "conntrack": true}

// packetOption takes in what a rule says of the head of a packet.
func (s *spec) packetOption(name, value string) (err error) {
	switch name {
	case "-s":
		s.src, s.srcBits, err = parseClients(value)
	case "-d":
		s.dst, s.dstBits, err = parseClients(value)
	case "-p":
		s.proto, err = parseProto(value)
	case "--sport":
		s.sport, err = parsePort(value)
	case "--dport":
		s.dport, err = parsePort(value)
	}
	return err
}

// parseClients reads an address or a network; bits is 0 for an address.
func parseClients(s string) (first netip.Addr, bits uint8, err error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.IsSingleIP():
	case p.Bits() == 0 || p != p.Masked():
		err = fmt.Errorf("%s is no network of clients", s)
	default:
		bits = uint8(p.Bits())
	}
	return p.Addr(), bits, err
}

// parseProto reads names and numbers: listings have had both.
func parseProto(s string) (enforce.Proto, error) {
	switch s {
	case "tcp":
		return enforce.TCP, nil
	case "udp":
		return enforce.UDP, nil
	case "icmp":
		return enforce.ICMP, nil
	case "icmpv6", "ipv6-icmp":
		return enforce.ICMPv6, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return enforce.Proto(n), err
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}
