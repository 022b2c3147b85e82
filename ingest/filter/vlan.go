package filter

import "golang.org/x/net/bpf"

// EtherTypes of VLAN tags: IEEE 802.1Q, 802.1ad, and what came before that.
const (
	etherTag        = 0x8100
	etherServiceTag = 0x88a8
	etherOldTag     = 0x9100
)

const (
	tagBytes = 4
	maxTag   = 4095
	anyTag   = -1
)

type (
	// vlan is true of frames with a tag behind depth others, and with this number.
	vlan struct{ depth, id int }
	// afterTags is a node about what follows depth tags: "vlan" moves the meaning of
	// everything to its right, as in libpcap.
	afterTags struct {
		depth int
		x     node
	}
)

// shifted emits n as if the frame began behind depth tags.
func (c *compiler) shifted(depth int, n node, yes, no label) {
	if !c.tags {
		c.jump(no)
		return
	}
	if c.stripped {
		depth--
	}
	c.shift = uint32(depth) * tagBytes
	n.emit(c, yes, no)
	c.shift = 0
}

func (n afterTags) emit(c *compiler, yes, no label) { c.shifted(n.depth, n.x, yes, no) }

func (n vlan) emit(c *compiler, yes, no label) {
	if c.tags && c.stripped && n.depth == 0 {
		n.emitStripped(c, yes, no)
		return
	}
	var is node = anyOf(carries(etherTag), carries(etherServiceTag), carries(etherOldTag))
	if n.id != anyTag {
		id := test{base: network, size: 2, mask: maxTag, cond: bpf.JumpEqual, val: uint32(n.id)}
		is = and{is, id}
	}
	c.shifted(n.depth, is, yes, no)
}

// emitStripped looks at the tag that the kernel took out.
func (n vlan) emitStripped(c *compiler, yes, no label) {
	if n.id == anyTag {
		c.jump(yes)
		return
	}
	test{base: tag, mask: maxTag, cond: bpf.JumpEqual, val: uint32(n.id)}.emit(c, yes, no)
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
	case vlan, afterTags:
		return true
	}
	return false
}

// vlan reads what follows the word.
func (p *parser) vlan() node {
	n := vlan{p.tags, anyTag}
	if t := p.peek(); isNumeric(t.text) {
		p.next()
		id, ok := number(t.text)
		if !ok || id > maxTag {
			p.fail(t, "%q is not a VLAN", t.text)
		}
		n.id = int(id)
	}
	if p.tags++; p.tags > maxTags {
		p.fail(p.peek(), "more VLAN tags than a frame has")
	}
	return n
}

// maxTags bounds the tags that an expression looks behind.
const maxTags = 8

// afterSeenTags is n about what follows the tags named so far.
func (p *parser) afterSeenTags(n node) node {
	if p.tags == 0 {
		return n
	}
	return afterTags{p.tags, n}
}
