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

// resultIDs numbers results: above 0 are combinations of signatures, by their
// fingerprint.ID, below 0 are unmatched SYNs, one number for each signature of theirs.
type resultIDs struct {
	matcher    *fingerprint.Matcher
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

func newResultIDs(m *fingerprint.Matcher) *resultIDs {
	return &resultIDs{matcher: m, unknownIDs: make(map[string]int32)}
}

// internUnmatched returns the number of the SYN ev, which no signature fits.
func (n *resultIDs) internUnmatched(ev *parse.Event) int32 {
	n.scratch = fingerprint.AppendSignature(n.scratch[:0], ev) // nothing without options
	if id, ok := n.unknownIDs[string(n.scratch)]; ok {
		return id
	}
	if len(n.unknown) >= maxUnknown {
		return omittedResult
	}
	u := unknown{text: string(n.scratch)}
	u.nearest, u.differs = n.matcher.Nearest(ev)
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
		return int32(n.matcher.IDOf(from.matcher.Result(fingerprint.ID(r))))
	}
	u := from.unknown[^r]
	if _, known := n.unknownIDs[u.text]; !known && len(n.unknown) >= maxUnknown {
		return omittedResult
	}
	return n.internUnknown(u)
}
