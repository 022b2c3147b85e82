package osreport

import (
	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// maxUnknown bounds how many different unmatched SYNs are distinguished.
const maxUnknown = 1 << 14

// noOptions is the reason printed for SYNs in log lines without TCP options, which
// cannot be compared with a signature.
const noOptions = "no TCP options on record: log with --log-tcp-options"

// resultIDs numbers results: 0 and up are combinations of signatures, below 0 are
// unmatched SYNs, one number for each signature of theirs.
type resultIDs struct {
	matches    [][]*fingerprint.Signature
	matchIDs   map[string]int32
	unknown    []unknown // result r is at ^r
	unknownIDs map[string]int32
	scratch    []byte
}

// An unknown is a kind of SYN that matches no signature.
type unknown struct {
	text    string // in the syntax of the signature file, "" without TCP options
	nearest *fingerprint.Signature
	differs []string // the fields in which it differs from nearest
}

func newResultIDs() *resultIDs {
	return &resultIDs{matchIDs: make(map[string]int32), unknownIDs: make(map[string]int32)}
}

// internMatch returns the number of a combination of signatures.
func (n *resultIDs) internMatch(sigs []*fingerprint.Signature) int32 {
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

// internUnmatched returns the number of the SYN ev, which m did not match.
func (n *resultIDs) internUnmatched(m *fingerprint.Matcher, ev *parse.Event) int32 {
	n.scratch = fingerprint.AppendSignature(n.scratch[:0], ev) // nothing without options
	if id, ok := n.unknownIDs[string(n.scratch)]; ok {
		return id
	}
	if len(n.unknown) >= maxUnknown {
		return omittedResult
	}
	u := unknown{text: string(n.scratch)}
	u.nearest, u.differs = m.Nearest(ev)
	return n.internUnknown(u)
}

func (n *resultIDs) internUnknown(u unknown) int32 {
	if id, ok := n.unknownIDs[u.text]; ok {
		return id
	}
	id := ^int32(len(n.unknown))
	n.unknownIDs[u.text] = id
	n.unknown = append(n.unknown, u)
	return id
}

// renumber returns the number in n of result r of from.
func (n *resultIDs) renumber(from *resultIDs, r int32) int32 {
	if r >= 0 {
		return n.internMatch(from.matches[r])
	}
	u := from.unknown[^r]
	if _, known := n.unknownIDs[u.text]; !known && len(n.unknown) >= maxUnknown {
		return omittedResult
	}
	return n.internUnknown(u)
}
