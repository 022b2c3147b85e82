// Package filter reads a subset of the pcap-filter(7) language and compiles it to
// classic BPF, for the kernel to run before the first packet reaches us and for
// captures that are read back. What it accepts, it accepts and means as libpcap
// does, to the same verdict on every packet; anything else is refused with the
// column where it stands.
//
// The language:
//
//	ip  ip6  tcp  udp  icmp  icmp6
//	[ip | ip6] [src | dst | src or dst | src and dst] host ADDRESS
//	[ip | ip6] [src | dst | …] net NETWORK          10.0.0.0/8, 10.1, 192.0.2.0 mask 255.255.255.0, 2001:db8::/32
//	[tcp | udp] [src | dst | …] port NUMBER
//	[tcp | udp] [src | dst | …] portrange FROM-TO
//	[ip | ip6] proto NUMBER                         47 is also gre
//	vlan [NUMBER]
//	pppoes [NUMBER]  pppoed
//	geneve [NUMBER]
//	on NAME  ifname NAME  rset NAME  ruleset NAME   in captures of a log of pf
//	rnr NUMBER  rulenum NUMBER  srnr NUMBER  subrulenum NUMBER
//	reason CODE  action CODE
//	not  !  and  &&  or  ||  ( )
//
// "and" and "or" have the same precedence and group from the left, as in libpcap.
// Qualifiers carry over to a bare value: "port 22 or 80", "tcp port (22 or 80)".
// Addresses and ports are numbers; names would need a resolver or /etc/services.
// As in libpcap, "port" without a protocol means TCP, UDP or SCTP, never matches
// behind a first fragment, and a frame with a VLAN tag is neither IP nor IPv6 but to
// the right of "vlan", which is about what the tag is in front of. In the same way what is in
// a PPPoE session is seen to the right of "pppoes", what is in a GENEVE tunnel to the right
// of "geneve", where nothing is true of other frames. The words about the header of pf are for
// frames that have it ([Filter.Check]); a name there is the beginning of a name.
package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// maxText bounds an expression.
const maxText = 4096

// A Filter is a compiled expression. nil is a filter that matches everything. A
// Filter is for any number of goroutines.
type Filter struct {
	text string
	root node
	// onlyPF is why frames without the header of pf cannot be filtered; nil if they can.
	onlyPF *Error
	match  []*matcher // by link type, nil for those that cannot be filtered
}

// An Error is an expression that is not accepted.
type Error struct {
	Column int // in bytes, from 1
	Text   string
}

func (e *Error) Error() string { return fmt.Sprintf("filter, column %d: %s", e.Column, e.Text) }

// Parse compiles an expression. An empty one, or the word NONE, is no filter: nil.
// Other errors than those of size are of type [*Error].
func Parse(expr string) (*Filter, error) {
	if s := strings.TrimSpace(expr); s == "" || strings.EqualFold(s, "none") {
		return nil, nil
	}
	if len(expr) > maxText {
		return nil, fmt.Errorf("filter: longer than %d characters", maxText)
	}
	root, onlyPF, err := parseText(expr)
	if err != nil {
		return nil, err
	}
	f := &Filter{text: expr, root: root, onlyPF: onlyPF, match: make([]*matcher, 1+slices.Max(slices.Collect(maps.Keys(layouts))))}
	for link, layout := range layouts {
		if f.Check(link) != nil {
			continue
		}
		program := compile(root, layout)
		if _, err := program.assemble(); err != nil {
			return nil, err // it shall not be good for captures only
		}
		f.match[link] = program.matcher()
	}
	return f, nil
}

// String returns the expression.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.text
}

// Program returns the filter for frames of a link type, ready to be attached to a
// socket. Packets that match are kept whole. A nil Filter has a program as well:
// it keeps everything.
func (f *Filter) Program(link parse.LinkType) ([]bpf.RawInstruction, error) {
	layout, ok := layouts[link]
	if !ok {
		return nil, fmt.Errorf("filter: not possible for %v", link)
	}
	if err := f.Check(link); err != nil {
		return nil, err
	}
	root := node(all{})
	if f != nil {
		root = f.root
	}
	program := compileLive(root, layout)
	return program.assemble()
}

// Check returns an error of type [*Error] if the expression has words that are about a header
// which frames of a link type do not have.
func (f *Filter) Check(link parse.LinkType) error {
	if f == nil || f.onlyPF == nil || isPF(link) {
		return nil
	}
	return f.onlyPF
}

// Reads reports whether frames of a link type can be filtered as they are. Of the others
// the packet within can, as [parse.LinkRaw].
func (f *Filter) Reads(link parse.LinkType) bool {
	return f == nil || int(link) < len(f.match) && f.match[link] != nil
}

// Match reports whether a frame matches, of a link type that [Filter.Reads].
func (f *Filter) Match(link parse.LinkType, frame []byte) bool {
	if f == nil {
		return true
	}
	if !f.Reads(link) {
		return false
	}
	return f.match[link].match(frame)
}
