package fingerprint

import "fwknopd/parse"

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

// relation says how a number of a signature is compared.
type relation uint8

const (
	anything relation = iota // *
	equals                   // n
	multiple                 // %n
	timesMSS                 // Sn
	timesMTU                 // Tn
)

// number is a pattern for one number of a SYN.
type number struct {
	rel relation
	n   uint16
}

// fits compares v; mss is 0 if the SYN has none.
func (p number) fits(v, mss uint16) bool {
	switch p.rel {
	case anything:
		return true
	case equals:
		return v == p.n
	case multiple:
		return v%p.n == 0
	case timesMSS:
		return mss != 0 && uint32(v) == uint32(mss)*uint32(p.n)
	default:
		return mss != 0 && uint32(v) == (uint32(mss)+40)*uint32(p.n)
	}
}

// bit is a pattern for, or the state of, the don't-fragment bit.
type bit uint8

const (
	bitClear bit = iota
	bitSet
	bitAny // in a signature: both fit; of a SYN: it cannot tell
)

// check is what a signature demands of one option beyond its kind.
type check struct {
	at    uint8 // position in the layout
	value number
}

// pattern is a compiled signature, but for its layout, by which it is found.
type pattern struct {
	window, size number
	ttl          uint8
	df           bit
	ends         uint8 // how many E it spells
	exact        bool  // has a quirks field
	quirks       quirks
	checks       []check
}

// fits reports whether s, whose layout is that of the pattern, fits.
func (p *pattern) fits(s *syn, maxHops int) bool {
	return p.window.fits(s.window, s.mss) && p.size.fits(s.size, 0) &&
		p.fitsTTL(s.ttl, maxHops) && p.fitsDF(s.df) &&
		p.fitsEnd(s) && p.fitsQuirks(s) && p.fitsValues(s)
}

func (p *pattern) fitsTTL(ttl uint8, maxHops int) bool {
	return ttl <= p.ttl && int(p.ttl)-int(ttl) < maxHops
}

func (p *pattern) fitsDF(df bit) bool {
	return p.df == df || p.df == bitAny || df == bitAny
}

func (p *pattern) fitsValues(s *syn) bool {
	for _, c := range p.checks {
		if !c.value.fits(s.value[c.at], 0) {
			return false
		}
	}
	return true
}

// fitsEnd judges the bytes from the end-of-list option on.
func (p *pattern) fitsEnd(s *syn) bool {
	switch p.ends {
	case 0:
		return s.padded
	case 1:
		return s.tail > 0
	default:
		return s.tail == p.ends && s.zeroTail
	}
}

// fitsQuirks compares the quirks that s can show. Mere padding is not held
// against a signature that spells no E.
func (p *pattern) fitsQuirks(s *syn) bool {
	differ := (p.quirks ^ s.quirks) & s.known
	if !p.exact {
		return differ&quirkBroken == 0
	}
	if p.ends == 0 && s.padded {
		differ &^= quirkPastEnd
	}
	return differ == 0
}
