package osreport

import (
	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// maxUnknown bounds how many different unmatched SYNs are told apart.
const maxUnknown = 1 << 14

// noOptions is said of SYNs in log lines that lack the options: nothing can be
// compared with a signature, which is no fault of the signatures.
const noOptions = "no TCP options on record: log with --log-tcp-options"

// names numbers results: 0 and up are combinations of signatures, below 0 are
// unmatched SYNs by their own signature.
type names struct {
	matches  [][]*fingerprint.Signature
	matchIDs map[string]int32
	unknown  []unknown // the result is ^index
	unkIDs   map[string]int32
	scratch  []byte
}

// An unknown is a kind of SYN that no signature fits.
type unknown struct {
	text    string // in the syntax of the signature file, "" if its options are not on record
	nearest *fingerprint.Signature
	differs []string // what sets it apart from nearest
}

func newNames() *names {
	return &names{matchIDs: make(map[string]int32), unkIDs: make(map[string]int32)}
}

// matched numbers a combination of signatures.
func (n *names) matched(sigs []*fingerprint.Signature) int32 {
	n.scratch = n.scratch[:0]
	for _, s := range sigs {
		n.scratch = append(n.scratch, byte(s.Index>>16), byte(s.Index>>8), byte(s.Index))
	}
	id, ok := n.matchIDs[string(n.scratch)]
	if !ok {
		id = int32(len(n.matches))
		n.matchIDs[string(n.scratch)] = id
		n.matches = append(n.matches, sigs)
	}
	return id
}

// unmatched numbers the SYN ev that m knows nothing about.
func (n *names) unmatched(m *fingerprint.Matcher, ev *parse.Event) int32 {
	n.scratch = fingerprint.AppendSignature(n.scratch[:0], ev) // nothing without options
	if id, ok := n.unkIDs[string(n.scratch)]; ok {
		return id
	}
	if len(n.unknown) >= maxUnknown {
		return leftOut
	}
	u := unknown{text: string(n.scratch)}
	u.nearest, u.differs = m.Nearest(ev)
	return n.intern(u)
}

func (n *names) intern(u unknown) int32 {
	if id, ok := n.unkIDs[u.text]; ok {
		return id
	}
	id := ^int32(len(n.unknown))
	n.unkIDs[u.text] = id
	n.unknown = append(n.unknown, u)
	return id
}

// renumber returns the number in n of what is result r in from.
func (n *names) renumber(from *names, r int32) int32 {
	if r >= 0 {
		return n.matched(from.matches[r])
	}
	u := from.unknown[^r]
	if _, known := n.unkIDs[u.text]; !known && len(n.unknown) >= maxUnknown {
		return leftOut
	}
	return n.intern(u)
}
