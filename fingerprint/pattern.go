package fingerprint

import (
	"errors"
	"fmt"
	"strings"

	"fwknopd/parse"
)

// TCP option kinds (IANA) that signatures know by a letter.
const (
	kindEnd           = 0
	kindNOP           = 1
	kindMSS           = 2
	kindScale         = 3
	kindSACKPermitted = 4
	kindTimestamp     = 8
)

// layout is the sequence of option kinds up to the end of the list.
type layout struct {
	n    uint8
	kind [parse.MaxOptions]uint8
}

// relation is how a number of a signature is compared.
type relation uint8

const (
	anything relation = iota // *
	equals                   // n
	timesMSS                 // Sn, windows only
	timesMTU                 // Tn, windows only
	multiple                 // %n
)

// number is a pattern for one number of a SYN.
type number struct {
	rel relation
	n   uint16 // 0 if anything
}

// bit is a pattern for, or the state of, the don't-fragment bit.
type bit uint8

const (
	bitClear bit = iota
	bitSet
	bitAny // in a signature: both fit; of a SYN: not known
)

// check is what a signature requires of the value of one option.
type check struct {
	at    uint8 // position in the layout
	value number
}

// pattern is a compiled signature, but for its layout, by which it is found.
type pattern struct {
	window, size number
	ttl          uint8
	minTTL       uint8 // the least TTL that fits: a lower one is nearer to a signature that differs in it alone
	anyHops      bool  // the distance does not matter
	df           bit
	eols         uint8 // how many E it spells
	exact        bool  // has a quirks field
	quirks       quirks
	checks       []check
	conditions   *[]condition // nil if there are none, as of nearly all: a candidate is small
}

// fits reports whether s, whose layout is that of the pattern, fits in one field.
func (p *pattern) fits(f field, s *syn, maxHops int) bool {
	switch f {
	case fieldWindow:
		return p.window.fits(s.window, s.mss)
	case fieldTTL:
		return s.ttl <= p.ttl && s.ttl >= p.minTTL && (p.anyHops || int(p.ttl)-int(s.ttl) < maxHops)
	case fieldDF:
		return p.df == s.df || p.df == bitAny || s.df == bitAny
	case fieldSize:
		return p.size.fits(s.size, 0)
	case fieldOptions:
		return p.fitsOptions(s)
	default:
		return p.fitsQuirks(s) && p.fitsConditions(s)
	}
}

// fitsOptions compares the values of the options, and the bytes from the end-of-list option
// on.
func (p *pattern) fitsOptions(s *syn) bool {
	for _, c := range p.checks {
		if !c.value.fits(s.value[c.at], 0) {
			return false
		}
	}
	switch p.eols {
	case 0:
		return s.padded
	case 1:
		return s.tail > 0
	default:
		return s.tail == p.eols && s.zeroTail
	}
}

// fits compares v. mss is that of the SYN if v is a window, 0 if it has none.
func (p number) fits(v, mss uint16) bool {
	switch p.rel {
	case anything:
		return true
	case equals:
		return v == p.n
	case timesMSS:
		return mss != 0 && uint32(v) == uint32(mss)*uint32(p.n)
	case timesMTU:
		return mss != 0 && uint32(v) == (uint32(mss)+mtuOverMSS)*uint32(p.n)
	default:
		return v%p.n == 0
	}
}

// mtuOverMSS is the difference between MTU and MSS in p0f.
const mtuOverMSS = 40

// fitsQuirks compares the quirks that s can show. Padding is ignored if the signature
// spells no E.
func (p *pattern) fitsQuirks(s *syn) bool {
	differ := (p.quirks ^ s.quirks) & s.known
	if !p.exact {
		return differ&quirkBroken == 0
	}
	if p.eols == 0 {
		differ &^= s.quirks & quirkPastEnd
	}
	return differ == 0
}

func (p *pattern) fitsConditions(s *syn) bool {
	if p.conditions == nil {
		return true
	}
	for _, c := range *p.conditions {
		if !c.holds(s.event) {
			return false
		}
	}
	return true
}

// quirks is a set of oddities of a SYN.
type quirks uint16

const (
	quirkPastEnd   quirks = 1 << iota // P: bytes after the end of the option list
	quirkZeroID                       // Z: IP identification 0
	quirkIPOptions                    // I
	quirkUrgent                       // U: urgent pointer not 0
	quirkReserved                     // X: reserved header bits
	quirkAck                          // A: acknowledgement number not 0
	quirkEcho                         // T: second time stamp not 0
	quirkFlags                        // F: PSH or URG
	quirkData                         // D: payload
	quirkBroken                       // !: options cannot be decoded to their end
	quirkResetAck                     // K: an RST's acknowledgement number
	quirkSeqAck                       // Q: sequence equals acknowledgement number
	quirkZeroSeq                      // 0: sequence number 0
)

// quirkLetters names the quirks in the order of their bits.
const quirkLetters = "PZIUXATFD!KQ0"

// parseQuirks reads the quirks field: the letters, or . for none, and conditions,
// with commas between them. Without the letters (exact is false) quirks are not
// compared.
func parseQuirks(text string) (q quirks, exact bool, conds []condition, err error) {
	if text == "" {
		return 0, false, nil, errors.New(`empty; none is written as "."`)
	}
	list := strings.Split(text, ",")
	if list[0] != data && !strings.Contains(list[0], "=") {
		exact = true
		if q, err = parseLetters(list[0]); err != nil {
			return 0, false, nil, err
		}
		list = list[1:]
	}
	conds, err = parseConditions(list)
	return q, exact, conds, err
}

func parseLetters(text string) (quirks, error) {
	if text == "." {
		return 0, nil
	}
	if text == "" {
		return 0, errors.New(`empty; none is written as "."`)
	}
	var q quirks
	for i := range len(text) {
		bit := strings.IndexByte(quirkLetters, text[i])
		if bit < 0 {
			return 0, fmt.Errorf("unknown quirk %q", text[i])
		}
		q |= 1 << bit
	}
	return q, nil
}

func (q quirks) appendTo(dst []byte) []byte {
	if q == 0 {
		return append(dst, '.')
	}
	for bit := range len(quirkLetters) {
		if q&(1<<bit) != 0 {
			dst = append(dst, quirkLetters[bit])
		}
	}
	return dst
}
