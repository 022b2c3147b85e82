package filter

import (
	"slices"

	"golang.org/x/net/bpf"
)

// EtherTypes of VLAN tags: IEEE 802.1Q, 802.1ad, and what came before that; and of PPPoE.
const (
	etherTag        = 0x8100
	etherServiceTag = 0x88a8
	etherOldTag     = 0x9100
	etherDiscovery  = 0x8863
	etherSession    = 0x8864
)

const (
	maxTag     = 4095
	maxSession = 1<<16 - 1
	maxNetwork = 1<<24 - 1 // of GENEVE
	anyNumber  = -1
)

// A header is one that an expression looks behind.
type header uint8

const (
	tagHeader header = iota
	sessionHeader
	geneveHeader
)

type (
	// vlan is true of frames with a tag behind other headers, and with this number.
	vlan struct {
		after []header
		id    int
	}
	// session is true of packets of a PPPoE session, and of this one.
	session struct{ id int }
	// behind is a node about what follows headers: "vlan", "pppoes" and "geneve" move the
	// meaning of everything to their right, as in libpcap.
	behind struct {
		headers []header
		x       node
	}
)

// A place is where offsets count from: a number of bytes behind a mark.
type place struct {
	mark mark
	off  uint32
}

// A mark is the start of the frame, or one of those that "geneve" sets; the header of pf sets the
// last.
type mark uint8

const (
	startMark   mark = iota
	etherMark        // the EtherType in the tunnel
	payloadMark      // what it is of
)

func (p place) plus(n uint32) place { return place{p.mark, p.off + n} }

// pass moves the compiler behind the header at place i of an expression, and reports whether
// frames can have it.
func (c *compiler) pass(h header, i int) bool {
	const tagBytes, sessionBytes, protocolAt = 4, 8, 6
	switch h {
	case tagHeader:
		if !c.tags {
			return false
		}
		if !c.stripped || i > 0 {
			c.frame, c.packet = c.frame.plus(tagBytes), c.packet.plus(tagBytes)
		}
	case sessionHeader:
		c.frame, c.packet = c.packet.plus(protocolAt), c.packet.plus(sessionBytes)
		c.carries, c.tags = pppProtocol(0), false
	case geneveHeader:
		c.frame, c.packet = place{mark: etherMark}, place{mark: payloadMark}
		c.carries, c.tags = ethertypeAt(0), true
	}
	return true
}

func (n behind) emit(c *compiler, yes, no label) {
	before := c.position
	defer func() { c.position = before }()
	for i, h := range n.headers {
		if !c.pass(h, i) {
			c.jump(no)
			return
		}
	}
	if slices.Contains(n.headers, geneveHeader) {
		inside := c.label()
		test{base: inTunnel, cond: bpf.JumpNotEqual}.emit(c, inside, no)
		c.place(inside)
	}
	n.x.emit(c, yes, no)
}

func (n vlan) emit(c *compiler, yes, no label) {
	if c.tags && c.stripped && len(n.after) == 0 {
		n.emitStripped(c, yes, no)
		return
	}
	var is node = anyOf(carries(etherTag), carries(etherServiceTag), carries(etherOldTag))
	if n.id != anyNumber {
		id := test{base: network, size: 2, mask: maxTag, cond: bpf.JumpEqual, val: uint32(n.id)}
		is = and{is, id}
	}
	behind{n.after, onlyTagged{is}}.emit(c, yes, no)
}

// onlyTagged is false of frames of link types that have no tags.
type onlyTagged struct{ x node }

func (n onlyTagged) emit(c *compiler, yes, no label) {
	if !c.tags {
		c.jump(no)
		return
	}
	n.x.emit(c, yes, no)
}

// emitStripped looks at the tag that the kernel took out.
func (n vlan) emitStripped(c *compiler, yes, no label) {
	if n.id == anyNumber {
		c.jump(yes)
		return
	}
	test{base: tag, mask: maxTag, cond: bpf.JumpEqual, val: uint32(n.id)}.emit(c, yes, no)
}

func (n session) emit(c *compiler, yes, no label) {
	var is node = carries(etherSession)
	if n.id != anyNumber { // with the two bytes before it, as libpcap loads it
		is = and{is, test{base: network, size: 4, mask: maxSession, cond: bpf.JumpEqual, val: uint32(n.id)}}
	}
	is.emit(c, yes, no)
}

// usesTags reports whether tags matter for an expression.
func usesTags(n node) bool {
	switch n := n.(type) {
	case and:
		return usesTags(n.x) || usesTags(n.y)
	case or:
		return usesTags(n.x) || usesTags(n.y)
	case not:
		return usesTags(n.x)
	case vlan:
		return true
	case behind:
		return len(n.headers) > 0 && n.headers[0] == tagHeader
	}
	return false
}

// numberAfter reads the number that may follow a word, anyNumber if there is none.
func (p *parser) numberAfter(greatest uint32, what string) int {
	t := p.peek()
	if !isNumeric(t.text) {
		return anyNumber
	}
	p.next()
	n, ok := number(t.text)
	if !ok || n > greatest {
		p.fail(t, "%q is not a %s", t.text, what)
	}
	return int(n)
}

// vlan reads what follows the word.
func (p *parser) vlan(word token) node {
	if slices.Contains(p.headers, sessionHeader) {
		p.fail(word, "no VLAN tag is behind \"pppoes\"")
	}
	n := vlan{slices.Clone(p.headers), p.numberAfter(maxTag, "VLAN")}
	p.headers = append(p.headers, tagHeader)
	if len(p.headers) > maxHeaders {
		p.fail(p.peek(), "more VLAN tags than a frame has")
	}
	return n
}

// maxHeaders bounds the headers that an expression looks behind.
const maxHeaders = 8

// session reads what follows "pppoes".
func (p *parser) session(word token) node {
	if slices.Contains(p.headers, sessionHeader) {
		p.fail(word, "no PPPoE session is in a PPPoE session")
	}
	n := p.afterSeen(session{p.numberAfter(maxSession, "PPPoE session")})
	p.headers = append(p.headers, sessionHeader)
	return n
}

// geneve reads what follows the word.
func (p *parser) geneve(word token) node {
	if slices.Contains(p.headers, geneveHeader) {
		p.fail(word, "a second \"geneve\" is not supported")
	}
	n := p.afterSeen(geneve(p.numberAfter(maxNetwork, "GENEVE network")))
	p.headers = append(p.headers, geneveHeader)
	return n
}

// afterSeen is n about what follows the headers named so far.
func (p *parser) afterSeen(n node) node {
	if len(p.headers) == 0 {
		return n
	}
	return behind{slices.Clone(p.headers), n}
}
