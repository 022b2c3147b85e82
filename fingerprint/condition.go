package fingerprint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fwknopd/parse"
)

// subject is the field that a condition tests.
type subject uint8

const (
	subjectID     subject = iota // id=N: IPv4 identification
	subjectPort                  // sport=N: source port
	subjectSeqDst                // seq=dst: the sequence number is the destination address
	subjectIP                    // ip=N: version of IP
	subjectData                  // data: an IPv4 packet that is longer than its headers
)

// A condition is a requirement in the quirks field that the letters of p0f 2 cannot
// express. Unlike a quirk it never holds if the record cannot show it.
type condition struct {
	subject subject
	n       uint16
}

// maxConditions is how many different conditions the key of the shape cache has bits for.
const maxConditions = 31

// conditions are those of all signatures of a set, but for the version of IP and data,
// which are part of a shape anyway. Most SYNs meet none of them, which two small tables
// decide.
type conditions struct {
	list       []condition
	ids, ports [4]uint64 // by the lower bits of the number: may some condition hold
	seqDst     uint64    // by the first option: may seq=dst hold; most SYNs have another
}

// add enters the conditions of a signature.
func (c *conditions) add(list []condition, l *layout) {
	for _, n := range list {
		if n.subject == subjectSeqDst {
			c.seqDst |= firstOptionBit(l.kind[:l.n])
			if l.n == 0 {
				c.seqDst |= firstOptionBit([]byte{kindEnd})
			}
		}
		if n.subject >= subjectIP || slices.Contains(c.list, n) {
			continue
		}
		c.list = append(c.list, n)
		switch bit := uint64(1) << (n.n & 63); n.subject {
		case subjectID:
			c.ids[n.n>>6&3] |= bit
		case subjectPort:
			c.ports[n.n>>6&3] |= bit
		}
	}
}

// met returns the set of those that ev meets, by position in the list. all is false if
// the set is incomplete, because there are too many.
func (c *conditions) met(ev *parse.Event) (set uint32, all bool) {
	id, port := ev.ID, ev.Src.Port()
	if (c.ids[id>>6&3]>>(id&63)|c.ports[port>>6&3]>>(port&63))&1 == 0 &&
		(c.seqDst&firstOptionBit(ev.Options()) == 0 || !isSeqDst(ev)) {
		return 0, true
	}
	return c.metByList(ev)
}

// firstOptionBit numbers the first of the option bytes for [conditions.seqDst].
func firstOptionBit(options []byte) uint64 {
	const none = 63
	if len(options) == 0 {
		return 1 << none
	}
	return 1 << (options[0] & 63)
}

// metByList is met for a SYN that may meet some.
func (c *conditions) metByList(ev *parse.Event) (set uint32, all bool) {
	for i, n := range c.list {
		switch {
		case !n.holds(ev):
		case i >= maxConditions:
			return 0, false
		default:
			set |= 1 << i
		}
	}
	return set, true
}

// holds reports whether ev meets the condition.
func (c condition) holds(ev *parse.Event) bool {
	switch c.subject {
	case subjectID:
		return ev.ID == c.n && !ev.Src.Addr().Is6()
	case subjectPort:
		return ev.Src.Port() == c.n
	case subjectIP:
		return ev.Src.Addr().Is6() == (c.n == 6)
	case subjectData:
		return !ev.Src.Addr().Is6() && !ev.IPOptions && exceedsHeaders(ev) // whether or not a log mentions IP options
	default:
		return isSeqDst(ev)
	}
}

func isSeqDst(ev *parse.Event) bool {
	dst := ev.Dst.Addr()
	if !ev.HasSeq || !dst.Is4() {
		return false
	}
	b := dst.As4()
	return ev.Seq == binary.BigEndian.Uint32(b[:])
}

// parseConditions reads the parts of the quirks field after the letters.
func parseConditions(list []string) ([]condition, error) {
	var out []condition
	for _, text := range list {
		c, err := parseCondition(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// The conditions without a number, as they are written.
const (
	seqDst = "seq=dst"
	data   = "data"
)

func parseCondition(text string) (condition, error) {
	switch text {
	case seqDst:
		return condition{subject: subjectSeqDst}, nil
	case data:
		return condition{subject: subjectData}, nil
	}
	key, digits, _ := strings.Cut(text, "=")
	var c condition
	switch key {
	case "id":
		c.subject = subjectID
	case "sport":
		c.subject = subjectPort
	case "ip":
		if digits != "4" && digits != "6" {
			return c, errors.New("IP has version 4 and version 6")
		}
		c.subject = subjectIP
	default:
		return c, errors.New("no such condition: id=N, sport=N, seq=dst, ip=N or data expected")
	}
	n, err := parseNumber(digits, "", 0xffff)
	c.n = n.n
	return c, err
}
